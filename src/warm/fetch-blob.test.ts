import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../oci/digest.ts';
import { parseRepository } from '../oci/reference.ts';
import type { BlobContent, CacheOutcome, RequestedRange } from '../oci/registry.ts';
import { systemClock } from '../util/time/clock.ts';
import { fetchBlob } from './fetch-blob.ts';
import type { WarmRegistry } from './warm-registry.ts';

const never = new AbortController().signal;
const digest = digestOf(Buffer.from('blob'));
const repository = parseRepository('lib/app');
const miss: CacheOutcome = { kind: 'miss', stored: true, collapsed: false };
const hit: CacheOutcome = { kind: 'hit' };
const mebibyte = 1024 * 1024;

/** A cache that answers with these outcomes, the last again and again, and notes what is asked of it. */
function cacheWith(outcomes: readonly CacheOutcome[], stored: readonly CacheOutcome[] = [hit]) {
  const asked: (RequestedRange | undefined)[] = [];
  let stats = 0;
  const registry: Pick<WarmRegistry, 'getBlob' | 'statBlob'> = {
    async getBlob(_repository, _digest, range): Promise<BlobContent> {
      const outcome = outcomes[Math.min(asked.length, outcomes.length - 1)]!;
      asked.push(range);
      let given = false;
      return {
        ...{ sizeBytes: 1, start: range && 'start' in range ? range.start : 0, end: 1, outcome },
        async next() {
          if (given) return undefined;
          given = true;
          return { bytes: new Uint8Array(1), release() {} };
        },
        close() {},
      };
    },
    statBlob: async () => ({ sizeBytes: 1, outcome: stored[Math.min(stats++, stored.length - 1)]! }),
  };
  return { asked, registry: registry as WarmRegistry, stats: () => stats };
}

const fetch = (sizeBytes: number | undefined, registry: WarmRegistry, progress: number[] = []) =>
  fetchBlob(
    { repository, digest, sizeBytes },
    { registry, clock: { ...systemClock, sleep: async () => {} }, progressed: (bytes) => progress.push(bytes) },
    never,
  );

test('of a small blob the last byte tells all, and of a large one that is here the first', async () => {
  const small = cacheWith([hit]);
  assert.equal(await fetch(1000, small.registry), 'present');
  assert.deepEqual(small.asked, [{ start: 999, end: 999 }]);
  const large = cacheWith([hit]);
  assert.equal(await fetch(100 * mebibyte, large.registry), 'present');
  assert.deepEqual(large.asked, [{ start: 0, end: 0 }]);
});

test('of a large one that comes some bytes on the way are asked for, fifty at most, and the last', async () => {
  for (const sizeBytes of [9_000_000, 10 * 1024 * mebibyte]) {
    const { asked, registry } = cacheWith([miss]);
    const progress: number[] = [];
    assert.equal(await fetch(sizeBytes, registry, progress), 'fetched');
    assert.ok(asked.length <= 52);
    assert.deepEqual(asked.at(-1), { start: sizeBytes - 1, end: sizeBytes - 1 });
    assert.deepEqual(
      progress.filter((bytes) => bytes > 1),
      progress.filter((bytes) => bytes > 1).toSorted((a, b) => a - b),
    );
  }
});

test('once it is all here nothing more is asked', async () => {
  const { asked, registry, stats } = cacheWith([miss, hit]);
  assert.equal(await fetch(100 * mebibyte, registry), 'fetched');
  assert.deepEqual([asked.length, stats()], [2, 0]);
});

test('it is fetched when it is stored, and not when its last byte has come', async () => {
  const collapsed: CacheOutcome = { kind: 'miss', stored: true, collapsed: true };
  const { registry, stats } = cacheWith([miss], [collapsed, collapsed, hit]);
  assert.equal(await fetch(1000, registry), 'fetched');
  assert.equal(stats(), 3);
});

test('what is not kept is told, and not asked for byte by byte', async () => {
  const passed: CacheOutcome = { kind: 'miss', stored: false, collapsed: false };
  const never = cacheWith([passed]);
  await assert.rejects(fetch(100 * mebibyte, never.registry), /is not kept: there is no room for it/);
  assert.equal(never.asked.length, 1);
  const lost = cacheWith([miss], [passed]);
  await assert.rejects(fetch(1000, lost.registry), /is not kept/);
  assert.equal(lost.asked.length, 1);
});

// It was left to guess whether the cache was too small or the disk failed.
test('what is not kept as the disk fails is told with what fails there', async () => {
  const { registry } = cacheWith([{ kind: 'miss', stored: false, collapsed: false }]);
  const troubles = async () => ['the store cannot be written: no space left on device', 'and more'];
  const tools = { registry, clock: systemClock, progressed() {}, troubles };
  await assert.rejects(fetchBlob({ repository, digest, sizeBytes: 1000 }, tools, never), {
    message: `blob ${digest} is not kept: the store cannot be written: no space left on device; and more`,
  });
});

test('a blob of no known size, or of no bytes, is asked for as a whole', async () => {
  for (const sizeBytes of [undefined, 0]) {
    const { asked, registry } = cacheWith([miss]);
    assert.equal(await fetch(sizeBytes, registry), 'fetched');
    assert.deepEqual(asked, [undefined]);
  }
});
