const sizePattern = /^(\d+(?:\.\d+)?) ?(?:([kmgtp])(i?))?b?$/i;
const exponents = { k: 1, m: 2, g: 3, t: 4, p: 5 } as const;

/**
 * Parses a size: `50GB` and `50G` are powers of 1000, `50GiB` and `50Gi` powers of 1024, a bare number is bytes.
 * @throws Error that says what was expected
 */
export function parseSize(text: string): number {
  const [, amount, prefix, binary] = sizePattern.exec(text) ?? [];
  const exponent = prefix === undefined ? 0 : exponents[prefix.toLowerCase() as keyof typeof exponents];
  const sizeBytes = Math.round(Number(amount) * (binary ? 1024 : 1000) ** exponent);
  if (Number.isSafeInteger(sizeBytes) && sizeBytes > 0) return sizeBytes;
  throw new Error('expected a size above zero, such as 50GB, 500MiB, or a count of bytes');
}

/**
 * Parses a size that may be `0`.
 * @throws Error that says what was expected
 */
export function parseSizeOrZero(text: string): number {
  return text === '0' ? 0 : parseSize(text);
}

/**
 * Parses a size, or `none`, which is undefined.
 * @throws Error that says what was expected
 */
export function parseSizeOrNone(text: string): number | undefined {
  return text === 'none' ? undefined : parseSize(text);
}

/** A size in few letters, for people: `50 GB`. */
export function formatSize(sizeBytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  const exponent = Math.min(Math.floor(Math.log10(Math.max(sizeBytes, 1)) / 3), units.length - 1);
  return `${Number((sizeBytes / 1000 ** exponent).toFixed(1))} ${units[exponent]}`;
}
