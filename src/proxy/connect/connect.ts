import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import { unlessAborted } from '../../util/locks/single-flight.ts';
import type { ReachableAddresses } from './addresses.ts';
import type { ProxyTarget } from './target.ts';

/** Why a client is not connected with what it names. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
  /** The status that the client gets: 403 for what may not be, 502 and 504 for what cannot be. */
  readonly status: 403 | 502 | 504;

  constructor(status: 403 | 502 | 504, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

// Of hosts with more addresses than that, nobody waits for the others: each may take all of its time.
const maxAddresses = 4;

/** What connections are made with. */
export interface ConnectTools {
  readonly reachable: ReachableAddresses;
  /** For how long one address is tried. */
  readonly connectMs: number;
  /** The addresses of a host. */
  readonly resolve: (host: string) => Promise<readonly string[]>;
}

/** The addresses that the system knows of a host. */
export async function resolveHost(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/**
 * Connects with a target. The name is resolved once, and the connection goes to an address that was looked at: one that
 * resolves to something else a moment later gains nothing.
 * @throws Unreachable, the signal's reason
 */
export async function connectTo(
  { host, port }: ProxyTarget,
  { reachable, connectMs, resolve }: ConnectTools,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted();
  const addresses = isIP(host) === 0 ? await unlessAborted(resolveOrFail(host, resolve), signal) : [host];
  const allowed = addresses.filter((address) => reachable.has(address));
  if (allowed.length === 0) {
    throw new Unreachable(403, `${host} is no address of the public internet: proxy.allowAddresses can allow it`);
  }
  let failure: unknown;
  for (const address of allowed.slice(0, maxAddresses)) {
    try {
      return await connectWith(address, port, connectMs, signal);
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  if (failure instanceof Unreachable) throw failure;
  throw new Unreachable(502, `${host}:${port} cannot be reached`, { cause: failure });
}

async function resolveOrFail(host: string, resolve: ConnectTools['resolve']): Promise<readonly string[]> {
  try {
    return await resolve(host);
  } catch (cause) {
    throw new Unreachable(502, `${host} cannot be resolved`, { cause });
  }
}

function connectWith(address: string, port: number, connectMs: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, allowHalfOpen: true });
    const end = (error?: unknown) => {
      signal.removeEventListener('abort', abort);
      socket.setTimeout(0);
      socket.removeAllListeners();
      if (error === undefined) return resolve(socket);
      socket.on('error', () => {}); // whatever else it says, it is given up
      socket.destroy();
      reject(error);
    };
    const abort = () => end(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    socket.setTimeout(connectMs);
    socket.once('timeout', () => end(new Unreachable(504, `${address}:${port} did not answer in time`)));
    socket.once('error', end);
    socket.once('connect', () => end());
    if (signal.aborted) abort();
  });
}
