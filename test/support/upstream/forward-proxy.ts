import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { basicAuthorization } from '../registry/token-server.ts';

/** How a forward proxy behaves. */
export interface ForwardProxyOptions {
  /** With it, whoever does not log in so gets a 407. */
  readonly credentials?: { readonly username: string; readonly password: string };
  /** Where a host and port really is: lets a test use names that do not exist. */
  readonly resolve?: (authority: string) => string;
}

/** A request as the proxy got it. */
export interface AskedRequest {
  /** `CONNECT host:port`, or the method and the whole URL. */
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
}

/** An HTTP proxy on loopback that tunnels and forwards, and remembers for whom. */
export interface ForwardProxy {
  readonly url: string;
  readonly asked: readonly AskedRequest[];
  /** What it was asked, in short. */
  lines(): string[];
  close(): Promise<void>;
}

const hopHeaders = new Set(['connection', 'keep-alive', 'proxy-authorization', 'proxy-connection', 'te', 'upgrade']);

/** Starts a forward proxy. */
export async function startForwardProxy(options: ForwardProxyOptions = {}): Promise<ForwardProxy> {
  const { resolve = (authority) => authority } = options;
  const asked: AskedRequest[] = [];
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy()); // either side may reset: the other side learns it by the close
  };
  const server = createServer((incoming, response) => {
    asked.push({ line: `${incoming.method} ${incoming.url}`, headers: incoming.headers });
    if (!isAllowed(options, incoming)) return void response.writeHead(407, proxyChallenge).end();
    forward(incoming, response, resolve);
  });
  server.on('connection', track);
  server.on('connect', (incoming: IncomingMessage, client: Socket, head: Buffer) => {
    const target = incoming.url ?? '';
    asked.push({ line: `CONNECT ${target}`, headers: incoming.headers });
    if (!isAllowed(options, incoming)) return void client.end(refusal);
    const upstream = connectTo(resolve(target));
    track(upstream);
    upstream.once('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    upstream.on('close', () => client.destroy());
    client.on('close', () => upstream.destroy());
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    lines: () => asked.map(({ line }) => line),
    close() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      for (const socket of sockets) socket.destroy();
      return closed;
    },
  };
}

const proxyChallenge = { 'proxy-authenticate': 'Basic realm="proxy"', 'content-length': '0' };
const refusal = 'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="proxy"\r\n\r\n';

function isAllowed({ credentials }: ForwardProxyOptions, { headers }: IncomingMessage): boolean {
  if (credentials === undefined) return true;
  return headers['proxy-authorization'] === basicAuthorization(credentials.username, credentials.password);
}

function connectTo(authority: string): Socket {
  const { hostname, port } = new URL(`http://${authority}`);
  return connect(Number(port || 80), hostname.replace(/^\[|\]$/g, ''));
}

function forward(incoming: IncomingMessage, response: ServerResponse, resolve: (authority: string) => string): void {
  const url = new URL(incoming.url ?? '');
  const target = new URL(`http://${resolve(url.host)}`);
  const headers = Object.fromEntries(Object.entries(incoming.headers).filter(([name]) => !hopHeaders.has(name)));
  const outgoing = request(
    { host: target.hostname, port: target.port, path: url.pathname + url.search, method: incoming.method, headers },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    },
  );
  outgoing.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
  response.on('close', () => outgoing.destroy());
  incoming.pipe(outgoing);
}
