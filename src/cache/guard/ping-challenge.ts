import { type Clock, isWithin } from '../../util/clock.ts';
import { singleFlight } from '../../util/locks/single-flight.ts';

// Long enough that many clients at once cost one request, and that an upstream that cannot be reached is waited for by
// one of them. No longer: clients that are sent away to log in pull nothing while there is nobody to log in to, and all
// that is here could be theirs.
const rememberedMs = 10_000;
const limitMs = 5_000; // clients ask this before anything else, so it is on the way of every pull

/**
 * Asks how an upstream wants to be authenticated to, once for any number of waiters, and remembers it for a
 * moment. It never rejects but with the signal's reason: an upstream that cannot say it wants nothing for a while.
 */
export function rememberChallenge(
  ask: (signal: AbortSignal) => Promise<string | undefined>,
  clock: Clock,
): (signal: AbortSignal) => Promise<string | undefined> {
  const flights = singleFlight<string | undefined>();
  let known: { readonly challenge: string | undefined; readonly sinceMs: number } | undefined;

  async function askNow(signal: AbortSignal): Promise<string | undefined> {
    try {
      const challenge = await ask(AbortSignal.any([signal, AbortSignal.timeout(limitMs)]));
      known = { challenge, sinceMs: clock.now() };
    } catch {
      signal.throwIfAborted();
      known = { challenge: undefined, sinceMs: clock.now() };
    }
    return known.challenge;
  }

  return async (signal) => {
    if (known && isWithin(known.sinceMs, rememberedMs, clock.now())) return known.challenge;
    return flights.run('', signal, askNow);
  };
}
