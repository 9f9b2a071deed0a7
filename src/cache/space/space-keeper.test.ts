import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { EventLog } from '../../../test/support/event-log.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import type { ContentEntry } from '../../index/metadata-index.ts';
import { type Digest, digestOf } from '../../oci/digest.ts';
import { ContentInUse } from '../content/in-use.ts';
import { SpaceKeeper, type SpaceLimits } from './space-keeper.ts';

const patient = new AbortController().signal;
const digests = Array.from({ length: 200 }, (_, at) => digestOf(Buffer.from(`content ${at}`)));
const wanted = digestOf(Buffer.from('what is to be stored'));

/** Just enough of an index: contents of one size, all used in the order of their numbers, none referenced. */
class SmallIndex {
  readonly contents = new Map<Digest, ContentEntry>();
  failure: Error | undefined;
  /** Is waited for before each removal. */
  held: Promise<void> | undefined;
  lists = 0;

  add(count: number, sizeBytes: number): void {
    for (const [at, digest] of digests.slice(0, count).entries()) {
      const entry = { digest, sizeBytes, storedAtMs: 0, usedAtMs: at, hits: 0, isManifest: false, level: 0 };
      this.contents.set(digest, { ...entry, referencedBy: [], pinned: false, hosted: false });
    }
  }

  async totals() {
    if (this.failure) throw this.failure;
    const sizeBytes = [...this.contents.values()].reduce((sum, entry) => sum + entry.sizeBytes, 0);
    return { contents: this.contents.size, sizeBytes };
  }

  async listLeastRecentlyUsed({ count, after }: { count: number; after?: { usedAtMs: number } | undefined }) {
    this.lists++;
    const entries = [...this.contents.values()].filter(({ usedAtMs }) => usedAtMs > (after?.usedAtMs ?? -1));
    return entries.slice(0, count);
  }

  async removeContents(gone: readonly Digest[]) {
    for (const digest of gone) this.contents.delete(digest);
    for (const [digest, entry] of this.contents) {
      const referencedBy = entry.referencedBy.filter((manifest) => this.contents.has(manifest));
      this.contents.set(digest, { ...entry, referencedBy });
    }
    await this.held;
    return [...gone];
  }

  async listUnlinked(asked: readonly Digest[]) {
    return [...asked];
  }
}

function setUp(t: TestContext, limits: Partial<SpaceLimits> = {}) {
  const clock = new ManualClock();
  const index = new SmallIndex();
  const log = new EventLog();
  const inUse = new ContentInUse();
  const told = { removed: [] as [string, number, number][], notKept: [] as number[], runs: 0 };
  const disk = { freeBytes: 0, failure: undefined as Error | undefined };
  const keeper = new SpaceKeeper(
    {
      ...{ maxBytes: 1000, highWatermark: 0.9, lowWatermark: 0.5, maxAgeMs: undefined, minFreeBytes: 0, graceMs: 1000 },
      ...limits,
    },
    {
      ...{ index, log, inUse, clock },
      store: { open: async () => undefined },
      uses: { flush: async () => {} },
      observer: {
        removed: (reason, contents, sizeBytes) => void told.removed.push([reason, contents, sizeBytes]),
        notKept: (sizeBytes) => void told.notKept.push(sizeBytes),
        ran: () => void told.runs++,
      },
      async freeBytes() {
        if (disk.failure) throw disk.failure;
        return disk.freeBytes;
      },
    },
  );
  t.after(() => keeper.close());
  return { keeper, index, log, inUse, clock, told, disk };
}

test('room is taken as long as there is some, and nothing goes for it', async (t) => {
  const { keeper, index, told } = setUp(t);
  index.add(4, 100);
  const rooms = await Promise.all([300, 300].map((sizeBytes) => keeper.reserve(wanted, sizeBytes, patient)));
  for (const room of rooms) room?.release();
  await keeper.settled();
  assert.deepEqual([rooms.length, index.contents.size, told.runs], [2, 4, 0]);
});

test('room that was taken is not given twice, and is made when it is missing', async (t) => {
  const { keeper, index, told } = setUp(t);
  index.add(5, 100);
  const first = await keeper.reserve(wanted, 400, patient);
  const second = await keeper.reserve(wanted, 300, patient);
  await keeper.settled();
  assert.ok(first && second);
  assert.deepEqual([...index.contents.keys()], digests.slice(2, 5));
  assert.deepEqual(told.removed, [['size', 2, 200]]);
  first.release();
  second.release();
});

test('nothing goes for what cannot fit beside what others have taken room for', async (t) => {
  const { keeper, index, told } = setUp(t);
  index.add(4, 100);
  const room = await keeper.reserve(wanted, 600, patient);
  assert.equal(await keeper.reserve(wanted, 600, patient), undefined);
  await keeper.settled();
  assert.deepEqual([index.contents.size, told.notKept], [4, [600]]);
  room?.release();
});

test('a store beyond the high watermark has room made down to the low one, in the background', async (t) => {
  const { keeper, index, log } = setUp(t);
  index.add(7, 100);
  const room = await keeper.reserve(wanted, 250, patient);
  index.contents.set(wanted, { ...index.contents.get(digests[6]!)!, digest: wanted, sizeBytes: 250, usedAtMs: 100 });
  room?.release();
  await log.waitFor('room made');
  assert.deepEqual([...index.contents.keys()], [digests[5]!, digests[6]!, wanted]);
});

test('who waits for room has it as soon as there is enough, before the run is over', async (t) => {
  const { keeper, index } = setUp(t, { lowWatermark: 0.05 });
  index.add(200, 5);
  const room = await keeper.reserve(wanted, 100, patient);
  assert.ok(room && index.contents.size > 100, `${index.contents.size} are left`);
  await keeper.settled();
  assert.ok(index.contents.size <= 10);
  room.release();
});

test('when nothing more may go, content is not kept, and it is not tried again at once', async (t) => {
  const { keeper, index, inUse, clock, told, log } = setUp(t);
  index.add(9, 100);
  const releases = digests.slice(0, 9).map((digest) => inUse.take(digest));
  for (let at = 0; at < 3; at++) assert.equal(await keeper.reserve(wanted, 200, patient), undefined);
  assert.deepEqual([told.notKept, told.runs, index.lists], [[200, 200, 200], 1, 2]);
  assert.equal(log.named('no room to keep content').length, 1);
  assert.ok(await keeper.reserve(wanted, 100, patient), 'what fits is kept all the same');
  for (const release of releases) release();
  clock.advance(10_000);
  assert.ok(await keeper.reserve(wanted, 200, patient));
  clock.advance(60_000);
  assert.equal(await keeper.reserve(wanted, 1_001, patient), undefined);
  assert.equal(log.named('no room to keep content').length, 2);
});

test('nothing goes for what could not be given room though everything went that may', async (t) => {
  const { keeper, index, inUse, clock, told } = setUp(t);
  index.add(9, 100);
  for (const digest of digests.slice(0, 4)) inUse.take(digest);
  assert.equal(await keeper.reserve(wanted, 601, patient), undefined);
  assert.equal(await keeper.reserve(wanted, 700, patient), undefined);
  await keeper.settled();
  assert.deepEqual([index.contents.size, told.removed, told.notKept, told.runs], [9, [], [601, 700], 1]);
  const room = await keeper.reserve(wanted, 300, patient);
  assert.ok(room, 'what is smaller is not refused with it');
  await keeper.settled();
  assert.deepEqual([...index.contents.keys()], [...digests.slice(0, 4), digests[8]]);
  room.release();
  clock.advance(10_000);
  assert.ok(await keeper.reserve(wanted, 600, patient), 'all that may go goes when that is enough');
});

test('what is kept by a manifest that stays does not count as room', async (t) => {
  const { keeper, index, inUse, told } = setUp(t);
  index.add(9, 100);
  // The layers come before their manifest, and are counted when that was found to go.
  for (const [at, manifest] of [
    [0, 7],
    [1, 7],
    [2, 8],
  ] as const) {
    index.contents.set(digests[at]!, { ...index.contents.get(digests[at]!)!, referencedBy: [digests[manifest]!] });
    index.contents.set(digests[manifest]!, { ...index.contents.get(digests[manifest]!)!, isManifest: true, level: 1 });
  }
  inUse.take(digests[8]!);
  assert.equal(await keeper.reserve(wanted, 801, patient), undefined);
  await keeper.settled();
  assert.deepEqual([index.contents.size, told.removed], [9, []]);
  assert.ok(await keeper.reserve(wanted, 800, patient));
  assert.deepEqual([...index.contents.keys()], [digests[2], digests[8]]);
});

test('what was stored before, and the index learns of only now, has room made at once', async (t) => {
  const { keeper, index, inUse, log } = setUp(t);
  index.add(9, 100);
  const releases = digests.slice(0, 9).map((digest) => inUse.take(digest));
  assert.equal(await keeper.reserve(wanted, 200, patient), undefined, 'and it is not tried again at once');
  for (const release of releases) release();
  index.add(14, 100);
  keeper.refilled();
  await log.waitFor('room made');
  assert.ok((await index.totals()).sizeBytes <= 500);
});

test('an index that fails keeps nothing from being served: there is no room, and the log says why', async (t) => {
  const { keeper, index, log } = setUp(t);
  index.failure = new Error('disk I/O error');
  assert.equal(await keeper.reserve(wanted, 1, patient), undefined);
  assert.equal(log.named('no room to keep content')[0]?.facts['reason'], 'disk I/O error');
  keeper.start();
  await log.waitFor('room cannot be made');
});

test('who waits for room and leaves has none, and keeps none', async (t) => {
  const { keeper, index } = setUp(t);
  index.add(10, 100);
  const gate = Promise.withResolvers<void>();
  index.held = gate.promise;
  const leaving = new AbortController();
  const reserving = keeper.reserve(wanted, 300, leaving.signal);
  await new Promise(setImmediate);
  leaving.abort(new Error('left'));
  await assert.rejects(reserving, /^Error: left$/);
  gate.resolve();
  await keeper.settled();
  assert.ok(await keeper.reserve(wanted, 500, patient), 'all the room is there');
});

test('who waits when the cache is stopped has no room', async (t) => {
  const { keeper, index, told } = setUp(t);
  index.add(200, 5);
  const gate = Promise.withResolvers<void>();
  index.held = gate.promise;
  const reserving = keeper.reserve(wanted, 990, patient);
  await new Promise(setImmediate);
  const closing = keeper.close();
  gate.resolve();
  assert.equal(await reserving, undefined);
  await closing;
  assert.deepEqual(told.notKept, [990]);
});

test('the disk is looked at every minute, and what it lacks goes', async (t) => {
  const { keeper, index, clock, told, disk, log } = setUp(t, { minFreeBytes: 500 });
  index.add(5, 100);
  disk.freeBytes = 500;
  keeper.start();
  await clock.nextSleep();
  assert.deepEqual(told.removed, []);
  disk.freeBytes = 350;
  clock.advance(60_000);
  await clock.nextSleep();
  assert.deepEqual(told.removed, [['disk', 2, 200]]);
  disk.failure = new Error('statfs failed');
  clock.advance(60_000);
  await clock.nextSleep();
  assert.equal(log.named('free space cannot be told').length, 1);
  assert.equal(index.contents.size, 3);
});

test('a push has cached content removed that the disk is full of, as much as it needs', async (t) => {
  const { keeper, index, clock, told, disk } = setUp(t, { minFreeBytes: 500 });
  index.add(8, 100);
  clock.advance(10_000);
  Object.defineProperty(disk, 'freeBytes', { get: () => 500 + (8 - index.contents.size) * 100 });
  await Promise.all([keeper.freeDisk(100, patient), keeper.freeDisk(250, patient)]);
  assert.equal(index.contents.size, 5);
  assert.deepEqual(
    told.removed.map(([reason]) => reason),
    told.removed.map(() => 'disk'),
  );
  await keeper.freeDisk(300, patient);
  assert.equal(index.contents.size, 5, 'so much is free');
});

test('nothing goes for a push that has no room though all of it went', async (t) => {
  const { keeper, index, clock, disk } = setUp(t, { minFreeBytes: 500 });
  index.add(8, 100);
  clock.advance(10_000);
  disk.freeBytes = 500;
  await keeper.freeDisk(801, patient);
  assert.equal(index.contents.size, 8);
});
