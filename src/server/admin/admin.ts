import type { IncomingMessage, ServerResponse } from 'node:http';
import { RegistryError } from '../../oci/errors.ts';
import type { Metrics } from '../../util/metrics/metrics.ts';
import type { ServerStatus } from '../../util/status.ts';
import type { Exchange } from '../answer/exchange.ts';
import { type Throughput, throughputPath } from './throughput.ts';

/**
 * Answers the paths that are no registry's.
 * @param isClosed whether the door wants a login, which who asks whether it is ready need not have: it is told no more
 * @throws RegistryError NOT_FOUND
 */
export type Admin = (exchange: Exchange, path: string, query: string, isClosed?: boolean) => Promise<void>;

/** What the administrative paths show. */
export interface AdminOptions {
  readonly metrics: Metrics;
  /** Gives what is in trouble while it can serve; rejects, saying why, while this process should get no requests. */
  readonly ready: () => Promise<readonly string[]>;
  readonly version: string;
  readonly status: () => Promise<ServerStatus>;
  /** Measures the way between a client and here; undefined when nobody may. */
  readonly throughput?: Throughput | undefined;
  /** What else can be read at a path; undefined when there is nothing. */
  readonly page?: (path: string, request: IncomingMessage) => Promise<AdminPage | undefined>;
}

/** What is to be read at a path. */
export interface AdminPage {
  readonly type: string;
  readonly body: string;
}

/** Makes `/`, `/healthz` (the process answers), `/readyz` (it can serve), `/metrics`, `/status` as JSON, and the rest. */
export function createAdmin({ metrics, ready, version, status, page, throughput }: AdminOptions): Admin {
  return async (exchange, path, query, isClosed = false) => {
    if (throughput && path === throughputPath) return throughput(exchange, query);
    const { request, response, body } = exchange;
    body.leave();
    const send = (status: number, type: string, body: string) => sendText(request, response, status, type, body);
    switch (path) {
      case '/':
        return send(200, plain, `Entrepot ${version}: a cache for container registries\n`);
      case '/healthz':
        return send(200, plain, 'ok\n');
      case '/readyz':
        try {
          const troubles = await ready();
          return send(
            200,
            plain,
            isClosed || troubles.length === 0 ? 'ready\n' : `ready, but ${troubles.join('; ')}\n`,
          );
        } catch (error) {
          return send(503, plain, isClosed ? 'not ready\n' : `not ready: ${(error as Error).message}\n`);
        }
      case '/metrics':
        return send(200, metrics.contentType, await metrics.render());
      case '/status':
        return send(200, 'application/json', `${JSON.stringify(await status(), null, 2)}\n`);
      default: {
        const found = await page?.(path, request);
        if (found) return send(200, found.type, found.body);
        throw new RegistryError(
          'NOT_FOUND',
          `Cannot find "${path.slice(0, 300)}": it is no path of a registry or of this server`,
        );
      }
    }
  };
}

const plain = 'text/plain; charset=utf-8';

function sendText(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
): void {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (!isRead) {
    throw new RegistryError('UNSUPPORTED', `Cannot ${request.method} here: it can only be read`, {
      headers: { allow: 'GET, HEAD' },
    });
  }
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'cache-status': 'Entrepot; detail=local',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
