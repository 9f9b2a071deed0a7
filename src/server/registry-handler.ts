import type { RepositoryOf } from '../access/access.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Repository } from '../oci/reference.ts';
import type { Page, RepositoryList } from '../oci/registry.ts';
import { isProbeTag } from '../oci/wire/probe-tag.ts';
import { isPushRequest } from '../oci/wire/push-request.ts';
import { type AnyRequest, parseRequest, type RegistryRequest } from '../oci/wire/request.ts';
import type { Log } from '../util/log/log.ts';
import { type Exchange, signalOf } from './answer/exchange.ts';
import { type KnownHost, refuseChange, refuseReading } from './browsers.ts';
import { type ClientAccess, type DoorAccess, everybodysAccess, identifyClient } from './client-access.ts';
import { answerTokenRequest, tokenPath } from './pull/client-tokens.ts';
import { listWhere } from './pull/list-where.ts';
import { nextLink, type PullContext, sendJson } from './pull/pull.ts';
import { challengePing, pull, type UpstreamLogin } from './pull/pull-request.ts';
import { push } from './push/push.ts';
import { mountOffers, type PushContext, pushContext, pushVerbs } from './push/push-context.ts';
import { isRegistryPath, type RegistryPath } from './routing/registry-path.ts';
import { type Route, type RoutedRegistry, type Routing, type RoutingHints, repositoryOf } from './routing/routing.ts';

/**
 * The repositories of all registries in one list, each by the name that this door serves it under: those that the client
 * may pull.
 */
export type Catalog = (page: Page, mayPull: (target: RepositoryOf) => boolean) => Promise<RepositoryList>;

/** What registry requests are answered with. */
export interface RegistryHandlerOptions {
  readonly router: Routing;
  readonly catalog: Catalog;
  readonly access: DoorAccess;
  /** What the door is known by: by other names web pages may have come. */
  readonly isKnownHost: KnownHost;
  readonly upstreamLogin: UpstreamLogin;
  /** The registry whose tokens are asked for by this door, where one is. */
  readonly tokensOf?: RoutedRegistry;
  /** What answers for all else that is below `/v2/`; nothing does, where it is not given. */
  readonly elsewhere?: (exchange: Exchange) => Promise<void>;
  readonly push: PushOptions;
  readonly log: Log;
}

/** What pushes are answered with. */
export interface PushOptions {
  readonly maxManifestBytes: number;
  /** What the registry that is pushed to is called, for those who push to another. */
  readonly goal: string;
}

/** Answers requests to registries: parses, routes, and hands on to what answers the kind of request. */
export class RegistryHandler {
  readonly #options: RegistryHandlerOptions;
  /** Known before any request comes, where nobody can log in: a hit then waits for nothing here. */
  readonly #everybody: ClientAccess | undefined;

  constructor(options: RegistryHandlerOptions) {
    this.#options = options;
    this.#everybody = everybodysAccess(options.access);
  }

  /**
   * Answers one request.
   * @throws RegistryError, and whatever else keeps it from being answered: the caller renders it
   */
  async handle(exchange: Exchange, { prefix, rest }: RegistryPath, query: string): Promise<void> {
    const { request, response, body, record } = exchange;
    const { elsewhere } = this.#options;
    if (elsewhere && (prefix !== undefined || !isRegistryPath(rest))) return elsewhere(exchange);
    const asked = parseRequest(request.method!, rest, query);
    record.route = asked.kind;
    // Whoever asks which way it goes wants to know of refusals, too.
    if (asked.kind === 'manifest' && isProbeTag(asked.reference)) record.reference = asked.reference;
    if (!isPushRequest(asked)) body.leave();
    const namespace = query.includes('ns=') ? new URLSearchParams(query).get('ns') || undefined : undefined;
    const hints = { host: request.headers.host, prefix, namespace };
    const isOfRegistry = asked.name !== undefined || this.#options.router.isNamed(hints);
    const signal = signalOf(response);
    const client = this.#everybody ?? (await identifyClient(this.#options.access, request, signal));
    record.user = client.user;
    if (!isPushRequest(asked)) throwIfAny(refuseReading(request, client.user, this.#options.isKnownHost));
    // What is asked of the door as a whole needs no registry, and so no default.
    if (!isOfRegistry && asked.kind === 'ping') return sendPing(exchange);
    if (!isOfRegistry && asked.kind === 'catalog') {
      const list: ListPage = (page) => this.#options.catalog(page, (target) => client.may('pull', target));
      return sendCatalog(exchange, asked.page, list);
    }
    const route = this.#route(asked, hints);
    record.namespace = route.namespace;
    record.registry = route.to.name;
    if (asked.kind === 'ping' || asked.kind === 'catalog') {
      if (asked.kind === 'ping') await challengePing(route, this.#options.upstreamLogin, request, signal);
      return answerOwn({ ...exchange, client, signal }, asked, route);
    }
    const repository = repositoryOf(route);
    record.repository = repository;
    const { upstreamLogin } = this.#options;
    await this.#answer({ ...exchange, client, signal, hints, route, repository, upstreamLogin }, asked);
  }

  /** Answers a request for a token; undefined when the path is none of tokens. @throws as `handle` */
  giveToken(exchange: Exchange, path: string, query: string): Promise<void> | undefined {
    const { tokensOf } = this.#options;
    if (tokensOf === undefined || !path.startsWith(tokenPath)) return undefined;
    return this.#giveToken(tokensOf, exchange, { id: path.slice(tokenPath.length), query });
  }

  async #giveToken(of: RoutedRegistry, exchange: Exchange, asked: { id: string; query: string }): Promise<void> {
    const { request, response, record } = exchange;
    const signal = signalOf(response);
    const client = this.#everybody ?? (await identifyClient(this.#options.access, request, signal));
    record.user = client.user;
    await answerTokenRequest(of, exchange, asked, signal);
  }

  /** The one place where it is known who wants to do what with which repository. */
  #answer(routed: Routed, asked: OfRepository): Promise<void> {
    const { client, route, repository, request } = routed;
    const { isKnownHost } = this.#options;
    const target = { registry: route.to.name, repository };
    const { pushable } = route.to;
    if (!isPushRequest(asked)) {
      client.authorize('pull', target);
      if (!pushable && asked.kind === 'manifest' && isProbeTag(asked.reference)) throw notAnImage();
      const mayMount =
        pushable &&
        request.method === 'HEAD' &&
        client.may('push', target) &&
        refuseChange(request, 'push', client.user, isKnownHost) === undefined;
      return pull(routed, asked, mayMount ? this.#offers(routed) : undefined);
    }
    if (!pushable) throw cannotPush(route, this.#options.push.goal);
    const verb = pushVerbs[asked.kind];
    client.authorize(verb, target);
    throwIfAny(refuseChange(request, verb, client.user, isKnownHost));
    const { maxManifestBytes } = this.#options.push;
    const offer = this.#offers(routed);
    return push(pushContext({ ...routed, registry: pushable, maxManifestBytes, offer }, asked), asked);
  }

  #offers({ client, route, hints }: Routed): PushContext['offer'] {
    return mountOffers(client, route, (name) => this.#options.router.route(name, hints));
  }

  #route(asked: AnyRequest, hints: RoutingHints): Route {
    const { router, log } = this.#options;
    try {
      return router.route(asked.name, hints);
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'NAME_UNKNOWN') {
        log.warn({ ...hints, name: asked.name, configured: router.names }, 'registry unknown');
      }
      throw error;
    }
  }
}

function throwIfAny(error: Error | undefined): void {
  if (error !== undefined) throw error;
}

/** A request of which is known where it goes. */
interface Routed extends Exchange {
  readonly client: ClientAccess;
  /** Fires when the client has gone. */
  readonly signal: AbortSignal;
  readonly hints: RoutingHints;
  readonly route: Route;
  readonly repository: Repository;
  readonly upstreamLogin: UpstreamLogin;
}

type OfRepository = Exclude<AnyRequest, { kind: 'ping' | 'catalog' }>;

// No upstream is asked for what nobody has.
function notAnImage(): RegistryError {
  return new RegistryError(
    'MANIFEST_UNKNOWN',
    'Cannot find this tag: `entrepot doctor` asks for it to see which way it goes',
  );
}

function cannotPush({ to }: Route, goal: string): RegistryError {
  const what = `Cannot change ${to.name}: it is only pulled from here; what is pushed goes to ${goal}`;
  return new RegistryError('UNSUPPORTED', what, { headers: { allow: 'GET, HEAD' } });
}

type OwnContext = Pick<PullContext, 'request' | 'response' | 'record'>;

type ListPage = (page: Page) => Promise<RepositoryList>;

/** Answers what is asked of one registry, and of no repository. */
function answerOwn(
  context: OwnContext & { readonly client: ClientAccess; readonly signal: AbortSignal },
  asked: Extract<RegistryRequest, { kind: 'ping' | 'catalog' }>,
  { to, name }: Route,
): Promise<void> | void {
  if (name !== undefined) {
    throw new RegistryError('NOT_FOUND', `Cannot find "${name.slice(0, 300)}": it is none of a registry's paths`);
  }
  if (asked.kind === 'ping') return sendPing(context);
  const { client, signal } = context;
  const mayPull = (repository: string) =>
    client.may('pull', { registry: to.name, repository: repository as Repository });
  return sendCatalog(context, asked.page, (asked) =>
    listWhere(asked, mayPull, (page) => to.registry.listRepositories(page, signal)),
  );
}

function sendPing(context: OwnContext): void {
  sendJson(context, {}, undefined, undefined);
}

async function sendCatalog(context: OwnContext, page: Page, list: ListPage): Promise<void> {
  const { repositories, next } = await list(page);
  sendJson(context, { repositories }, undefined, nextLink(context.request, next));
}
