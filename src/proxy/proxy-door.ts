import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Log } from '../util/log/log.ts';
import { type ConnectTools, connectTo, Unreachable } from './connect/connect.ts';
import { hasOneHost, isSamePlace, type ProxyTarget, parseAuthority, parsePlace } from './connect/target.ts';
import { joinSockets, type Tunnel } from './connect/tunnel.ts';
import { Interception, type InterceptionTools } from './interception.ts';
import { established, refuseConnect } from './replies.ts';

// What comes through a tunnel comes within that, as long as it is in use: of one that is not, nothing is lost.
const stoppingIdleMs = 500;

/** What becomes of CONNECT requests that name no registry. */
export interface TunnelPolicy {
  readonly others: 'tunnel' | 'deny';
  /** The ports that may be reached. */
  readonly ports: readonly number[];
  /** A tunnel through which nothing comes for so long is ended. */
  readonly idleMs: number;
}

/** What became of a CONNECT request. */
export type ConnectResult = 'intercepted' | 'tunnelled' | 'refused' | 'failed';

/** What the proxy door works with. */
export interface ProxyDoorTools extends ConnectTools, InterceptionTools {
  /** Whether a target is a registry that is served here. */
  isRegistry(target: ProxyTarget): boolean;
  /** Takes over a connection on which a client speaks with a registry; `raw` is the one that CONNECT came by. */
  handOver(secure: TLSSocket, target: ProxyTarget, raw: Socket): void;
  /** Says whether a client may use the proxy. @throws ProxyRefusal */
  authorize(request: IncomingMessage, signal: AbortSignal): Promise<void>;
  readonly policy: TunnelPolicy;
  readonly log: Log;
  /** Is told what became of each request, and how many tunnels are open now. */
  readonly observer: { ended(result: ConnectResult): void; tunnels(change: 1 | -1): void };
}

/** That a client may not use the proxy, and what it is told. */
export class ProxyRefusal extends Error {
  override readonly name = 'ProxyRefusal';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** Answers CONNECT: takes the place of registries, and joins clients with everything else, as far as it may be reached. */
export class ProxyDoor {
  readonly #tools: ProxyDoorTools;
  readonly #interception: Interception;
  /** Those of which nobody knows yet what they become. */
  readonly #sockets = new Set<Socket>();
  readonly #tunnels = new Set<Tunnel>();
  /** Those on which a client speaks with a registry. */
  readonly #handedOver = new WeakSet<Socket>();
  readonly #closing = new AbortController();

  constructor(tools: ProxyDoorTools) {
    this.#tools = tools;
    this.#interception = new Interception(tools);
  }

  /** Answers one CONNECT request, whose connection is nobody else's from then on. */
  async connect(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    socket.setTimeout(0);
    socket.on('error', () => {}); // until somebody takes it over
    const target = parseAuthority(request.url ?? '');
    const facts = { client: socket.remoteAddress, host: target?.host, port: target?.port };
    const beganAtMs = performance.now();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    try {
      this.#closing.signal.throwIfAborted();
      if (this.#handedOver.has(socket)) {
        throw new ProxyRefusal(405, 'Cannot CONNECT from here: this connection was made for a registry');
      }
      if (target === undefined || !hasOneHost(request) || !isForHost(request, target)) {
        throw new ProxyRefusal(400, 'Cannot understand CONNECT: it names one host and port, and Host names the same');
      }
      await this.#tools.authorize(request, this.#closing.signal);
      const result = this.#tools.isRegistry(target)
        ? await this.#intercept(socket, head, target)
        : await this.#tunnel(socket, head, target);
      const ms = Math.round(performance.now() - beganAtMs);
      this.#tools.log.info({ ...facts, ...result, ms }, 'connect');
      this.#tools.observer.ended(result.result);
    } catch (error) {
      this.#refuse(socket, error, facts);
    }
  }

  /** Ends what is about to become a tunnel, and each tunnel once it is idle; breaks those that are not after a while. */
  async close(graceMs: number): Promise<void> {
    this.#closing.abort(new Error('The door is being closed'));
    for (const socket of this.#sockets) socket.destroy();
    for (const tunnel of this.#tunnels) tunnel.endWhenIdle(Math.min(stoppingIdleMs, graceMs));
    const limit = setTimeout(() => {
      for (const tunnel of this.#tunnels) tunnel.break();
    }, graceMs);
    await Promise.all([...this.#tunnels].map(({ ended }) => ended));
    clearTimeout(limit);
  }

  async #intercept(socket: Socket, head: Buffer, target: ProxyTarget) {
    const context = await this.#interception.prepare(target.host);
    socket.write(established);
    if (head.length > 0) socket.unshift(head);
    let secure: TLSSocket;
    try {
      secure = await this.#interception.shakeHands(socket, target.host, context);
    } catch (error) {
      return { result: 'failed', reason: (error as Error).message } as const;
    }
    this.#sockets.delete(socket);
    this.#handedOver.add(secure);
    this.#tools.handOver(secure, target, socket);
    return { result: 'intercepted' } as const;
  }

  async #tunnel(socket: Socket, head: Buffer, target: ProxyTarget) {
    const { policy, observer } = this.#tools;
    if (policy.others === 'deny') {
      throw new ProxyRefusal(403, `${target.host} is no registry that is configured here, and only those are reached`);
    }
    if (!policy.ports.includes(target.port)) {
      throw new ProxyRefusal(403, `Port ${target.port} is none of those that may be reached (proxy.ports)`);
    }
    const server = await connectTo(target, this.#tools, this.#signalOf(socket));
    // Whoever left in between will not say so again.
    if (socket.destroyed || this.#closing.signal.aborted) {
      server.destroy();
      throw new Error('The client has gone');
    }
    socket.write(established);
    const tunnel = joinSockets(socket, server, head, policy.idleMs);
    this.#sockets.delete(socket);
    this.#tunnels.add(tunnel);
    observer.tunnels(1);
    try {
      return { result: 'tunnelled', ...(await tunnel.ended) } as const;
    } finally {
      this.#tunnels.delete(tunnel);
      observer.tunnels(-1);
    }
  }

  /** Fires when the client has gone, or the door is closed. */
  #signalOf(socket: Socket): AbortSignal {
    const gone = new AbortController();
    socket.once('close', () => gone.abort(new Error('The client has gone')));
    return AbortSignal.any([gone.signal, this.#closing.signal]);
  }

  #refuse(socket: Socket, error: unknown, facts: Readonly<Record<string, unknown>>): void {
    const { log, observer } = this.#tools;
    if (error instanceof ProxyRefusal) refuseConnect(socket, error.status, error.message, error.headers);
    else if (error instanceof Unreachable) refuseConnect(socket, error.status, error.message);
    else if (this.#closing.signal.aborted || socket.destroyed) socket.destroy();
    else refuseConnect(socket, 500, 'Something failed here; the log says what');
    const isRefusal = error instanceof ProxyRefusal || (error instanceof Unreachable && error.status === 403);
    const isKnown = isRefusal || error instanceof Unreachable || socket.destroyed;
    log[isKnown ? 'info' : 'error']({ ...facts, reason: (error as Error).message }, 'connect refused');
    observer.ended(isRefusal ? 'refused' : 'failed');
  }
}

/** Whether `Host`, where there is one, names the place that CONNECT does: who disagrees with himself means no good. */
function isForHost(request: IncomingMessage, target: ProxyTarget): boolean {
  const { host } = request.headers;
  if (host === undefined || host === '') return true;
  return isSamePlace(parsePlace(host, target.port), target); // CONNECT has no port of its own that could be left out
}
