import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Log } from '../util/log/log.ts';
import { type ConnectTools, connectTo, Unreachable } from './connect/connect.ts';
import { hasOneHost, type ProxyTarget } from './connect/target.ts';
import { forwardRequest } from './forward.ts';
import { type ForwardedRequest, isAbsoluteForm, parseForwarded } from './forwarded.ts';
import { ProxyRefusal, type TunnelPolicy } from './proxy-door.ts';

/** Answers requests. */
export type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** What requests to the proxy, other than CONNECT, are answered with. */
export interface ProxyRequestTools extends ConnectTools {
  /** What answers for a registry that is reached by plain HTTP; undefined when there is none at that place. */
  plainRegistry(target: ProxyTarget): Listener | undefined;
  /** What is asked of the proxy itself. */
  readonly own: Listener;
  /** Says whether a client may use the proxy. @throws ProxyRefusal */
  authorize(request: IncomingMessage, signal: AbortSignal): Promise<void>;
  readonly policy: TunnelPolicy;
  readonly log: Log;
}

/** Answers what comes to the proxy and is not CONNECT: for registries, for others, and for itself. */
export class ProxyRequests {
  readonly #tools: ProxyRequestTools;

  constructor(tools: ProxyRequestTools) {
    this.#tools = tools;
  }

  /** Answers one request. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? '';
    if (!isAbsoluteForm(url)) return this.#tools.own(request, response);
    this.#pass(request, response, url).catch((error: unknown) => this.#refuse(request, response, error));
  }

  async #pass(request: IncomingMessage, response: ServerResponse, url: string): Promise<void> {
    const { plainRegistry, policy } = this.#tools;
    const forwarded = hasOneHost(request) ? parseForwarded(url, request.headers.host) : undefined;
    if (forwarded === undefined) {
      throw new ProxyRefusal(
        400,
        'Cannot understand the request: it names one http:// URL, and Host names the same place',
      );
    }
    const gone = new AbortController();
    response.once('close', () => gone.abort(new Error('The client has gone')));
    await this.#tools.authorize(request, gone.signal);
    const registry = plainRegistry(forwarded.target);
    if (registry) {
      request.url = forwarded.path;
      return registry(request, response);
    }
    this.#assertMayReach(forwarded, policy);
    const connection = await connectTo(forwarded.target, this.#tools, gone.signal);
    await forwardRequest(request, response, forwarded, connection, policy.idleMs);
  }

  #assertMayReach({ target }: ForwardedRequest, { others, ports }: TunnelPolicy): void {
    if (others === 'deny') {
      throw new ProxyRefusal(403, `${target.host} is no registry that is configured here, and only those are reached`);
    }
    if (!ports.includes(target.port)) {
      throw new ProxyRefusal(403, `Port ${target.port} is none of those that may be reached (proxy.ports)`);
    }
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const known = error instanceof ProxyRefusal || error instanceof Unreachable;
    const facts = { client: request.socket?.remoteAddress, reason: (error as Error).message };
    this.#tools.log[known || response.destroyed ? 'info' : 'warn'](facts, 'request not passed on');
    if (response.headersSent || response.destroyed) return void response.destroy();
    const status = known ? error.status : 502;
    const body = known ? `${error.message}\n` : `${STATUS_CODES[502]}: the other side failed\n`;
    const headers = error instanceof ProxyRefusal ? error.headers : {};
    const type = { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(body) };
    response.writeHead(status, { ...headers, ...type, connection: 'close' });
    response.end(request.method === 'HEAD' ? undefined : body);
  }
}
