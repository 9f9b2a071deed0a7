import { RegistryError } from '../errors.ts';
import type { RequestedRange } from '../registry.ts';

const singleRange = /^bytes=(\d*)-(\d*)$/i;

/**
 * Reads a `Range` header. What is no single byte range is undefined, and so ignored (RFC 9110, 14.2): the whole is a
 * right answer to several ranges, too.
 */
export function parseRange(header: string | undefined): RequestedRange | undefined {
  const match = header === undefined ? null : singleRange.exec(header.trim());
  if (!match) return undefined;
  const [, first, last] = match as unknown as [string, string, string];
  if (first === '') return last === '' ? undefined : { suffixLength: position(last) };
  return { start: position(first), end: last === '' ? undefined : position(last) };
}

// A position beyond 2^53 is beyond every blob; the largest safe integer says the same and stays exact.
function position(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}

/**
 * The bytes that a range means within a size: from `start` up to, not including, `end`.
 * @throws RegistryError RANGE_INVALID when there are none; `500-0` too, as the conformance suite has it
 */
export function resolveRange(
  range: RequestedRange | undefined,
  sizeBytes: number,
): { readonly start: number; readonly end: number } {
  if (range === undefined) return { start: 0, end: sizeBytes };
  const start = 'suffixLength' in range ? Math.max(0, sizeBytes - range.suffixLength) : range.start;
  const end = 'suffixLength' in range ? sizeBytes : Math.min(sizeBytes, (range.end ?? sizeBytes - 1) + 1);
  if (start < end) return { start, end };
  throw new RegistryError('RANGE_INVALID', `Cannot give bytes ${start} to ${end - 1}: the blob has ${sizeBytes}`, {
    headers: { 'content-range': `bytes */${sizeBytes}` },
  });
}
