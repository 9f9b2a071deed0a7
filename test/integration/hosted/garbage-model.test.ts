import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Removal } from '../../../src/cache/space/removal/removal.ts';
import { collectGarbage } from '../../../src/hosted/garbage/collect-garbage.ts';
import { manifestRecord, manifestRecordName, tagRecord, tagRecordName } from '../../../src/hosted/records/record.ts';
import { removeManifest, removeTag } from '../../../src/hosted/records/removal.ts';
import { openSqliteIndex } from '../../../src/index/sqlite/sqlite.ts';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { hostedRegistryName } from '../../../src/oci/hosted.ts';
import { parseRepository, parseTag, type Repository } from '../../../src/oci/reference.ts';
import { SharedLocks } from '../../../src/util/locks/shared-locks.ts';
import { silentLog } from '../../../src/util/log/log.ts';
import { type Random, randomNumbers } from '../../support/content/random.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { GarbageModel, type ModelManifest } from '../../support/hosted/garbage-model.ts';
import { MemoryBlobStore } from '../../support/memory/memory-blob-store.ts';
import { MemoryRecordStore } from '../../support/memory/memory-record-store.ts';

// Random pushes, deletes, tags, mounts and collections over the real index; `SEED=… node --test` repeats a run.

const seed = Number(process.env['SEED'] ?? 20_261_121);
const stepCount = 5_000;
const repositories = ['team/app', 'team/base', 'other'].map(parseRepository);
const tags = ['v1', 'v2', 'latest'].map(parseTag);
const never = new AbortController().signal;

const bytesOf = (name: string) => Buffer.from(name.padEnd(20 + (name.length % 7), '.'));

/** Blobs, images that share them, indexes of images and indexes, and what refers to any of these. */
function makeWorld(random: Random) {
  const bytes = new Map<Digest, Buffer>();
  const make = (name: string) => {
    const digest = digestOf(bytesOf(name));
    bytes.set(digest, bytesOf(name));
    return digest;
  };
  const some = <T>(list: readonly T[], most: number) => [
    ...new Set(Array.from({ length: 1 + random.below(most) }, () => random.pick(list))),
  ];
  const blobs = Array.from({ length: 24 }, (_, at) => make(`blob ${at}`));
  const manifests: ModelManifest[] = [];
  const add = (kind: string, references: readonly Digest[], subject?: Digest) =>
    manifests.push({ digest: make(`${kind} ${manifests.length}`), references, subject });
  for (let count = 0; count < 16; count++) add('image', some(blobs, 4));
  const digests = () => manifests.map(({ digest }) => digest);
  for (let count = 0; count < 8; count++) add('index', some(digests(), 3));
  for (let count = 0; count < 12; count++) add('referrer', some(blobs, 1), random.pick(digests()));
  return { bytes, blobs, manifests };
}

function setUp(t: TestContext, random: Random) {
  const world = makeWorld(random);
  const index = openSqliteIndex(join(tmpDir(t), 'index.sqlite'));
  t.after(() => index.close());
  const store = new MemoryBlobStore();
  const records = new MemoryRecordStore();
  const removal = new Removal({ index, store, log: silentLog });
  const remove = removal.remove.bind(removal);
  const tools = { index, records, locks: new SharedLocks(), remove };
  return { ...world, index, store, records, tools, model: new GarbageModel() };
}

type World = ReturnType<typeof setUp>;

/** Each step does the same to the model and to the index, the store and the records. */
const steps: Record<string, (world: World, random: Random, repository: Repository, nowMs: number) => Promise<void>> = {
  async pushBlob({ index, store, bytes, blobs, model }, random, repository, nowMs) {
    const digest = random.pick(blobs);
    await putBytes({ index, store, bytes }, repository, digest, nowMs);
    await index.addBlob(repository, digest, bytes.get(digest)!.length, nowMs);
    model.addBlob(repository, digest, nowMs);
  },

  async mount({ index, blobs, model }, random, repository, nowMs) {
    const digest = random.pick(blobs);
    const isMounted = await index.mountBlob(repository, digest, nowMs);
    assert.equal(isMounted, model.stored.has(digest));
    if (isMounted) model.addBlob(repository, digest, nowMs);
  },

  async pushManifest(world, random, repository, nowMs) {
    const { index, bytes, manifests, model, records } = world;
    const manifest = random.pick(manifests);
    const tag = random.chance(0.4) ? random.pick(tags) : undefined;
    const { digest, references } = manifest;
    const isWhole = (wanted: Digest) => index.getLink({ registry: hostedRegistryName, repository }, wanted);
    if (!(await Promise.all(references.map(isWhole))).every((link) => link?.sizeBytes !== undefined)) return;
    await putBytes(world, repository, digest, nowMs);
    await records.putRecord(manifestRecordName(repository, digest), manifestRecord('type'));
    if (tag !== undefined) await records.putRecord(tagRecordName(repository, tag), tagRecord(digest));
    const about = { required: references, artifactType: undefined, annotations: undefined, mediaType: 'type' };
    const row = { ...manifest, ...about, sizeBytes: bytes.get(digest)!.length };
    assert.deepEqual(await index.putManifest(repository, row, tag === undefined ? [] : [tag], nowMs), []);
    assert.equal(model.put(repository, manifest, tag, nowMs), true);
  },

  async deleteManifest({ tools, manifests, model }, random, repository) {
    const { digest } = random.pick(manifests);
    assert.equal(await removeManifest(tools, repository, digest), model.of(repository).manifests.has(digest));
    model.removeManifest(repository, digest);
  },

  async deleteTag({ tools, model }, random, repository) {
    const tag = random.pick(tags);
    assert.equal(await removeTag(tools, repository, tag), model.of(repository).tags.delete(tag));
  },

  async deleteBlob({ index, blobs, model }, random, repository) {
    const digest = random.pick(blobs);
    const result = await index.removeBlob(repository, digest);
    assert.equal(result === 'removed', model.removeBlob(repository, digest));
  },

  async askFor({ index, blobs, model }, random, repository, nowMs) {
    const digest = random.pick(blobs);
    await index.renew(repository, digest, nowMs);
    const linkedAtMs = model.of(repository).blobs.get(digest);
    if (linkedAtMs !== undefined && linkedAtMs < nowMs - 60_000) model.of(repository).blobs.set(digest, nowMs);
  },

  async collect(world, random, _, nowMs) {
    const request = { beforeMs: nowMs - random.pick([0, 60_000, 600_000]), untagged: random.chance(0.5) };
    const foreseen = await collectGarbage(world.tools, { ...request, dryRun: true }, never);
    const collected = await collectGarbage(world.tools, { ...request, dryRun: false }, never);
    const { manifests, blobs, contents } = collected;
    assert.deepEqual(foreseen, collected, 'a dry run foresees what goes');
    assert.deepEqual({ manifests, blobs, contents }, world.model.collect(request.beforeMs, request.untagged));
  },
};

async function putBytes(
  { index, store, bytes }: Pick<World, 'index' | 'store' | 'bytes'>,
  repository: Repository,
  digest: Digest,
  nowMs: number,
): Promise<void> {
  await index.hold(repository, digest, nowMs);
  store.blobs.set(digest, Buffer.from(bytes.get(digest)!));
}

/** What repositories have, what tags stand for, what is stored, recorded and counted is what the model says. */
async function assertSame(world: World): Promise<void> {
  const { index, store, records, bytes, model } = world;
  const recorded = new Set<string>();
  const held = new Set<Digest>();
  for (const repository of repositories) {
    const key = { registry: hostedRegistryName, repository };
    const { blobs, manifests, tags: tagged } = model.of(repository);
    for (const digest of bytes.keys()) {
      const link = await index.getLink(key, digest);
      assert.equal(link !== undefined, blobs.has(digest) || manifests.has(digest), `${repository} ${digest}`);
      if (link === undefined) continue;
      held.add(digest);
      assert.equal(link.sizeBytes, store.blobs.get(digest)?.length, 'what is linked is stored');
    }
    for (const { digest, references } of manifests.values()) {
      recorded.add(manifestRecordName(repository, digest));
      for (const part of references) {
        const isDeleted = !manifests.has(part) && !blobs.has(part); // by hand: only manifests can be
        assert.ok(
          isDeleted ? !world.blobs.includes(part) : store.blobs.has(part),
          `${part}, which ${digest} references`,
        );
      }
    }
    for (const tag of tags) {
      const entry = await index.getTag(key, tag);
      assert.equal(entry?.digest, tagged.get(tag));
      if (entry === undefined) continue;
      recorded.add(tagRecordName(repository, tag));
      assert.ok(await index.getLink(key, entry.digest), `${repository}:${tag} stands for what is not there`);
    }
  }
  assert.deepEqual(new Set(records.records.keys()), recorded);
  assert.deepEqual(new Set(store.blobs.keys()), model.stored);
  const { contents, sizeBytes } = await index.hostedTotals();
  const expected = [...held].reduce((sum, digest) => sum + bytes.get(digest)!.length, 0);
  assert.deepEqual({ contents, sizeBytes }, { contents: held.size, sizeBytes: expected });
  assert.equal((await index.totals()).contents, model.stored.size - held.size);
}

test('nothing that a manifest references is ever gone, no tag dangles, and what nobody needs goes', async (t) => {
  const random = randomNumbers(seed);
  const world = setUp(t, random);
  // Pushes are many, so that there is something to remove; what is deleted by hand is little.
  const often = {
    pushBlob: 30,
    mount: 10,
    pushManifest: 40,
    deleteManifest: 5,
    deleteTag: 5,
    deleteBlob: 3,
    askFor: 4,
    collect: 3,
  };
  const names = Object.entries(often).flatMap(([name, count]) => Array<string>(count).fill(name));
  const counts = new Map<string, number>();
  let nowMs = 1_000_000;
  for (let step = 0; step < stepCount; step++) {
    nowMs += random.below(20_000);
    const name = random.pick(names);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    try {
      await steps[name]!(world, random, random.pick(repositories), nowMs);
      if (name === 'collect' || step % 50 === 0) await assertSame(world);
    } catch (error) {
      throw new Error(`step ${step} (${name}) of SEED=${seed}`, { cause: error });
    }
  }
  assert.equal(counts.size, Object.keys(often).length, 'every kind of step was taken');
});
