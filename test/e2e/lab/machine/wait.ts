import { setTimeout as delay } from 'node:timers/promises';

// Often enough that a wait costs little, seldom enough that two cores are left to what is waited for.
const pollEveryMs = 30;

/**
 * Polls a condition until it holds, and gives its value.
 * @throws Error that says what was waited for, with the last failure as its cause, when the limit passes
 */
export async function waitFor<Value>(
  what: string,
  condition: () => Promise<Value | undefined> | Value | undefined,
  { limitMs = 20_000 }: { limitMs?: number } = {},
): Promise<Value> {
  const deadline = Date.now() + limitMs;
  let cause: unknown;
  while (Date.now() < deadline) {
    try {
      const value = await condition();
      if (value !== undefined) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await delay(pollEveryMs);
  }
  throw new Error(`Cannot go on: ${what} did not happen within ${limitMs} ms`, { cause });
}
