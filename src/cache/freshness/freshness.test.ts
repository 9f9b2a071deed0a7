import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TagEntry } from '../../index/metadata-index.ts';
import { digestOf } from '../../oci/digest.ts';
import { type ErrorCode, errorStatus, RegistryError } from '../../oci/errors.ts';
import { parseRepository, parseTag } from '../../oci/reference.ts';
import {
  type Decision,
  decide,
  type Fallback,
  type FreshnessPolicies,
  type FreshnessPolicy,
  fallBack,
  offlinePolicies,
  policyFor,
} from './freshness.ts';

const checkedAtMs = 1_000_000;
const entry: TagEntry = { digest: digestOf(Buffer.from('x')), mediaType: 'type', sizeBytes: 1, checkedAtMs };
const forever = Number.POSITIVE_INFINITY;
const usual: FreshnessPolicy = {
  tagTtlMs: 60_000,
  staleForMs: forever,
  onDenied: 'deny',
  onMissing: 'forget',
  revalidate: 'first',
};
const down = new RegistryError('UNAVAILABLE', 'down');

test('decide() believes an entry for its time to live, and not a millisecond longer', () => {
  const table: readonly [ageMs: number, tagTtlMs: number, Decision][] = [
    [0, 60_000, 'fresh'],
    [59_999, 60_000, 'fresh'],
    [60_000, 60_000, 'revalidate'],
    [1e12, 60_000, 'revalidate'],
    [0, 0, 'revalidate'],
    // The clock was set back since: nobody knows how old the entry is.
    [-1, 60_000, 'revalidate'],
    // What is never asked for again has no age.
    [1e12, forever, 'fresh'],
    [-1, forever, 'fresh'],
  ];
  for (const [ageMs, tagTtlMs, decision] of table) {
    const policy = { ...usual, tagTtlMs };
    assert.equal(decide(entry, policy, checkedAtMs + ageMs), decision, `age ${ageMs}, time to live ${tagTtlMs}`);
  }
});

test('decide() of nothing is a miss', () => {
  for (const revalidate of ['first', 'background'] as const) {
    assert.equal(decide(undefined, { ...usual, revalidate, tagTtlMs: forever }, 0), 'miss');
  }
});

test('decide() has upstream asked behind the answer, unless the entry is too old to be served unasked', () => {
  const table: readonly [ageMs: number, staleForMs: number, Decision][] = [
    [0, 10_000, 'fresh'],
    [59_999, 10_000, 'fresh'],
    [60_000, 10_000, 'stale'],
    [70_000, 10_000, 'stale'],
    [70_001, 10_000, 'revalidate'],
    [60_000, 0, 'stale'],
    [60_001, 0, 'revalidate'],
    [1e12, forever, 'stale'],
    [-1, forever, 'stale'],
  ];
  for (const [ageMs, staleForMs, decision] of table) {
    const policy: FreshnessPolicy = { ...usual, staleForMs, revalidate: 'background' };
    assert.equal(decide(entry, policy, checkedAtMs + ageMs), decision, `age ${ageMs}, stale for ${staleForMs}`);
  }
});

test('fallBack() reads every code of an upstream error', () => {
  const fallbacks: Partial<Record<ErrorCode, Fallback>> = {
    UNAVAILABLE: 'serve',
    TOOMANYREQUESTS: 'serve',
    BLOB_UNKNOWN: 'forget',
    MANIFEST_UNKNOWN: 'forget',
    MANIFEST_BLOB_UNKNOWN: 'forget',
    BLOB_UPLOAD_UNKNOWN: 'forget',
    NAME_UNKNOWN: 'forget',
    NOT_FOUND: 'forget',
  };
  for (const code of Object.keys(errorStatus) as ErrorCode[]) {
    const error = new RegistryError(code, 'message');
    assert.equal(fallBack(error, entry, usual, checkedAtMs), fallbacks[code] ?? 'fail', code);
  }
});

test('fallBack() serves what upstream refuses, or has no more, where the policy says so, and only that', () => {
  const table: readonly [ErrorCode, Partial<FreshnessPolicy>, Fallback][] = [
    ['DENIED', { onDenied: 'serve' }, 'serve'],
    ['UNAUTHORIZED', { onDenied: 'serve' }, 'serve'],
    ['DENIED', { onMissing: 'serve' }, 'fail'],
    ['MANIFEST_UNKNOWN', { onMissing: 'serve' }, 'serve'],
    ['NAME_UNKNOWN', { onMissing: 'serve' }, 'serve'],
    ['MANIFEST_UNKNOWN', { onDenied: 'serve' }, 'forget'],
    // Of what upstream says, no age matters.
    ['MANIFEST_UNKNOWN', { onMissing: 'serve', staleForMs: 0 }, 'serve'],
    ['UNSUPPORTED', { onDenied: 'serve', onMissing: 'serve' }, 'fail'],
  ];
  for (const [code, policy, fallback] of table) {
    const error = new RegistryError(code, 'message');
    assert.equal(fallBack(error, entry, { ...usual, ...policy }, checkedAtMs + 1e9), fallback, code);
  }
});

test('fallBack() serves while upstream fails until the entry is too old for it', () => {
  const table: readonly [ageMs: number, staleForMs: number, Fallback][] = [
    [60_000, 10_000, 'serve'],
    [70_000, 10_000, 'serve'],
    [70_001, 10_000, 'fail'],
    [60_001, 0, 'fail'],
    [1e15, forever, 'serve'],
    [-1e9, 0, 'serve'],
  ];
  for (const [ageMs, staleForMs, fallback] of table) {
    const policy = { ...usual, staleForMs };
    assert.equal(fallBack(down, entry, policy, checkedAtMs + ageMs), fallback, `age ${ageMs}, stale for ${staleForMs}`);
  }
});

test('fallBack() serves nothing on what is not upstream’s', () => {
  const policy: FreshnessPolicy = { ...usual, onDenied: 'serve', onMissing: 'serve' };
  for (const error of [new Error('disk'), new DOMException('left', 'AbortError'), 'text', undefined]) {
    assert.equal(fallBack(error, entry, policy, checkedAtMs), 'fail');
  }
});

const policies: FreshnessPolicies = {
  ...usual,
  immutableTags: [/^v\d+\.\d+\.\d+$/],
  rules: [
    { repository: /^library\//, tag: /^nightly/, tagTtlMs: 1_000 },
    { repository: /^library\//, tagTtlMs: 2_000, onMissing: 'serve', immutableTags: [] },
    { tag: /^stable$/, tagTtlMs: 3_000, revalidate: 'background' },
  ],
};

function policyOf(repository: string, tag: string): FreshnessPolicy {
  const { tagTtlMs, staleForMs, onDenied, onMissing, revalidate } = policyFor(
    policies,
    parseRepository(repository),
    parseTag(tag),
  );
  return { tagTtlMs, staleForMs, onDenied, onMissing, revalidate };
}

test('policyFor() takes each key from the first rule that matches and has it, else from the upstream', () => {
  assert.deepEqual(policyOf('lib/app', 'latest'), usual);
  assert.deepEqual(policyOf('library/app', 'nightly-1'), { ...usual, tagTtlMs: 1_000, onMissing: 'serve' });
  assert.deepEqual(policyOf('library/app', 'latest'), { ...usual, tagTtlMs: 2_000, onMissing: 'serve' });
  assert.deepEqual(policyOf('lib/app', 'stable'), { ...usual, tagTtlMs: 3_000, revalidate: 'background' });
  assert.deepEqual(policyOf('library/app', 'stable'), {
    ...usual,
    tagTtlMs: 2_000,
    onMissing: 'serve',
    revalidate: 'background',
  });
});

test('policyFor() gives an immutable tag a time to live without end, unless a rule says that there are none', () => {
  assert.deepEqual(policyOf('lib/app', 'v1.2.3'), { ...usual, tagTtlMs: forever });
  assert.deepEqual(policyOf('lib/app', 'v1.2'), usual);
  assert.equal(policyOf('library/app', 'v1.2.3').tagTtlMs, 2_000);
});

test('offline, what is known of a tag is fresh whatever the clock says', () => {
  const policy = policyFor(offlinePolicies, parseRepository('lib/app'), parseTag('latest'));
  for (const ageMs of [-1e12, 0, 1e12]) assert.equal(decide(entry, policy, checkedAtMs + ageMs), 'fresh');
});
