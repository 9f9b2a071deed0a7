import { type Clock, isWithin } from '../../util/clock.ts';
import { singleFlight } from '../../util/single-flight.ts';

const rememberedMs = 5 * 60_000; // what a registry wants of clients changes when it is set up anew, and hardly ever else
const failureMs = 10_000; // as with tags: else every client would wait as long as the first
const limitMs = 5_000; // clients ask this before anything else, so it is on the way of every pull

/**
 * Asks how an upstream wants to be authenticated to, once for any number of waiters, and remembers it for minutes. It
 * never rejects but with the signal's reason: an upstream that cannot say it wants nothing for a while.
 */
export function rememberChallenge(
  ask: (signal: AbortSignal) => Promise<string | undefined>,
  clock: Clock,
): (signal: AbortSignal) => Promise<string | undefined> {
  const flights = singleFlight<string | undefined>();
  let known: { readonly challenge: string | undefined; readonly sinceMs: number; readonly forMs: number } | undefined;

  async function askNow(signal: AbortSignal): Promise<string | undefined> {
    try {
      const challenge = await ask(AbortSignal.any([signal, AbortSignal.timeout(limitMs)]));
      known = { challenge, sinceMs: clock.now(), forMs: rememberedMs };
    } catch {
      signal.throwIfAborted();
      known = { challenge: undefined, sinceMs: clock.now(), forMs: failureMs };
    }
    return known.challenge;
  }

  return async (signal) => {
    if (known && isWithin(known.sinceMs, known.forMs, clock.now())) return known.challenge;
    return flights.run('', signal, askNow);
  };
}
