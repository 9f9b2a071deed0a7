import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ContentInUse } from '../../../src/cache/content/in-use.ts';
import { SpaceKeeper } from '../../../src/cache/space/space-keeper.ts';
import { UseRecorder } from '../../../src/cache/uses.ts';
import { openSqliteIndex } from '../../../src/index/sqlite/sqlite.ts';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { silentLog } from '../../../src/util/log/log.ts';
import { type Random, randomNumbers } from '../../support/content/random.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { EvictionModel, type ModelContent, type ModelLimits } from '../../support/eviction-model.ts';
import { MemoryBlobStore } from '../../support/memory/memory-blob-store.ts';
import { ManualClock } from '../../support/time/clock.ts';

// Random pulls of images that share layers, over the real index, in the real steps; `SEED=… node --test` repeats a run.

const patient = new AbortController().signal;
const seed = Number(process.env['SEED'] ?? 20_260_728);
const limits: ModelLimits = {
  maxBytes: 4_000,
  highWatermark: 0.95,
  lowWatermark: 0.8,
  maxAgeMs: 6 * 3_600_000,
  graceMs: 60_000,
};

/** Images that share layers and some of which are in indexes: more than twice of what the cache may hold. */
function makeWorld(random: Random) {
  const contents = new Map<Digest, ModelContent>();
  const make = (kind: ModelContent['kind'], sizeBytes: number, references: readonly Digest[] = []) => {
    const digest = digestOf(new TextEncoder().encode(`${kind} ${contents.size}`));
    const content = { digest, kind, sizeBytes, references };
    contents.set(digest, content);
    return content;
  };
  const layers = Array.from({ length: 40 }, () => make('blob', 1 + random.below(400)));
  const huge = make('blob', limits.maxBytes + 1);
  const images = Array.from({ length: 60 }, (_, at) => {
    const own = make('blob', 1 + random.below(100));
    const shared = Array.from({ length: 1 + random.below(4) }, () => random.pick(layers));
    const parts = new Set([own, ...shared, ...(at === 0 ? [huge] : [])]);
    return make(
      'image',
      1 + random.below(10),
      [...parts].map(({ digest }) => digest),
    );
  });
  const indexes = Array.from({ length: 15 }, () =>
    make(
      'index',
      1 + random.below(10),
      [...new Set([random.pick(images), random.pick(images)])].map((i) => i.digest),
    ),
  );
  return { contents, pulled: [...images, ...indexes] };
}

function setUp(t: TestContext) {
  t.diagnostic(`SEED=${seed}`);
  const random = randomNumbers(seed);
  const world = makeWorld(random);
  const clock = new ManualClock();
  const store = new MemoryBlobStore();
  const index = openSqliteIndex(join(tmpDir(t), 'index.sqlite'));
  t.after(() => index.close());
  const uses = new UseRecorder(index, clock, assert.fail);
  const inUse = new ContentInUse();
  const observer = { removed() {}, notKept() {}, ran() {} };
  const freeBytes = async () => assert.fail('nobody asked for free space');
  const tools = { index, store, uses, inUse, clock, log: silentLog, observer, freeBytes };
  const keeper = new SpaceKeeper({ ...limits, minFreeBytes: 0 }, tools);
  t.after(() => keeper.close());
  const key = { registry: 'origin.test', repository: 'lib/app' as Repository };

  /** As the cache does it: room, then the file, then the index. */
  async function pull({ digest, kind, sizeBytes, references }: ModelContent, afterRoom = async () => {}) {
    const isStored = (await index.getContent(digest)) !== undefined;
    if (isStored) return uses.record(digest);
    const room = await keeper.reserve(digest, sizeBytes, patient);
    await afterRoom();
    if (!room) return;
    store.blobs.set(digest, Buffer.alloc(0));
    await index.putContent(digest, sizeBytes, clock.now());
    await index.link(key, digest, kind === 'blob' ? undefined : kind, clock.now());
    if (kind !== 'blob') await index.putReferences(digest, references);
    uses.record(digest, 0);
    assert.ok((await index.totals()).sizeBytes <= limits.maxBytes, 'more is stored than may be');
    room.release();
  }

  const { removeContents } = index;
  index.removeContents = async (digests) => {
    const removed = await removeContents.call(index, digests);
    for (const digest of digests) assert.ok(store.blobs.has(digest), 'the file goes after the row');
    const gone = new Set(digests);
    for (const digest of store.blobs.keys()) {
      if (gone.has(digest)) continue;
      const lost = world.contents.get(digest)?.references.filter((reference) => gone.has(reference));
      assert.deepEqual(lost, [], `${digest} stayed, and lost what it references`);
    }
    return removed;
  };
  return { random, world, clock, store, index, uses, inUse, keeper, key, pull };
}

/** An image or index and what a client pulls for it, in its order; now and then it goes away before the end. */
function pullOf(random: Random, { contents, pulled }: ReturnType<typeof makeWorld>): ModelContent[] {
  const first = random.pick(pulled);
  const image = first.kind === 'index' ? contents.get(random.pick(first.references))! : first;
  const parts = image.references.map((digest) => contents.get(digest)!);
  const whole = [...new Set([first, image, ...parts])];
  return random.chance(0.1) ? whole.slice(0, 1 + random.below(whole.length)) : whole;
}

test('10,000 pulls keep and remove what the rules say, content by content', { timeout: 60_000 }, async (t) => {
  const { random, world, clock, store, index, uses, inUse, keeper, key, pull } = setUp(t);
  const model = new EvictionModel(limits, clock.now());
  keeper.start();
  let lookedAtMs = clock.now();
  const holds = new Map<Digest, () => void>();

  async function pass(ms: number): Promise<void> {
    clock.advance(ms);
    model.nowMs = clock.now();
    const isLooking = clock.now() >= lookedAtMs + 60_000;
    if (isLooking) {
      lookedAtMs = clock.now();
      model.evict();
    }
    do await setImmediate();
    while (clock.sleeping === 0);
    await keeper.settled();
  }

  let pulls = 0;
  const acts = {
    async pull() {
      for (const content of pullOf(random, world)) {
        pulls++;
        await pass(1 + random.below(random.chance(0.1) ? 20_000 : 50));
        // The model makes all the room before it stores; the cache goes on with that meanwhile.
        await pull(content, () => keeper.settled());
        model.pull(content);
        await setImmediate();
        await keeper.settled();
      }
    },
    async pin() {
      const { digest } = random.pick(world.pulled);
      if (model.pinned.delete(digest)) assert.equal(await index.unpin(key, digest), true);
      else if (model.pinned.size < 4) {
        await index.pin(key, digest);
        model.pinned.add(digest);
      }
    },
    async hold() {
      const [digest, release] = [...holds][0] ?? [];
      if (digest && (holds.size > 3 || random.chance(0.5))) {
        release?.();
        holds.delete(digest);
        model.inUse.delete(digest);
        return;
      }
      const taken = random.pick([...world.contents.keys()]);
      if (!holds.has(taken)) holds.set(taken, inUse.take(taken));
      model.inUse.add(taken);
    },
    wait: () => pass(random.below(random.chance(0.1) ? 4 * 3_600_000 : 600_000)),
  };

  let mostBytes = 0;
  for (let step = 0; pulls < 10_000; step++) {
    await acts[random.pick(['pull', 'pull', 'pull', 'pull', 'pull', 'pull', 'pull', 'pin', 'hold', 'wait'] as const)]();
    assert.deepEqual([...store.blobs.keys()].sort(), [...model.stored.keys()].sort(), `step ${step}`);
    const { sizeBytes } = await index.totals();
    assert.equal(sizeBytes, model.totalBytes);
    mostBytes = Math.max(mostBytes, sizeBytes);
    if (step % 50 !== 0) continue;
    await uses.flush();
    const listed = await index.listLeastRecentlyUsed({ count: 1_000 });
    assert.deepEqual(
      listed.map(({ digest, usedAtMs }) => [digest, usedAtMs]),
      model.inOrder.map(({ content, usedAtMs }) => [content.digest, usedAtMs]),
    );
  }
  t.diagnostic(`${mostBytes} of ${limits.maxBytes} bytes at most`);
  assert.ok(mostBytes > limits.maxBytes * limits.highWatermark - 500, 'the cache was full at times');
});

test('pulls at the same time never come to more than the cache may hold', async (t) => {
  const { random, world, clock, index, keeper, pull } = setUp(t);
  const clients = Array.from({ length: 16 }, async () => {
    for (let count = 0; count < 30; count++) {
      clock.advance(random.below(120_000));
      for (const content of pullOf(random, world)) await pull(content);
      await setImmediate();
    }
  });
  await Promise.all(clients);
  await setImmediate();
  await keeper.settled();
  const { sizeBytes } = await index.totals();
  assert.ok(sizeBytes > 0 && sizeBytes <= limits.maxBytes);
});
