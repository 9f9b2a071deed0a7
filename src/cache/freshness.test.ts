import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TagEntry } from '../index/metadata-index.ts';
import { digestOf } from '../oci/digest.ts';
import { type ErrorCode, errorStatus, RegistryError } from '../oci/errors.ts';
import { type Decision, decide, judge, type Verdict } from './freshness.ts';

const checkedAtMs = 1_000_000;
const entry: TagEntry = { digest: digestOf(Buffer.from('x')), mediaType: 'type', sizeBytes: 1, checkedAtMs };

test('decide() believes an entry for its time to live, and not a millisecond longer', () => {
  const table: readonly [ageMs: number, tagTtlMs: number, Decision][] = [
    [0, 60_000, 'fresh'],
    [59_999, 60_000, 'fresh'],
    [60_000, 60_000, 'revalidate'],
    [1e12, 60_000, 'revalidate'],
    [0, 0, 'revalidate'],
    [1e12, Number.POSITIVE_INFINITY, 'fresh'],
    // The clock was set back since: nobody knows how old the entry is.
    [-1, 60_000, 'revalidate'],
    [-1, Number.POSITIVE_INFINITY, 'revalidate'],
  ];
  for (const [ageMs, tagTtlMs, decision] of table) {
    assert.equal(decide(entry, { tagTtlMs }, checkedAtMs + ageMs), decision, `age ${ageMs}, time to live ${tagTtlMs}`);
  }
});

test('decide() of nothing is a miss', () => {
  assert.equal(decide(undefined, { tagTtlMs: Number.POSITIVE_INFINITY }, 0), 'miss');
});

test('judge() reads every code of an upstream error', () => {
  const verdicts: Partial<Record<ErrorCode, Verdict>> = {
    UNAVAILABLE: 'stale',
    TOOMANYREQUESTS: 'stale',
    BLOB_UNKNOWN: 'gone',
    MANIFEST_UNKNOWN: 'gone',
    MANIFEST_BLOB_UNKNOWN: 'gone',
    BLOB_UPLOAD_UNKNOWN: 'gone',
    NAME_UNKNOWN: 'gone',
    NOT_FOUND: 'gone',
    DENIED: 'refused',
    UNAUTHORIZED: 'refused',
  };
  for (const code of Object.keys(errorStatus) as ErrorCode[]) {
    assert.equal(judge(new RegistryError(code, 'message')), verdicts[code], code);
  }
});

test('judge() has no verdict on what is not upstream’s', () => {
  for (const error of [new Error('disk'), new DOMException('left', 'AbortError'), 'text', undefined]) {
    assert.equal(judge(error), undefined);
  }
});
