import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decide,
  type FreshnessPolicies,
  type FreshnessPolicy,
  type FreshnessRule,
  fallBack,
  policyFor,
} from '../../src/cache/freshness/freshness.ts';
import type { TagEntry } from '../../src/index/metadata-index.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { type ErrorCode, errorStatus, RegistryError } from '../../src/oci/errors.ts';
import { parseRepository, parseTag } from '../../src/oci/reference.ts';

const digest = digestOf(Buffer.from('x'));
const millis = fc.oneof(fc.nat(5), fc.nat(200_000), fc.constant(Number.POSITIVE_INFINITY));
const keys: fc.Arbitrary<FreshnessPolicy> = fc.record({
  tagTtlMs: millis,
  staleForMs: millis,
  onDenied: fc.constantFrom('deny', 'serve'),
  onMissing: fc.constantFrom('forget', 'serve'),
  revalidate: fc.constantFrom('first', 'background'),
});
const checkedAtMs = fc.integer({ min: 0, max: 400_000 });
const nowMs = fc.integer({ min: 0, max: 400_000 });
const error = fc.constantFrom(...(Object.keys(errorStatus) as ErrorCode[])).map((code) => new RegistryError(code, ''));

function entryOf(checked: number): TagEntry {
  return { digest, mediaType: 'type', sizeBytes: 1, checkedAtMs: checked };
}

test('a tag is served unasked only while it is young enough, and fresh only while its time lasts', () => {
  fc.assert(
    fc.property(keys, checkedAtMs, nowMs, (policy, checked, now) => {
      const decision = decide(entryOf(checked), policy, now);
      const ageMs = now - checked;
      if (decision === 'fresh') assert.ok(ageMs < policy.tagTtlMs);
      if (decision === 'stale') assert.ok(ageMs <= policy.tagTtlMs + policy.staleForMs);
      if (decision === 'stale') assert.equal(policy.revalidate, 'background');
      assert.notEqual(decision, 'miss');
    }),
    { numRuns: 3_000 },
  );
});

test('what is known of a tag never becomes fresher as time passes', () => {
  const order = ['fresh', 'stale', 'revalidate'];
  fc.assert(
    fc.property(keys, checkedAtMs, fc.nat(400_000), fc.nat(400_000), (policy, checked, agedMs, moreMs) => {
      const [before, after] = [agedMs, agedMs + moreMs].map((ageMs) =>
        order.indexOf(decide(entryOf(checked), policy, checked + ageMs)),
      );
      assert.ok(before! <= after!);
    }),
    { numRuns: 3_000 },
  );
});

test('an error of upstream’s has a tag served only where its policy allows that', () => {
  fc.assert(
    fc.property(keys, checkedAtMs, nowMs, error, (policy, checked, now, failure) => {
      const fallback = fallBack(failure, entryOf(checked), policy, now);
      const isFailing = failure.code === 'UNAVAILABLE' || failure.code === 'TOOMANYREQUESTS';
      if (isFailing) assert.equal(fallback === 'serve', now - checked <= policy.tagTtlMs + policy.staleForMs);
      else if (failure.status === 404) assert.equal(fallback, policy.onMissing);
      else if (failure.status === 401 || failure.status === 403)
        assert.equal(fallback === 'serve', policy.onDenied === 'serve');
      else assert.equal(fallback, 'fail');
      // Only what upstream says is gone is ever forgotten.
      if (fallback === 'forget') assert.equal(failure.status, 404);
    }),
    { numRuns: 3_000 },
  );
});

const words = ['lib', 'app', 'team/x', 'v1', 'v1.2', 'latest'];
const pattern = fc.constantFrom('lib', 'app', '/', '^v', '\\.', 'latest', '^$').map((source) => new RegExp(source));
const rule: fc.Arbitrary<FreshnessRule> = fc.record(
  {
    repository: pattern,
    tag: pattern,
    tagTtlMs: fc.option(fc.nat(1000), { nil: undefined }),
    onMissing: fc.constantFrom('forget', 'serve', undefined),
    revalidate: fc.constantFrom('first', 'background', undefined),
    immutableTags: fc.option(fc.array(pattern, { maxLength: 2 }), { nil: undefined }),
  },
  { requiredKeys: [] },
);
const policies: fc.Arbitrary<FreshnessPolicies> = fc
  .tuple(keys, fc.array(pattern, { maxLength: 2 }), fc.array(rule, { maxLength: 4 }))
  .map(([upstream, immutableTags, rules]) => ({ ...upstream, immutableTags, rules }));
const repository = fc.constantFrom(...words.slice(0, 3)).map(parseRepository);
const tag = fc.constantFrom(...words.slice(3)).map(parseTag);

test('policyFor() is what comes of laying the matching rules over the upstream, the last first', () => {
  fc.assert(
    fc.property(policies, repository, tag, (given, name, tagName) => {
      let expected: FreshnessPolicies = given;
      for (const { repository: names, tag: tags, ...values } of given.rules.toReversed()) {
        if (names?.test(name) === false || tags?.test(tagName) === false) continue;
        const set = Object.entries(values).filter(([, value]) => value !== undefined);
        expected = { ...expected, ...Object.fromEntries(set) };
      }
      const isImmutable = expected.immutableTags.some((immutable) => immutable.test(tagName));
      const { tagTtlMs, staleForMs, onDenied, onMissing, revalidate } = policyFor(given, name, tagName);
      assert.deepEqual(
        { tagTtlMs, staleForMs, onDenied, onMissing, revalidate },
        {
          tagTtlMs: isImmutable ? Number.POSITIVE_INFINITY : expected.tagTtlMs,
          staleForMs: expected.staleForMs,
          onDenied: expected.onDenied,
          onMissing: expected.onMissing,
          revalidate: expected.revalidate,
        },
      );
    }),
    { numRuns: 3_000 },
  );
});

test('an immutable tag that is known is never asked for again, at any age and by any clock', () => {
  fc.assert(
    fc.property(policies, repository, tag, checkedAtMs, nowMs, (given, name, tagName, checked, now) => {
      const rules = given.rules.map(({ immutableTags, ...others }) => others);
      const policy = policyFor({ ...given, immutableTags: [/./], rules }, name, tagName);
      assert.equal(decide(entryOf(checked), policy, now), 'fresh');
    }),
    { numRuns: 1_000 },
  );
});
