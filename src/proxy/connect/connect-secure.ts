import { isIP, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { type ConnectTools, connectTo, Unreachable } from './connect.ts';
import type { ProxyTarget } from './target.ts';

/** Whom the other side is believed to be. */
export interface ServerTrust {
  readonly context: SecureContext;
  /** Whether anybody is believed. */
  readonly insecure: boolean;
}

/** Trusts whom the system does, and this authority (PEM). */
export function trustOf({
  ca,
  insecure,
}: {
  readonly ca: string | undefined;
  readonly insecure: boolean;
}): ServerTrust {
  const trusted = [...getCACertificates('default'), ...getCACertificates('system'), ...(ca === undefined ? [] : [ca])];
  return { context: createSecureContext({ ca: [...new Set(trusted)] }), insecure };
}

/**
 * Connects with a target, and speaks TLS with it.
 * @throws Unreachable, the signal's reason
 */
export async function connectSecurely(
  target: ProxyTarget,
  { context, insecure }: ServerTrust,
  tools: ConnectTools,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const socket = await connectTo(target, tools, signal);
  const options: ConnectionOptions = {
    secureContext: context,
    rejectUnauthorized: !insecure,
    ALPNProtocols: ['http/1.1'],
    ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
  };
  return shakeHands(socket, target, options, tools.connectMs, signal);
}

function shakeHands(
  socket: Socket,
  { host, port }: ProxyTarget,
  options: ConnectionOptions,
  limitMs: number,
  signal: AbortSignal,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = connect({ ...options, socket, host });
    const end = (error?: unknown) => {
      clearTimeout(limit);
      signal.removeEventListener('abort', abort);
      secure.removeListener('error', fail);
      if (error === undefined) return resolve(secure);
      secure.on('error', () => {}); // whatever else it says, it is given up
      secure.destroy();
      socket.destroy();
      reject(error);
    };
    const fail = (cause: unknown) => {
      end(new Unreachable(502, `${host}:${port} cannot be spoken with by TLS: ${(cause as Error).message}`, { cause }));
    };
    const abort = () => end(signal.reason);
    const limit = setTimeout(() => end(new Unreachable(504, `${host}:${port} did not answer in time`)), limitMs);
    signal.addEventListener('abort', abort, { once: true });
    secure.once('error', fail);
    secure.once('secureConnect', () => end());
    if (signal.aborted) abort();
  });
}
