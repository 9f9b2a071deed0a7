import type { IncomingMessage } from 'node:http';
import type { Config } from '../../config/config.ts';
import { RegistryError } from '../../oci/errors.ts';
import { loginIn } from '../../oci/wire/token.ts';
import { type ConnectTools, Unreachable } from '../../proxy/connect/connect.ts';
import { connectSecurely, type ServerTrust, trustOf } from '../../proxy/connect/connect-secure.ts';
import type { ProxyTarget } from '../../proxy/connect/target.ts';
import { forwardRequest } from '../../proxy/forward.ts';
import { type Exchange, signalOf } from '../../server/answer/exchange.ts';

/** What passes requests on that are for the host of a registry, and not for the registry. */
export interface ElsewhereTools {
  readonly config: Pick<Config, 'proxy' | 'upstreams'>;
  readonly connecting: ConnectTools;
  /** The place that the connection of a request was made for; undefined for a request that came without TLS. */
  targetOf(request: IncomingMessage): ProxyTarget | undefined;
  /** @throws RegistryError when the client may not use the proxy any more */
  identify(request: IncomingMessage, signal: AbortSignal): Promise<unknown>;
}

/**
 * Makes what answers the requests for the host of a registry that are for something else there: pages, an API, a token
 * server that clients know by heart. It passes them on to that host, as everything else is that comes to the proxy.
 */
export function answerElsewhere(
  name: string,
  { config, connecting, targetOf, identify }: ElsewhereTools,
): (exchange: Exchange) => Promise<void> {
  const { proxy, upstreams } = config;
  const { ca, insecure = false } = upstreams.find((upstream) => upstream.name === name) ?? {};
  let trust: ServerTrust | undefined; // made when it is needed, as it takes all authorities of the system
  return async ({ request, response, record }) => {
    record.route = 'other';
    record.registry = name;
    const signal = signalOf(response);
    await identify(request, signal);
    const target = targetOf(request);
    const path = request.url ?? '';
    if (target === undefined || proxy.others === 'deny' || !path.startsWith('/')) {
      const [shown = ''] = path.split('?');
      throw new RegistryError('NOT_FOUND', `Cannot find "${shown.slice(0, 300)}": it is none of a registry's paths`);
    }
    // A token of ours goes nowhere.
    if (loginIn(request.headers.authorization) === undefined) delete request.headers.authorization;
    try {
      trust ??= trustOf({ ca, insecure });
      const connection = await connectSecurely(target, trust, connecting, signal);
      for (const field of response.getHeaderNames()) response.removeHeader(field); // the answer is that host's own
      await forwardRequest(request, response, { target, path }, connection, proxy.idleMs);
    } catch (error) {
      signal.throwIfAborted();
      throw asRegistryError(error, target);
    }
  };
}

function asRegistryError(error: unknown, { host }: ProxyTarget): RegistryError {
  if (!(error instanceof Unreachable)) {
    return new RegistryError('UNAVAILABLE', `Cannot pass this on: ${host} failed`, { cause: error });
  }
  return new RegistryError(error.status === 403 ? 'DENIED' : 'UNAVAILABLE', error.message, { status: error.status });
}
