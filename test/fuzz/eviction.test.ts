import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Plan, type PlanLimits, type PlannedEntry, plan } from '../../src/cache/space/plan.ts';
import { type Digest, digestOf } from '../../src/oci/digest.ts';

const nowMs = 1_000_000;
const digests = Array.from({ length: 24 }, (_, at) => digestOf(new TextEncoder().encode(`content ${at}`)));
const elsewhere = digestOf(new TextEncoder().encode('a manifest that is in no window'));

interface Case {
  readonly entries: readonly PlannedEntry[];
  readonly limits: PlanLimits;
  readonly kept: ReadonlySet<Digest>;
}

/** Contents in the order of their last use, each referenced by some of those before it, as the index lists them. */
const someCase: fc.Arbitrary<Case> = fc
  .record({
    contents: fc.array(
      fc.record({
        sizeBytes: fc.nat(100),
        pausedMs: fc.nat(30),
        storedAgoMs: fc.oneof(fc.integer({ min: -200, max: 1_500 }), fc.constant(-nowMs)),
        isPinned: fc.nat(9).map((dice) => dice === 0),
        isKept: fc.nat(9).map((dice) => dice === 0),
        hasForeignReferrer: fc.nat(19).map((dice) => dice === 0),
        referrers: fc.array(fc.nat(23), { maxLength: 3 }),
      }),
      { maxLength: digests.length },
    ),
    excessBytes: fc.oneof(fc.constant(0), fc.nat(1_500)),
    maxAgeMs: fc.option(fc.integer({ min: 1, max: 1_200 }), { nil: undefined }),
    graceMs: fc.oneof(fc.constant(0), fc.nat(200)),
  })
  .map(({ contents, excessBytes, maxAgeMs, graceMs }) => {
    const usedAtMs = (at: number) =>
      nowMs - 1_000 + contents.slice(0, at + 1).reduce((sum, { pausedMs }) => sum + pausedMs, 0);
    const kept = new Set(digests.filter((_, at) => contents[at]?.isKept));
    const entries = contents.map(({ sizeBytes, storedAgoMs, isPinned, hasForeignReferrer, referrers }, at) => ({
      digest: digests[at]!,
      sizeBytes,
      storedAtMs: nowMs - storedAgoMs,
      usedAtMs: usedAtMs(at),
      pinned: isPinned,
      referencedBy: [
        ...new Set(referrers.filter((referrer) => referrer < at).map((referrer) => digests[referrer]!)),
        ...(hasForeignReferrer ? [elsewhere] : []),
      ],
    }));
    return { entries, kept, limits: { excessBytes, maxAgeMs, graceMs, isKept: (digest) => kept.has(digest) } };
  });

function holds(property: (given: Case, result: Plan, gone: ReadonlySet<Digest>) => void): void {
  fc.assert(
    fc.property(someCase, (given) => {
      const result = plan(given.entries, given.limits, nowMs);
      property(given, result, new Set(result.departures.map(({ entry }) => entry.digest)));
    }),
    { numRuns: 3_000 },
  );
}

function isProtected({ kept, limits }: Case, entry: PlannedEntry): boolean {
  const isNew = Math.abs(nowMs - entry.storedAtMs) < limits.graceMs;
  return entry.pinned || isNew || kept.has(entry.digest);
}

function isTooOld({ limits: { maxAgeMs } }: Case, entry: PlannedEntry): boolean {
  return maxAgeMs !== undefined && nowMs - entry.usedAtMs >= maxAgeMs;
}

const bytesOf = (departures: Plan['departures']) => departures.reduce((sum, { entry }) => sum + entry.sizeBytes, 0);

test('nothing goes that is pinned, kept, or new', () => {
  holds((given, { departures }) => {
    for (const { entry } of departures) assert.equal(isProtected(given, entry), false, entry.digest);
  });
});

test('nothing goes before every manifest that references it has gone', () => {
  holds((_given, { departures }) => {
    const gone = new Set<Digest>();
    for (const { entry } of departures) {
      assert.ok(entry.referencedBy.every((referrer) => gone.has(referrer)));
      gone.add(entry.digest);
    }
  });
});

test('what is protected keeps all that is reached from it by references', () => {
  holds((given, _result, gone) => {
    const held = new Set<Digest>([elsewhere]);
    for (const entry of given.entries) {
      if (isProtected(given, entry) || entry.referencedBy.some((referrer) => held.has(referrer))) {
        held.add(entry.digest);
      }
    }
    for (const digest of held) assert.equal(gone.has(digest), false);
  });
});

test('no more goes for room than has to', () => {
  holds(({ limits }, { departures }) => {
    const last = departures.findLastIndex(({ reason }) => reason === 'room');
    if (last >= 0) assert.ok(bytesOf(departures.slice(0, last)) < limits.excessBytes);
  });
});

test('when not enough goes, nothing is left that could', () => {
  holds((given, { departures, isEnough, isDone }, gone) => {
    assert.equal(isEnough, bytesOf(departures) >= given.limits.excessBytes);
    if (isDone) assert.equal(isEnough, true);
    if (isEnough) return;
    for (const entry of given.entries.filter(({ digest }) => !gone.has(digest))) {
      const isHeld = entry.referencedBy.some((referrer) => !gone.has(referrer));
      assert.ok(isHeld || isProtected(given, entry), `${entry.digest} stays, and need not`);
    }
  });
});

test('what was used longer ago goes first: nothing goes for room after something that could have gone', () => {
  holds((given, { departures }, gone) => {
    const lastAt = Math.max(-1, ...departures.map(({ entry }) => given.entries.indexOf(entry)));
    for (const entry of given.entries.slice(0, Math.max(lastAt, 0))) {
      const isHeld = isProtected(given, entry) || entry.referencedBy.some((referrer) => !gone.has(referrer));
      assert.equal(gone.has(entry.digest), !isHeld);
    }
  });
});

test('what is too old goes, whether or not there has to be room, and nothing else goes for its age', () => {
  holds((given, { departures }, gone) => {
    for (const { entry, reason } of departures) assert.equal(reason === 'age', isTooOld(given, entry));
    for (const entry of given.entries.filter((entry) => isTooOld(given, entry))) {
      const isHeld = isProtected(given, entry) || entry.referencedBy.some((referrer) => !gone.has(referrer));
      assert.equal(gone.has(entry.digest), !isHeld);
    }
  });
});

test('a plan page by page comes to the same as one of the whole', () => {
  fc.assert(
    fc.property(someCase, fc.integer({ min: 1, max: 7 }), ({ entries, limits }, pageCount) => {
      const whole = plan(entries, limits, nowMs).departures;
      const paged: Plan['departures'][number][] = [];
      for (let at = 0; at < entries.length; at += pageCount) {
        const excessBytes = limits.excessBytes - bytesOf(paged);
        const gone = new Set(paged.map(({ entry }) => entry.digest));
        const hasGone = (digest: Digest) => gone.has(digest);
        const page = plan(entries.slice(at, at + pageCount), { ...limits, excessBytes, hasGone }, nowMs);
        paged.push(...page.departures);
        if (page.isDone) break;
      }
      assert.deepEqual(paged, whole);
    }),
    { numRuns: 2_000 },
  );
});

test('a plan changes nothing that it was given', () => {
  fc.assert(
    fc.property(someCase, ({ entries, limits }) => {
      const before = structuredClone(entries);
      assert.deepEqual(plan(entries, limits, nowMs), plan(entries, limits, nowMs));
      assert.deepEqual(entries, before);
    }),
  );
});
