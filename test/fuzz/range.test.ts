import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RegistryError } from '../../src/oci/errors.ts';
import { parseRange, resolveRange } from '../../src/oci/wire/range.ts';

const position = fc.oneof(fc.nat(40), fc.maxSafeNat());
const sizeBytes = fc.oneof(fc.nat(40), fc.maxSafeNat());

/** What a range header means, by counting: the positions that it selects, of a few bytes. */
function selected(first: number | undefined, last: number | undefined, size: number): number[] {
  return Array.from({ length: size }, (_, at) => at).filter((at) =>
    first === undefined ? at >= size - last! : at >= first && at <= (last ?? at),
  );
}

test('a range selects the bytes that counting does', () => {
  const few = fc.nat(12);
  fc.assert(
    fc.property(fc.option(few, { nil: undefined }), fc.option(few, { nil: undefined }), few, (first, last, size) => {
      fc.pre(first !== undefined || last !== undefined);
      const range = parseRange(`bytes=${first ?? ''}-${last ?? ''}`);
      const expected = selected(first, last, size);
      try {
        const { start, end } = resolveRange(range, size);
        assert.deepEqual(
          Array.from({ length: end - start }, (_, index) => start + index),
          expected,
        );
      } catch (error) {
        assert.ok(error instanceof RegistryError && error.code === 'RANGE_INVALID', String(error));
        assert.deepEqual(expected, []);
      }
    }),
    { numRuns: 3_000 },
  );
});

test('a range of any size is within the blob, and never empty', () => {
  const range = fc.oneof(
    fc.record({ start: position, end: fc.option(position, { nil: undefined }) }),
    fc.record({ suffixLength: position }),
  );
  fc.assert(
    fc.property(range, sizeBytes, (wanted, size) => {
      try {
        const { start, end } = resolveRange(wanted, size);
        assert.ok(Number.isSafeInteger(start) && Number.isSafeInteger(end));
        assert.ok(0 <= start && start < end && end <= size);
      } catch (error) {
        assert.ok(error instanceof RegistryError && error.code === 'RANGE_INVALID', String(error));
        assert.deepEqual(error.headers, { 'content-range': `bytes */${size}` });
      }
    }),
    { numRuns: 3_000 },
  );
});

test('positions of any number of digits are read without losing their order', () => {
  const digits = fc.bigInt({ min: 0n, max: 10n ** 30n });
  fc.assert(
    fc.property(digits, digits, (first, last) => {
      const range = parseRange(`bytes=${first}-${last}`);
      assert.ok(range && 'start' in range && range.end !== undefined);
      const exact = (value: bigint) =>
        value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
      assert.deepEqual(range, { start: exact(first), end: exact(last) });
    }),
    { numRuns: 1_000 },
  );
});

test('whatever the header, reading it throws nothing', () => {
  const pieces = ['bytes', '=', '-', ',', ' ', '0', '9', '18446744073709551616', 'x', '\n'];
  const anything = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...pieces), maxLength: 12 }));
  fc.assert(
    fc.property(anything, (header) => {
      const range = parseRange(header);
      if (range === undefined) return;
      assert.match(header.trim(), /^bytes=(\d+-\d*|-\d+)$/i);
      for (const value of Object.values(range)) assert.ok(value === undefined || Number.isSafeInteger(value));
    }),
    { numRuns: 5_000 },
  );
});
