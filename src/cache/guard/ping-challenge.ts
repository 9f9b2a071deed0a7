import { singleFlight } from '../../util/locks/single-flight.ts';
import { type Clock, isWithin } from '../../util/time/clock.ts';

// How a registry wants to be authenticated to changes about never: what it said is good for as long as it cannot be
// asked, and for so long nobody asks. Then it is asked behind the answer.
const renewMs = 10 * 60_000;

// Where clients have to log in at upstream itself it is asked so often: those that are sent away to do that pull nothing
// while there is nobody to log in to, and all that is here could be theirs. And so often one that cannot be reached.
const rememberedMs = 10_000;

const limitMs = 5_000; // clients ask this before anything else, so it is on the way of every pull
const againMs = 1_000; // of one that could not say it a moment ago nobody expects much

/** How an upstream is asked how it wants to be authenticated to. */
export interface ChallengeTools {
  ask(signal: AbortSignal): Promise<string | undefined>;
  /** Whether clients do as it wants here, so that they need not reach upstream for that. */
  isAnsweredHere(challenge: string): boolean;
  readonly clock: Clock;
}

/**
 * Asks how an upstream wants to be authenticated to, once for any number of waiters, and remembers it. It never rejects
 * but with the signal's reason: an upstream that cannot say it wants nothing for a while.
 */
export function rememberChallenge({
  ask,
  isAnsweredHere,
  clock,
}: ChallengeTools): (signal: AbortSignal) => Promise<string | undefined> {
  const flights = singleFlight<void>();
  let known:
    | { readonly challenge: string | undefined; readonly sinceMs: number; readonly isLasting: boolean }
    | undefined;
  let failedAtMs = Number.NEGATIVE_INFINITY;

  async function askNow(signal: AbortSignal): Promise<void> {
    const ms = failedAtMs === Number.NEGATIVE_INFINITY ? limitMs : againMs;
    try {
      const challenge = await ask(AbortSignal.any([signal, AbortSignal.timeout(ms)]));
      const isLasting = challenge === undefined || isAnsweredHere(challenge);
      known = { challenge, sinceMs: clock.now(), isLasting };
      failedAtMs = Number.NEGATIVE_INFINITY;
    } catch {
      signal.throwIfAborted();
      failedAtMs = clock.now();
      if (!known?.isLasting) known = undefined;
    }
  }

  return async (signal) => {
    signal.throwIfAborted();
    const nowMs = clock.now();
    const forMs = known?.isLasting ? renewMs : rememberedMs;
    const isDue = !(known && isWithin(known.sinceMs, forMs, nowMs)) && !isWithin(failedAtMs, rememberedMs, nowMs);
    if (isDue && known?.isLasting) void flights.run('', unending, askNow);
    else if (isDue) await flights.run('', signal, askNow);
    return known?.challenge;
  };
}

/** Of those for whom nobody waits: `askNow` ends by its own limit. */
const unending = new AbortController().signal;
