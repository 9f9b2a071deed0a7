import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Access, type Identity, nobody } from '../../access/access.ts';
import type { Config, ListenAddress } from '../../config/config.ts';
import { isLoopback } from '../../config/schema/values/network/listen-address.ts';
import { RegistryError } from '../../oci/errors.ts';
import { ReachableAddresses } from '../../proxy/connect/addresses.ts';
import { type ConnectTools, resolveHost } from '../../proxy/connect/connect.ts';
import { authorityOf, hasOneHost, isSamePlace, type ProxyTarget, parsePlace } from '../../proxy/connect/target.ts';
import { ProxyDoor, ProxyRefusal } from '../../proxy/proxy-door.ts';
import { ProxyRequests } from '../../proxy/proxy-requests.ts';
import type { Admin } from '../../server/admin/admin.ts';
import { guardAdmin } from '../../server/admin/guarded-admin.ts';
import type { Exchange } from '../../server/answer/exchange.ts';
import type { Probes } from '../../server/answer/probes.ts';
import { type KnownHost, knownHosts } from '../../server/browsers.ts';
import { openDoor } from '../../server/door/door.ts';
import { defaultDoorLimits } from '../../server/door/door-limits.ts';
import { createListener, type Listener } from '../../server/door/listener.ts';
import { tokenPath } from '../../server/pull/client-tokens.ts';
import type { LoginAtPing } from '../../server/pull/pull-request.ts';
import { RegistryHandler } from '../../server/registry-handler.ts';
import { type RoutedRegistry, routeToOne } from '../../server/routing/routing.ts';
import type { Basics } from '../app-options.ts';
import type { Lifetime } from '../lifetime.ts';
import { answerElsewhere } from './elsewhere.ts';
import type { Proxied } from './proxied.ts';

// Enough for a host that is far away; a browser gives up later, a package manager sooner.
const connectMs = 15_000;
const httpsPort = 443; // which a `Host` without a port means on a connection of TLS

/** What is behind the proxy door. */
export interface BehindProxyDoor extends Proxied {
  readonly registries: readonly RoutedRegistry[];
  readonly admin: Admin;
  readonly access: Access;
  readonly probes: Probes;
}

/** Opens the door that is an HTTP proxy. */
export async function openProxyDoor(
  listen: ListenAddress,
  config: Config,
  tools: Basics & BehindProxyDoor,
  lifetime: Lifetime,
): Promise<ListenAddress> {
  const { proxy, hosted, domain, shutdown } = config;
  const { log, metrics, clock, access, authorities, hosts, version } = tools;
  warnOfGaps(listen, { access, authorities, hosts, log });
  const seats = new ProxySeats();
  const login: LoginAtPing = {
    tokenPlace: (request) => tokenPlace(request, seats.seatOf(request.socket)),
    reachesOthers: proxy.others !== 'deny',
  };
  const connecting: ConnectTools = {
    reachable: new ReachableAddresses(proxy.allowAddresses),
    connectMs,
    resolve: resolveHost,
  };
  const targetOf = (request: IncomingMessage) => seats.seatOf(request.socket)?.target;
  const elsewhere = { config, connecting, targetOf, identify: seatedIdentity(access, seats) };
  const listeners = new Map(
    tools.registries.map((registry) => [
      registry,
      registryListener(registry, seats, login, answerElsewhere(registry.name, elsewhere), tools),
    ]),
  );
  const identify = proxyIdentity(access);
  const policy = { others: proxy.others, ports: proxy.ports, idleMs: proxy.idleMs };
  const connects = new ProxyDoor({
    ...connecting,
    ...{ policy, log },
    handshakeMs: defaultDoorLimits.headMs,
    isRegistry: (target) => hosts.secure(target) !== undefined && authorities.permits(target.host),
    leafFor: (host) => authorities.leafFor(host),
    async authorize(request, signal) {
      seats.arrive(request.socket, await identify(request, signal));
    },
    handOver(secure, target, raw) {
      seats.take(secure, { target, registry: hosts.secure(target)!, identity: seats.identityOn(raw) });
      open.serve(secure);
    },
    observer: {
      ended: (result) => metrics.proxyConnects.inc({ result }),
      tunnels: (change) => metrics.proxyTunnels.inc(change),
    },
  });
  const requests = new ProxyRequests({
    ...connecting,
    policy,
    plainRegistry: (target) => {
      const registry = hosts.plain(target);
      return registry && ((request, response) => listeners.get(registry)!(request, response));
    },
    async authorize(request, signal) {
      seats.arrive(request, await identify(request, signal));
    },
    own: ownListener(tools, knownHosts(hosted.names, domain)),
    log,
  });
  const listener: Listener = (request, response) => {
    const seat = seats.seatOf(request.socket);
    if (seat === undefined) return requests.answer(request, response);
    if (!isSeated(request, seat)) return refuseMisdirected(response);
    listeners.get(seat.registry)!(request, response);
  };
  const open = await openDoor(listen, listener, {
    ...{ name: 'proxy', log, clock },
    taken: { connect: (request, socket, head) => void connects.connect(request, socket, head) },
  });
  lifetime.push(async () => {
    await Promise.all([connects.close(shutdown.graceMs), open.close(shutdown.graceMs)]);
  });
  const { host, port } = open;
  log.info({ host, port, version }, 'proxy door open');
  return { host, port };
}

/** Who is on a connection, and which registry it was made for. */
interface Seat {
  readonly target: ProxyTarget;
  readonly registry: RoutedRegistry;
  readonly identity: Identity;
}

/** What is known of the connections of the proxy door. */
class ProxySeats {
  readonly #seats = new WeakMap<Socket, Seat>();
  /** By the connection where CONNECT has made it one client's; else by request, as several may be under way at once. */
  readonly #identities = new WeakMap<Socket | IncomingMessage, Identity>();

  arrive(at: Socket | IncomingMessage, identity: Identity): void {
    this.#identities.set(at, identity);
  }

  take(socket: Socket, seat: Seat): void {
    this.#seats.set(socket, seat);
  }

  seatOf(socket: Socket): Seat | undefined {
    return this.#seats.get(socket);
  }

  identityOn(socket: Socket): Identity {
    return this.#seats.get(socket)?.identity ?? this.#identities.get(socket) ?? nobody;
  }

  identityOf(request: IncomingMessage): Identity {
    return this.#seats.get(request.socket)?.identity ?? this.#identities.get(request) ?? nobody;
  }
}

/** Answers what is asked of one registry, whatever names and aliases the path holds: the connection has said which. */
function registryListener(
  registry: RoutedRegistry,
  seats: ProxySeats,
  upstreamLogin: LoginAtPing,
  elsewhere: (exchange: Exchange) => Promise<void>,
  { access, log, metrics, clock, probes }: Pick<BehindProxyDoor, 'access' | 'probes'> & Basics,
): Listener {
  const handler = new RegistryHandler({
    router: routeToOne(registry),
    log,
    // Every request names its registry by its connection, so nothing is asked of the door as a whole.
    catalog: async () => ({ repositories: [] }),
    access: { access, door: 'proxy', ...(access.everybody ? {} : { identify: seatedIdentity(access, seats) }) },
    isKnownHost: () => true, // it is the one that the connection was made for
    upstreamLogin,
    tokensOf: registry,
    elsewhere,
    push: { maxManifestBytes: 0, goal: 'the registry itself, past this proxy (NO_PROXY)' },
  });
  return createListener({ registry: handler, admin: elsewhere, log, metrics, clock, probes });
}

/** Where a client gets tokens for the registry that it takes us for: on that one's own host, as no other is reached so. */
function tokenPlace({ headers }: IncomingMessage, seat: Seat | undefined): string | undefined {
  // Of a request for a registry of plain HTTP, Host was compared with its URL.
  const authority = seat ? authorityOf(seat.target, 443) : headers.host;
  if (authority === undefined || authority === '') return undefined;
  return `${seat ? 'https' : 'http'}://${authority}${tokenPath}`;
}

/** Answers what is asked of the proxy itself, as of any door: how it is, and how to trust it. */
function ownListener(
  { admin, access, log, metrics, clock }: Pick<BehindProxyDoor, 'admin' | 'access'> & Basics,
  isKnownHost: KnownHost,
): Listener {
  const registry = new RegistryHandler({
    router: { names: [], isNamed: () => false, route: () => noRegistry() },
    log,
    catalog: async () => ({ repositories: [] }),
    access: { access, door: 'proxy' },
    isKnownHost,
    upstreamLogin: 'none',
    push: { maxManifestBytes: 0, goal: 'a registry' },
  });
  return createListener({
    registry,
    admin: guardAdmin(admin, { access, door: 'proxy' }, isKnownHost),
    log,
    metrics,
    clock,
  });
}

function noRegistry(): never {
  const what = 'This is a proxy: set HTTPS_PROXY to its address, and ask registries by their own names';
  throw new RegistryError('NAME_UNKNOWN', what);
}

/** Finds out who uses the proxy. Its own header field counts: the other one is for the registry. */
function proxyIdentity(access: Access) {
  return async ({ headers, socket }: IncomingMessage, signal: AbortSignal): Promise<Identity> => {
    try {
      const identity = await access.identify(headers['proxy-authorization'], socket.remoteAddress, signal);
      if (identity.user === undefined && !access.isOpen('proxy')) throw access.refuse(identity, 'pull', undefined);
      return identity;
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      const challenge = error.headers['www-authenticate'];
      if (error.status !== 401 || challenge === undefined)
        throw new ProxyRefusal(error.status, error.message, error.headers);
      throw new ProxyRefusal(407, error.message, { 'proxy-authenticate': challenge });
    }
  };
}

/** Who is on a connection that was made for a registry: whoever logged in when it was, while that login counts. */
function seatedIdentity(access: Access, seats: ProxySeats) {
  return async (request: IncomingMessage, signal: AbortSignal): Promise<Identity> => {
    const identity = seats.identityOf(request);
    if (await access.isStill(identity, signal)) return identity;
    const what = `Cannot serve "${identity.user}" any more: that login was changed or removed; connect with the new one`;
    throw new RegistryError('DENIED', what, { headers: { connection: 'close' } });
  };
}

/** Whether the place that a request names is the one that its connection was made for. */
function isSeated(request: IncomingMessage, { target }: Seat): boolean {
  return hasOneHost(request) && isSamePlace(parsePlace(request.headers.host ?? '', httpsPort), target);
}

function refuseMisdirected(response: ServerResponse): void {
  const body = 'This connection was made for another host\n';
  response.writeHead(421, { 'content-type': 'text/plain; charset=utf-8', 'content-length': body.length });
  response.end(body);
}

/** Tells what an operator would not expect. */
function warnOfGaps(
  listen: ListenAddress,
  { access, authorities, hosts, log }: Pick<BehindProxyDoor, 'access' | 'authorities' | 'hosts'> & Pick<Basics, 'log'>,
): void {
  const uncovered = hosts.hosts.filter((host) => !authorities.permits(host));
  if (uncovered.length > 0) {
    log.warn(
      { hosts: uncovered, advice: 'entrepot ca renew' },
      'authority may not sign for these hosts: they are passed on',
    );
  }
  if (!isLoopback(listen.host) && access.isOpen('proxy')) {
    log.warn({ ...listen, advice: 'auth.htpasswd, or proxy.others: deny' }, 'everybody may use the proxy');
  }
}
