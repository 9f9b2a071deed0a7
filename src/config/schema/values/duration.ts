const durationPattern = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const partPattern = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;
const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The longest time that a timer can be set to: one that is set to more fires at once. */
export const maxTimerMs = 2 ** 31 - 1;

/**
 * Parses a duration: `500ms`, `60s`, `5m`, `1h`, `1d`, or several in a row (`1h30m`). A bare number is refused, as
 * nobody could tell its unit; only `0` has none.
 * @throws Error that says what was expected
 */
export function parseDuration(text: string, maxMs = Number.MAX_SAFE_INTEGER): number {
  if (text === '0') return 0;
  if (!durationPattern.test(text)) throw new Error('expected a duration, such as 500ms, 60s, 5m, 1h');
  let durationMs = 0;
  for (const [, amount, unit = ''] of text.matchAll(partPattern)) durationMs += Number(amount) * unitMs[unit]!;
  if (durationMs <= maxMs) return Math.round(durationMs);
  throw new Error(`expected a duration of at most ${Math.floor(maxMs / unitMs['d']!)}d`);
}

/**
 * Parses a duration above zero.
 * @throws Error that says what was expected
 */
export function parseDurationAboveZero(text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs > 0) return durationMs;
  throw new Error('expected a duration above zero, such as 1h, 7d');
}

/**
 * Parses a duration above zero, or `none`, which is undefined.
 * @throws Error that says what was expected
 */
export function parseDurationOrNone(text: string): number | undefined {
  if (text === 'none') return undefined;
  const durationMs = parseDuration(text);
  if (durationMs > 0) return durationMs;
  throw new Error('expected a duration above zero, such as 30d, or none');
}

/**
 * Parses a duration, or `forever`, which is `Infinity`.
 * @throws Error that says what was expected
 */
export function parseDurationOrForever(text: string): number {
  if (text === 'forever') return Number.POSITIVE_INFINITY;
  if (text === '0' || durationPattern.test(text)) return parseDuration(text);
  throw new Error('expected a duration, such as 1h, 7d, or forever');
}
