const maxCount = 1_000_000; // more of anything is a mistake

/**
 * Parses a count of things, of which there is at least one.
 * @throws Error that says what was expected
 */
export function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= maxCount) return count;
  throw new Error(`expected a whole number from 1 to ${maxCount}`);
}
