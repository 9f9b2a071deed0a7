/** The wait before try `count` (from 1): doubling from `firstMs` to `maxMs`, and anywhere within its upper half. */
export function backoffMs(count: number, firstMs: number, maxMs: number, random: number): number {
  const fullMs = Math.min(maxMs, firstMs * 2 ** (count - 1));
  return fullMs / 2 + (fullMs / 2) * random;
}
