import { BlockPool } from './blocks.ts';
import { Connector, proxyAuthorization, type TlsIdentity } from './connect.ts';
import type { Answer, Connection, TransportLimits } from './connection.ts';
import { TransportError } from './errors.ts';
import { renderHead } from './head.ts';
import type { ProxyChoice } from './proxy-env.ts';

/** A request; one that changes nothing, as it may be sent twice. */
export interface TransportRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: URL;
  /** Header fields besides Host and Connection. */
  readonly headers: Readonly<Record<string, string>>;
  readonly identity: TlsIdentity;
  /** Only ASCII, and small: the form of a token request. */
  readonly body?: string;
}

/** What a transport is made with. */
export interface TransportOptions {
  readonly limits?: Partial<TransportLimits>;
  readonly proxyFor?: ProxyChoice;
}

/**
 * Together these stay below 30 s: that is how long containerd waits for the head of an answer, and it cannot be told
 * otherwise. The idle limit is for a body, whose download then resumes elsewhere.
 */
export const defaultLimits: TransportLimits = { connectMs: 10_000, firstByteMs: 15_000, idleMs: 30_000 };

/** Connections that wait for the next request: per server, and for how long (registries close theirs after 60 s or more). */
const maxIdlePerServer = 16;
const maxIdleMs = 30_000;

interface Idle {
  readonly connection: Connection;
  readonly timer: NodeJS.Timeout;
}

/**
 * HTTP/1.1 to any server, over connections that are used again. It follows nothing and knows nothing of registries:
 * one request, one answer. It is our own, and not a library's, for the sake of the body: see docs/architecture.md.
 */
export class Transport {
  readonly #connector = new Connector();
  readonly #pool = new BlockPool();
  readonly #limits: TransportLimits;
  readonly #proxyFor: ProxyChoice;
  readonly #idle = new Map<TlsIdentity, Map<string, Idle[]>>();
  readonly #all = new Set<Connection>();
  readonly #closing = new AbortController();

  constructor({ limits = {}, proxyFor = () => undefined }: TransportOptions = {}) {
    this.#limits = { ...defaultLimits, ...limits };
    this.#proxyFor = proxyFor;
  }

  /**
   * Sends a request; resolves when the head of the answer is there. The caller reads the body to its end or closes it.
   * @throws TransportError; the signal's reason when it fires, then or while the body comes
   */
  async request(request: TransportRequest, signal: AbortSignal): Promise<Answer> {
    for (;;) {
      signal.throwIfAborted();
      const idle = this.#takeIdle(request);
      if (!idle) return this.#exchange(await this.#connect(request, signal), request, signal);
      try {
        return await this.#exchange(idle, request, signal);
      } catch (error) {
        // The server may end an idle connection at any moment, so this says nothing about the request.
        if (error instanceof TransportError && error.unanswered) continue;
        throw error;
      }
    }
  }

  /** Ends every connection, and those that are being opened. */
  close(): void {
    this.#closing.abort(new TransportError('CONNECT_FAILED', 'The transport is closed'));
    for (const servers of this.#idle.values()) {
      for (const { timer } of [...servers.values()].flat()) clearTimeout(timer);
    }
    this.#idle.clear();
    for (const connection of this.#all) connection.destroy();
    this.#all.clear();
  }

  async #connect(request: TransportRequest, signal: AbortSignal): Promise<Connection> {
    const { url, identity } = request;
    const closing = this.#closing.signal;
    const either = AbortSignal.any([signal, closing]);
    const connection = await this.#connector.open(url, identity, this.#proxyFor(url), this.#limits.connectMs, either);
    if (closing.aborted) {
      connection.destroy();
      throw closing.reason;
    }
    this.#all.add(connection);
    connection.onClosed(() => {
      this.#all.delete(connection);
      this.#forgetIdle(connection, request);
    });
    return connection;
  }

  #exchange(connection: Connection, request: TransportRequest, signal: AbortSignal): Promise<Answer> {
    const { method } = request;
    const exchange = { method, limits: this.#limits, pool: this.#pool, signal };
    return connection.send(this.#render(request), exchange, () => this.#keep(connection, request));
  }

  #render({ method, url, headers, body }: TransportRequest): string {
    const proxy = url.protocol === 'http:' ? this.#proxyFor(url) : undefined;
    const target = proxy ? `${url.origin}${url.pathname}${url.search}` : `${url.pathname}${url.search}`;
    const length = body === undefined ? {} : { 'content-length': String(body.length) };
    const all = { host: url.host, ...headers, ...length, ...(proxy ? proxyAuthorization(proxy) : {}) };
    return renderHead(method, target, Object.entries(all)) + (body ?? '');
  }

  #keep(connection: Connection, { url, identity }: TransportRequest): void {
    const list = this.#idleList(url, identity);
    if (this.#closing.signal.aborted || list.length >= maxIdlePerServer) return connection.destroy();
    const timer = setTimeout(() => connection.destroy(), maxIdleMs);
    timer.unref();
    list.push({ connection, timer });
  }

  #takeIdle({ url, identity }: TransportRequest): Connection | undefined {
    const list = this.#idle.get(identity)?.get(url.origin) ?? [];
    // The one that was used last is the least likely to have been closed by the server.
    for (let idle = list.pop(); idle; idle = list.pop()) {
      clearTimeout(idle.timer);
      if (idle.connection.usable) return idle.connection;
      idle.connection.destroy();
    }
    return undefined;
  }

  /** Forgets a connection that has ended, and its server with the last: CDNs have many names, under which nobody asks again. */
  #forgetIdle(connection: Connection, { url, identity }: TransportRequest): void {
    const servers = this.#idle.get(identity);
    const list = servers?.get(url.origin);
    if (!servers || !list) return;
    const at = list.findIndex((idle) => idle.connection === connection);
    if (at >= 0) clearTimeout(list.splice(at, 1)[0]!.timer);
    if (list.length === 0) servers.delete(url.origin);
  }

  #idleList(url: URL, identity: TlsIdentity): Idle[] {
    let servers = this.#idle.get(identity);
    if (!servers) {
      servers = new Map();
      this.#idle.set(identity, servers);
    }
    let list = servers.get(url.origin);
    if (!list) {
      list = [];
      servers.set(url.origin, list);
    }
    return list;
  }
}
