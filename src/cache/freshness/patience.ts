import { RegistryError } from '../../oci/errors.ts';

/**
 * How long a client is kept waiting for the head of an answer, whatever is waited for: a turn to download, a place among
 * the requests to upstream, tokens, retries. Each of them has a limit of its own, but one may follow another; containerd
 * gives up after 30 s.
 */
export const defaultPatienceMs = 27_000;

const retryAfterSeconds = 5; // what was begun goes on meanwhile, and may be here by then

/**
 * Does what an answer begins with, by a signal that also fires when that takes too long; once it has begun, only the
 * client's own signal counts.
 * @throws whatever the work throws when its signal fires, whose reason is RegistryError UNAVAILABLE when it took too long
 */
export async function withinPatience<T>(
  patienceMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(tooLate(patienceMs)), patienceMs);
  try {
    return await work(AbortSignal.any([signal, limit.signal]));
  } finally {
    clearTimeout(timer);
  }
}

function tooLate(patienceMs: number): RegistryError {
  return new RegistryError(
    'UNAVAILABLE',
    `Cannot answer within ${patienceMs / 1000} s, as clients wait no longer: upstream, or those before it in line, take too long; try again soon`,
    { status: 503, headers: { 'retry-after': `${retryAfterSeconds}` } },
  );
}
