import type { RateLimitReserve } from '../../config.ts';
import { parsePercent } from '../values/percent.ts';

/**
 * Parses how much of a limit is kept: a count of requests, or a percentage of the limit.
 * @throws Error that says what was expected
 */
export function parseReserve(text: string): RateLimitReserve {
  if (/^\d{1,9}$/.test(text)) return { count: Number(text) };
  try {
    return { part: parsePercent(text) };
  } catch {
    throw new Error('expected a count of pulls, such as 20, or a percentage of the limit, such as 10%');
  }
}
