import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { refillIndex } from '../../../src/cache/scrub/refill.ts';
import { Scrubber } from '../../../src/cache/scrub/scrubber.ts';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { makeImage, seededBytes } from '../../support/content/images.ts';
import { type KeptStore, openKeptStore } from '../../support/disk/kept-store.ts';
import { storedPath } from '../../support/disk/store-files.ts';
import { assertWhole } from '../../support/http/body-reader.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, setStage } from '../../support/stages/stage.ts';
import { ManualClock, type Sleep } from '../../support/time/clock.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

function startScrubber(t: TestContext, kept: KeptStore, bytesPerSecond: number, random = () => 0): Scrubber {
  const scrubber = new Scrubber({ ...kept.tools, random, log: kept.log }, bytesPerSecond);
  scrubber.start();
  t.after(() => scrubber.stop());
  return scrubber;
}

/** Moves the clock on whenever the scrubber waits, until it said `event` so often; gives the sleep that comes then. */
async function runUntil(
  { clock, log }: Pick<KeptStore, 'clock' | 'log'>,
  event: string,
  count = 1,
): Promise<{ readonly next: Promise<Sleep> }> {
  const said = log.waitFor(event, count).then(() => 'said' as const);
  for (;;) {
    const next = clock.nextSleep(() => true);
    const first = await Promise.race([said, next]);
    if (first === 'said') return { next };
    clock.advance(first.delayMs);
  }
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes[0]! ^= 1;
  writeFileSync(path, bytes);
}

test('a pass begins minutes after the start, reads everything, drops what is damaged, and comes again after a day', async (t) => {
  const kept = await openKeptStore(t);
  const startMs = kept.clock.now();
  const good = await kept.keep(seededBytes('good', 10_000));
  const bad = await kept.keep(seededBytes('bad', 20_000));
  flip(storedPath(kept.data, bad));
  const scrubber = startScrubber(t, kept, 1e6);
  const { next } = await runUntil(kept, 'store scrubbed');
  // What is found wrong is read once more before it is dropped.
  const bytes = 10_000 + 2 * 20_000;
  const ms = kept.clock.now() - startMs - 5 * minuteMs;
  assert.deepEqual(kept.log.named('store scrubbed')[0]!.facts, { bytes, damaged: 1, ms });
  assert.ok(ms >= 30 && ms <= 50, `${bytes} bytes at 1 MB/s, the last of which nobody waits for: ${ms} ms`);
  assert.equal(scrubber.scrubbedBytes, bytes);
  assert.deepEqual([await kept.store.size(good), await kept.store.size(bad)], [10_000, undefined]);
  assert.deepEqual(await kept.index.totals(), { contents: 1, sizeBytes: 10_000 });
  assert.equal(kept.log.named('stored content is damaged, removed').length, 1);
  flip(storedPath(kept.data, good));
  const { dueMs } = await next;
  assert.equal(dueMs - startMs, 5 * minuteMs + dayMs);
  kept.clock.advance(dueMs - kept.clock.now());
  await runUntil(kept, 'store scrubbed', 2);
  assert.deepEqual(await kept.index.totals(), { contents: 0, sizeBytes: 0 });
});

test('it reads no faster than it may', async (t) => {
  const kept = await openKeptStore(t);
  for (let i = 0; i < 5; i++) await kept.keep(seededBytes(`${i}`, 600_000));
  startScrubber(t, kept, 100_000);
  await runUntil(kept, 'store scrubbed');
  const { facts } = kept.log.named('store scrubbed')[0]!;
  assert.equal(facts['bytes'], 3_000_000);
  // Nobody waits for what the last read costs.
  assert.ok(Number(facts['ms']) >= 29_000 && Number(facts['ms']) <= 30_000, `${facts['ms']} ms`);
});

test('with a rate of 0 nothing is read, and what the index does not know is noted all the same', async (t) => {
  const kept = await openKeptStore(t);
  await kept.keep(seededBytes('stray', 1000), { unnoted: true });
  const scrubber = startScrubber(t, kept, 0);
  const { facts, level } = await kept.log.waitFor('index refilled from the store');
  assert.deepEqual([level, facts], ['warn', { contents: 1, bytes: 1000 }]);
  await scrubber.stop();
  assert.equal(kept.clock.sleeping, 0);
  assert.deepEqual([scrubber.scrubbedBytes, await kept.index.totals()], [0, { contents: 1, sizeBytes: 1000 }]);
});

test('a lost index is filled in small steps, with what manifests reference', async (t) => {
  const kept = await openKeptStore(t);
  const image = makeImage({
    seed: 'kept',
    layers: Array(150)
      .fill(10)
      .map((size, i) => size + i),
  });
  const all = [image.manifest, ...image.blobs];
  for (const { bytes } of all) await kept.keep(bytes, { unnoted: true });
  startScrubber(t, kept, 0);
  for (let step = 1; step <= 4; step++) {
    assert.equal((await kept.clock.nextSleep()).delayMs, 10);
    assert.equal((await kept.index.totals()).contents, step * 32);
    kept.clock.advance(10);
  }
  await kept.log.waitFor('index refilled from the store');
  const sizeBytes = all.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.deepEqual(await kept.index.totals(), { contents: all.length, sizeBytes });
  const references = await kept.index.referencesOf(image.manifest.digest);
  assert.deepEqual(references.map(({ digest }) => digest).sort(), image.blobs.map(({ digest }) => digest).sort());
});

test('content that is just being removed, its file last, is not noted again', async (t) => {
  const kept = await openKeptStore(t);
  const going = await kept.keep(seededBytes('going', 1000), { unnoted: true });
  const goneSoon = await kept.keep(seededBytes('gone soon', 1000), { unnoted: true });
  const { size } = kept.store;
  // Nobody in this process tells that the second goes: another one removes it.
  kept.store.size = async (digest) => {
    if (digest === goneSoon) await kept.store.remove(digest);
    return size.call(kept.store, digest);
  };
  const removed = async (digest: Digest) => void (digest === going && (await kept.store.remove(digest)));
  const added = await refillIndex({ ...kept.tools, removed }, new AbortController().signal);
  assert.deepEqual(added, { contents: 0, bytes: 0 });
  assert.deepEqual(await kept.index.totals(), { contents: 0, sizeBytes: 0 });
});

test('a pass puts index and store right, and says so', async (t) => {
  const kept = await openKeptStore(t);
  const lost = await kept.keep(seededBytes('lost', 100));
  const missized = await kept.keep(seededBytes('missized', 100), { notedBytes: 99 });
  rmSync(storedPath(kept.data, lost));
  startScrubber(t, kept, 1e6);
  await runUntil(kept, 'store scrubbed');
  const told = kept.log.named('store and index disagree').map(({ facts }) => facts);
  assert.deepEqual(
    told.sort((a, b) => String(a['kind']).localeCompare(String(b['kind']))),
    [
      { kind: 'missing', digest: lost, sizeBytes: 100, repaired: true },
      { kind: 'wrong size', digest: missized, sizeBytes: 100, notedBytes: 99, repaired: true },
    ],
  );
  assert.deepEqual(await kept.index.totals(), { contents: 1, sizeBytes: 100 });
});

for (const start of [0, 0.3, 0.999]) {
  test(`a pass that begins at ${start} of all digests comes round to every content, once`, async (t) => {
    const kept = await openKeptStore(t);
    const digests: Digest[] = [];
    for (let i = 0; i < 20; i++) digests.push(await kept.keep(seededBytes(`${i}`, 1000)));
    const read: Digest[] = [];
    const { open } = kept.store;
    kept.store.open = (digest) => {
      read.push(digest);
      return open.call(kept.store, digest);
    };
    startScrubber(t, kept, 1e6, () => start);
    await runUntil(kept, 'store scrubbed');
    const from = `sha256:${Math.floor(start * 2 ** 32)
      .toString(16)
      .padStart(8, '0')}`;
    const sorted = digests.sort();
    const first = sorted.findIndex((digest) => digest > from);
    const expected = first < 0 ? sorted : [...sorted.slice(first), ...sorted.slice(0, first)];
    assert.deepEqual(read, expected);
  });
}

test('it ends at once when it is stopped, in the middle of a blob', async (t) => {
  const kept = await openKeptStore(t);
  await kept.keep(seededBytes('large', 2_000_000));
  const scrubber = startScrubber(t, kept, 1000);
  kept.clock.advance((await kept.clock.nextSleep()).delayMs);
  await kept.clock.nextSleep(); // the first of the blob's pieces was read, and takes minutes at this rate
  await scrubber.stop();
  assert.equal(kept.clock.sleeping, 0);
  assert.equal(scrubber.scrubbedBytes, 256 * 1024);
  assert.deepEqual(kept.log.events, []);
});

test('an index that fails is told of, and the next pass is tried after a day', async (t) => {
  const kept = await openKeptStore(t);
  await kept.keep(seededBytes('some', 1000));
  const { listContents } = kept.index;
  kept.index.listContents = () => Promise.reject(new Error('disk I/O error'));
  startScrubber(t, kept, 1e6);
  const { next } = await runUntil(kept, 'store cannot be scrubbed');
  assert.deepEqual(kept.log.named('store cannot be scrubbed')[0]!.facts, { reason: 'disk I/O error' });
  kept.index.listContents = listContents;
  kept.clock.advance((await next).delayMs);
  await runUntil(kept, 'store scrubbed');
});

test('what rots on the disk of a running cache is found, and the next request fetches it, and nothing else', async (t) => {
  const clock = new ManualClock(Date.now());
  const stage = await setStage(t, { cache: { clock, space: { scrubRateBytes: 1e6 } } });
  const [rotten, sound] = makeImage({ seed: 'rotting', layers: [100_000, 100_001] }).blobs.slice(1);
  assert(rotten && sound);
  for (const { bytes, digest } of [rotten, sound]) {
    stage.origin.content.putBlob(repository, bytes);
    assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  }
  await stage.log.waitFor('blob stored', 2);
  flip(storedPath(stage.data, rotten.digest));
  clock.advance(minuteMs); // what is new is not read: it was verified a moment ago
  stage.origin.requests.clear();
  await runUntil({ clock, log: stage.log }, 'store scrubbed');
  const { facts } = stage.log.named('stored content is damaged, removed')[0]!;
  assert.equal(facts['digest'], rotten.digest);
  assert.notEqual(facts['found'], digestOf(rotten.bytes));
  for (const { digest } of [rotten, sound, rotten]) assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  assert.deepEqual(stage.origin.requests.lines(), [`GET /v2/${repository}/blobs/${shorten(rotten.digest)}`]);
  const scrape = parsePrometheusText((await rawFetch(`${stage.url}/metrics`)).body.toString());
  assert.equal(scrape.value('entrepot_damaged_contents_total'), 1);
  assert.equal(scrape.value('entrepot_scrubbed_bytes_total'), 300_001);
});

test('who keeps the size is told when the index has learned of what was stored before', async (t) => {
  const kept = await openKeptStore(t);
  await kept.keep(seededBytes('stray', 1000), { unnoted: true });
  const { promise: told, resolve: refilled } = Promise.withResolvers<void>();
  const scrubber = new Scrubber({ ...kept.tools, refilled, random: () => 0, log: kept.log }, 0);
  scrubber.start();
  t.after(() => scrubber.stop());
  await told;
  assert.deepEqual(await kept.index.totals(), { contents: 1, sizeBytes: 1000 });
});
