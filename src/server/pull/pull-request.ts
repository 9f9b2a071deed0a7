import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Digest } from '../../oci/digest.ts';
import { isRefused, RegistryError } from '../../oci/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import type { MountOffer, Registry } from '../../oci/registry.ts';
import type { RegistryRequest } from '../../oci/wire/request.ts';
import { loginIn } from '../../oci/wire/token.ts';
import type { RequestRecord } from '../answer/record.ts';
import type { PushContext } from '../push/push-context.ts';
import type { RegistryGuard, Route } from '../routing/routing.ts';
import { type PullContext, sendBlob, sendManifest, sendReferrers, sendTags } from './pull.ts';

/**
 * How clients log in to upstreams by a door:
 * - `none`: their `Authorization` is our own, and never leaves this machine. What is guarded, nobody gets.
 * - `requests`: it is meant for the upstream that a request goes to, and asked for when that needs it.
 * - otherwise the same, and `GET /v2/` says how already, as upstream does: there are clients that look nowhere else.
 */
export type UpstreamLogin = 'none' | 'requests' | LoginAtPing;

/** How clients log in by a door that stands in for upstream's own host. */
export interface LoginAtPing {
  /** Where this client gets upstream's tokens from us, up to a name; undefined when it has to go where upstream says. */
  tokenPlace(request: IncomingMessage): string | undefined;
  /** Whether clients reach token servers by this door: where they do not, none is sent away to one. */
  readonly reachesOthers: boolean;
}

/** A request to read, of which is known where it goes. */
export interface RoutedPull {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: RequestRecord;
  readonly signal: AbortSignal;
  readonly route: Route;
  readonly repository: Repository;
  readonly upstreamLogin: UpstreamLogin;
}

/** What may be mounted, for who looks before it pushes; undefined for who may not push. */
type Offer = PushContext['offer'] | undefined;

/** What is read of a repository. */
export type PullRequest = Exclude<RegistryRequest, { kind: 'ping' | 'catalog' }>;

/** Answers a request to read. */
export async function pull(routed: RoutedPull, asked: PullRequest, offer: Offer): Promise<void> {
  const { route, repository, response } = routed;
  const { guard, registry } = route.to;
  if (guard === undefined) return pullFrom(registry, routed, asked, offer);
  if (guard.isOpen(repository)) {
    try {
      return await pullFrom(guard.open, routed, asked, offer);
    } catch (error) {
      const hasBecomeGuarded = isRefused(error) && !guard.isOpen(repository);
      if (!hasBecomeGuarded || response.headersSent) throw error;
    }
  }
  await pullGuarded(guard, routed, asked, offer);
}

async function pullGuarded(guard: RegistryGuard, routed: RoutedPull, asked: PullRequest, offer: Offer): Promise<void> {
  const { request, upstreamLogin, route } = routed;
  if (upstreamLogin !== 'none') {
    try {
      return await pullFrom(guard.forClient(loginIn(request.headers.authorization)), routed, asked, offer);
    } catch (error) {
      throw nameUs(error, guard, upstreamLogin, request);
    }
  }
  try {
    await pullFrom(guard.forClient(undefined), routed, asked, offer);
  } catch (error) {
    // Whoever logged in as upstream wants it would show its password to us, to no avail.
    if (!(error instanceof RegistryError) || error.code !== 'UNAUTHORIZED') throw error;
    const what = `${error.message}; by this door nobody can log in to ${route.to.name}`;
    throw new RegistryError('DENIED', what, { cause: error });
  }
}

/** Sends a client away to log in to upstream, if that is said in answer to the ping, and upstream says how. */
export async function challengePing(
  { to: { name: registry, guard }, name }: Route,
  upstreamLogin: UpstreamLogin,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<void> {
  if (typeof upstreamLogin === 'string' || request.headers.authorization !== undefined || name !== undefined) return;
  const challenge = await guard?.challenge(signal);
  if (guard === undefined || challenge === undefined) return;
  const what = `Cannot tell who you are: ${registry} wants a login`;
  const error = new RegistryError('UNAUTHORIZED', what, { headers: { 'www-authenticate': challenge } });
  const ours = nameUs(error, guard, upstreamLogin, request);
  if (ours !== error || upstreamLogin.reachesOthers) throw ours;
}

/** The same error, but that a challenge in it names us in place of upstream's token server, where we stand in for that. */
function nameUs(error: unknown, guard: RegistryGuard, upstreamLogin: UpstreamLogin, request: IncomingMessage): unknown {
  const challenge = error instanceof RegistryError ? error.headers['www-authenticate'] : undefined;
  const place = typeof upstreamLogin === 'string' ? undefined : upstreamLogin.tokenPlace(request);
  if (challenge === undefined || place === undefined) return error;
  const renamed = guard.tokens.renameRealm(challenge, place);
  if (renamed === undefined) return error;
  const { code, message, status, headers } = error as RegistryError;
  return new RegistryError(code, message, {
    status,
    headers: { ...headers, 'www-authenticate': renamed },
    cause: error,
  });
}

function pullFrom(
  registry: Registry,
  { request, response, record, signal, route, repository }: RoutedPull,
  asked: PullRequest,
  offer: Offer,
): Promise<void> {
  const { pushable } = route.to;
  const context: PullContext = { request, response, registry, repository, record, signal };
  if (!pushable || !offer) return send(context, asked, record);
  const mountMissing = (digest: Digest) =>
    pushable.mountBlob(repository, digest, ofOthers(offer(undefined), route), signal);
  return send({ ...context, mountMissing }, asked, record);
}

/**
 * From the registry itself nothing is mounted unasked: what was deleted from a repository would be back with the next
 * look at it. Its clients know what they pushed there, and ask for a mount by name.
 */
function ofOthers({ mayRead }: MountOffer, { to }: Route): MountOffer {
  return { from: undefined, mayRead: (registry, repository) => registry !== to.name && mayRead(registry, repository) };
}

async function send(context: PullContext, asked: PullRequest, record: RequestRecord): Promise<void> {
  switch (asked.kind) {
    case 'manifest':
      record.reference = asked.reference;
      return sendManifest(context, asked);
    case 'blob':
      record.reference = asked.digest;
      return sendBlob(context, asked);
    case 'tags':
      return sendTags(context, asked);
    case 'referrers':
      record.reference = asked.digest;
      return sendReferrers(context, asked);
  }
}
