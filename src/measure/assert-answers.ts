import { messageOf } from '../upstream/transport/errors.ts';
import { proxyFromEnvironment } from '../upstream/transport/proxy-env.ts';
import { Transport } from '../upstream/transport/transport.ts';

/** How a cache is reached. */
export interface CacheAddress {
  readonly url: URL;
  /** PEM of the authority of its certificate. */
  readonly authority: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Sees to it that somebody answers where the cache should be, before an upstream that counts pulls is asked for nothing.
 * Every answer is one, also that a login is wanted; and it makes no cache fetch anything.
 * @throws NO_CACHE, with what to do
 */
export async function assertAnswers({ url, authority, env }: CacheAddress, signal: AbortSignal): Promise<void> {
  const transport = new Transport({ proxyFor: proxyFromEnvironment(env) });
  try {
    const identity = { ca: authority, insecure: false };
    const { body } = await transport.request(
      { method: 'GET', url: new URL('/v2/', url), headers: {}, identity },
      signal,
    );
    body.close();
  } catch (error) {
    signal.throwIfAborted();
    const message = `Cannot measure: no cache answers at ${url.origin}: ${messageOf(error)}; start it, or say where it is with --cache-host`;
    throw Object.assign(new Error(message, { cause: error }), { code: 'NO_CACHE' });
  } finally {
    transport.close();
  }
}
