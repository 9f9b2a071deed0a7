const percentPattern = /^(\d+(?:\.\d+)?) ?%$/;

/**
 * Parses a percentage, as a part of one: `95%` is 0.95. The sign is needed, as 0.95 could mean either.
 * @throws Error that says what was expected
 */
export function parsePercent(text: string): number {
  const part = Number(percentPattern.exec(text)?.[1]) / 100;
  if (part > 0 && part <= 1) return part;
  throw new Error('expected a percentage above 0% and up to 100%, such as 95%');
}
