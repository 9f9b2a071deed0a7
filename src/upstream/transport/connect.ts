import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { Connection } from './connection.ts';
import { messageOf, TransportError } from './errors.ts';
import { hostOf, portOf } from './proxy-env.ts';

/** How TLS is spoken with a server. Connections are shared only among requests with the same identity (by reference). */
export interface TlsIdentity {
  /** PEM of certificate authorities that are trusted besides the system's. */
  readonly ca?: string | undefined;
  /** PEM of a client certificate, and its key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Certificates are not verified. */
  readonly insecure: boolean;
}

/** For a forward proxy that itself speaks TLS: an upstream's own trust is for the upstream alone. */
const proxyIdentity: TlsIdentity = { insecure: false };

/** TLS sessions that are kept to shorten handshakes, by server: CDNs have many names, so the number is bounded. */
const maxSessions = 256;

/** Opens connections; remembers TLS contexts and sessions, which are slow to make. */
export class Connector {
  readonly #contexts = new WeakMap<TlsIdentity, tls.SecureContext>();
  readonly #sessions = new Map<string, Buffer>();
  #authorities: string[] | undefined;

  /**
   * Connects to a URL's server, directly or through a forward proxy.
   * @throws TransportError CONNECT_FAILED or CONNECT_TIMEOUT; the signal's reason when it fires
   */
  async open(
    url: URL,
    identity: TlsIdentity,
    proxy: URL | undefined,
    limitMs: number,
    signal: AbortSignal,
  ): Promise<Connection> {
    const limit = AbortSignal.timeout(limitMs);
    const either = AbortSignal.any([signal, limit]);
    try {
      return await this.#open(url, identity, proxy, either);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      const where = proxy ? `${url.host} through the proxy ${proxy.host}` : url.host;
      if (limit.aborted) throw new TransportError('CONNECT_TIMEOUT', `Cannot connect to ${where} within ${limitMs} ms`);
      throw new TransportError('CONNECT_FAILED', `Cannot connect to ${where}: ${messageOf(cause)}`, { cause });
    }
  }

  async #open(url: URL, identity: TlsIdentity, proxy: URL | undefined, signal: AbortSignal): Promise<Connection> {
    const connection = new Connection();
    const secure = url.protocol === 'https:';
    if (secure && proxy) {
      // A socket that is handed to TLS cannot read into our buffers (node:tls drops `onread`), so it copies.
      const tunnel = await openTunnel(url, proxy, signal);
      const socket = tls.connect({ ...this.#tlsOptions(url, identity), socket: tunnel });
      await connected(socket, 'secureConnect', signal);
      connection.attach(socket, false);
      return connection;
    }
    const to = proxy ?? url;
    const options = { host: hostOf(to), port: portOf(to), onread: connection.onread };
    if (secure || proxy?.protocol === 'https:') {
      const socket = tls.connect({ ...this.#tlsOptions(to, secure ? identity : proxyIdentity), ...options });
      await connected(socket, 'secureConnect', signal);
      if (secure && isPlain(identity)) this.#rememberSession(url, socket);
      connection.attach(socket, true);
    } else {
      const socket = net.connect(options);
      await connected(socket, 'connect', signal);
      connection.attach(socket, true);
    }
    return connection;
  }

  #rememberSession(url: URL, socket: tls.TLSSocket): void {
    socket.on('session', (session) => {
      if (this.#sessions.size >= maxSessions) this.#sessions.clear();
      this.#sessions.set(url.host, session);
    });
  }

  #tlsOptions(url: URL, identity: TlsIdentity): tls.ConnectionOptions {
    const host = hostOf(url);
    // A session must not carry the trust of one identity over to another, so only the common one resumes.
    const session = isPlain(identity) ? this.#sessions.get(url.host) : undefined;
    return {
      secureContext: this.#context(identity),
      rejectUnauthorized: !identity.insecure,
      ALPNProtocols: ['http/1.1'],
      ...(net.isIP(host) === 0 ? { servername: host } : {}),
      ...(session ? { session } : {}),
    };
  }

  #context(identity: TlsIdentity): tls.SecureContext {
    const known = this.#contexts.get(identity);
    if (known) return known;
    const ca = [...this.#trusted(), ...(identity.ca === undefined ? [] : [identity.ca])];
    const context = tls.createSecureContext({
      ca,
      ...(identity.cert === undefined ? {} : { cert: identity.cert }),
      ...(identity.key === undefined ? {} : { key: identity.key }),
    });
    this.#contexts.set(identity, context);
    return context;
  }

  // Node's own list is not the machine's: whoever added an authority to the system expects it to count here too.
  #trusted(): string[] {
    this.#authorities ??= [...new Set([...tls.getCACertificates('default'), ...tls.getCACertificates('system')])];
    return this.#authorities;
  }
}

function isPlain(identity: TlsIdentity): boolean {
  return identity.ca === undefined && identity.cert === undefined && !identity.insecure;
}

function connected(socket: net.Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', settle).off('close', onClose).off(event, onReady);
      if (error === undefined) return resolve();
      socket.on('error', () => {}); // what follows a failure is of no interest
      socket.destroy();
      reject(error);
    };
    const onReady = () => settle();
    const onAbort = () => settle(signal.reason);
    const onClose = () => settle(new Error('the connection was closed'));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', settle).once('close', onClose).once(event, onReady);
    if (signal.aborted) onAbort();
  });
}

/** Opens a tunnel through a forward proxy by CONNECT (RFC 9110, 9.3.6). */
function openTunnel(url: URL, proxy: URL, signal: AbortSignal): Promise<net.Socket> {
  const target = `${url.hostname}:${portOf(url)}`;
  const request = (proxy.protocol === 'https:' ? https : http).request({
    host: hostOf(proxy),
    port: portOf(proxy),
    method: 'CONNECT',
    path: target,
    headers: { host: target, ...proxyAuthorization(proxy) },
    agent: false,
    signal,
  });
  return new Promise((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response) => {
      response.destroy();
      reject(new Error(`the proxy answered ${response.statusCode}`));
    });
    request.once('connect', (response, socket) => {
      if (response.statusCode === 200) return resolve(socket as net.Socket);
      socket.destroy();
      reject(new Error(`the proxy answered ${response.statusCode}`));
    });
    request.end();
  });
}

/** The header that authenticates to a proxy whose URL has a user; empty otherwise. */
export function proxyAuthorization(proxy: URL): Record<string, string> {
  if (proxy.username === '') return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}
