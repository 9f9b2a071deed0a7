import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ContentMemory } from '../../../src/cache/content/content-memory.ts';
import { Damages } from '../../../src/cache/content/damages.ts';
import { ContentInUse } from '../../../src/cache/content/in-use.ts';
import { LocalContent } from '../../../src/cache/content/local-content.ts';
import { Downloads } from '../../../src/cache/download/downloads.ts';
import { offlinePolicies } from '../../../src/cache/freshness/freshness.ts';
import { PullThrough } from '../../../src/cache/pull-through.ts';
import { UseRecorder } from '../../../src/cache/uses.ts';
import type { MetadataIndex } from '../../../src/index/metadata-index.ts';
import { openSqliteIndex } from '../../../src/index/sqlite/sqlite.ts';
import { parseRepository, parseTag } from '../../../src/oci/reference.ts';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { downloadTools } from '../../support/download-rig.ts';
import { EventLog } from '../../support/event-log.ts';
import { readAll } from '../../support/http/read.ts';
import { MemoryRegistry } from '../../support/memory/memory-registry.ts';

const app = parseRepository('lib/app');
const other = parseRepository('lib/other');
const latest = parseTag('latest');
const patient = new AbortController().signal;
const image = makeImage({ seed: 'image', layers: [300_000] });
const { manifest } = image;
const layer = image.blobs[1]!;

/** A cache in front of a registry in memory, whose index may be spoiled. */
function setUp(
  t: TestContext,
  spoil: (index: MetadataIndex) => Partial<MetadataIndex> = () => ({}),
  upstream = new MemoryRegistry(),
) {
  upstream.push(app, image, latest);
  upstream.push(other, image);
  const sqlite = openSqliteIndex(join(tmpDir(t), 'index.sqlite'));
  t.after(() => sqlite.close());
  const spoiled = spoil(sqlite);
  const index = new Proxy(sqlite, {
    get(target, name: keyof MetadataIndex) {
      return spoiled[name] ?? target[name].bind(target);
    },
  });
  const log = new EventLog();
  const tools = {
    ...downloadTools(t),
    index,
    log,
    memory: new ContentMemory(),
    ...{ offline: false, patienceMs: 60_000 },
  };
  const inUse = new ContentInUse();
  const downloads = new Downloads(tools, inUse);
  t.after(() => downloads.close());
  const uses = new UseRecorder(index, tools.clock, () => {});
  t.after(() => uses.flush());
  const damages = new Damages(tools);
  const local = new LocalContent({ ...tools, inUse, damages });
  const cache = new PullThrough(
    'docker.io',
    upstream,
    { ...offlinePolicies, tagTtlMs: 60_000 },
    { ...tools, damages, downloads, uses, local },
  );
  return { cache, upstream, tools, log };
}

test('an index that cannot be written withholds nothing that upstream gives', async (t) => {
  const full = async () => {
    throw new Error('disk full');
  };
  const { cache, tools, log } = setUp(t, () => ({ link: full, putContent: full, putTag: full, recordUses: full }));
  for (let i = 0; i < 2; i++) {
    const tagged = await cache.getManifest(app, latest, patient);
    assert.deepEqual(tagged.bytes, manifest.bytes);
    assert.deepEqual(tagged.outcome, { kind: 'miss', stored: false, collapsed: false });
    assert.deepEqual((await cache.getManifest(app, manifest.digest, patient)).bytes, manifest.bytes);
    assert.equal((await cache.resolveManifest(app, latest, patient)).digest, manifest.digest);
  }
  assert.deepEqual(await readAll(await cache.getBlob(app, layer.digest, undefined, patient)), layer.bytes);
  await log.waitFor('blob is stored, but not in the index');
  assert.deepEqual([...tools.store.blobs.keys()].sort(), [layer.digest, manifest.digest].sort());
  // The bytes are here; upstream is asked whether the repository has them, as nothing says so.
  for (const repository of [app, other]) {
    const content = await cache.getBlob(repository, layer.digest, undefined, patient);
    assert.deepEqual(content.outcome, { kind: 'revalidated' });
    assert.deepEqual(await readAll(content), layer.bytes);
    const stat = await cache.statBlob(repository, layer.digest, patient);
    assert.deepEqual([stat.sizeBytes, stat.outcome], [layer.bytes.length, { kind: 'revalidated' }]);
  }
});

/** A registry that gives blobs of one repository when it may, and notes for which it was asked. */
class HeldRegistry extends MemoryRegistry {
  readonly asked: string[] = [];
  readonly may = Promise.withResolvers<void>();

  override async getBlob(...[repository, digest, range, signal]: Parameters<MemoryRegistry['getBlob']>) {
    this.asked.push(repository);
    if (repository === app) await this.may.promise;
    return super.getBlob(repository, digest, range, signal);
  }
}

test('a transfer that fails for one repository is begun again for another that has joined it', async (t) => {
  const upstream = new HeldRegistry();
  const { cache } = setUp(t, () => ({}), upstream);
  upstream.content.removeBlob(app, layer.digest);
  const first = cache.getBlob(app, layer.digest, undefined, patient);
  const joined = cache.getBlob(other, layer.digest, undefined, patient);
  // Nothing here waits for a disk or a network: after some turns of the event loop, all have come as far as they can.
  for (let turns = 0; turns < 100; turns++) await new Promise(setImmediate);
  assert.deepEqual(upstream.asked, [app]);
  upstream.may.resolve();
  await assert.rejects(first, { code: 'BLOB_UNKNOWN' });
  const content = await joined;
  assert.deepEqual(content.outcome, { kind: 'miss', stored: true, collapsed: false });
  assert.deepEqual(await readAll(content), layer.bytes);
  assert.deepEqual(upstream.asked, [app, other]);
});

test('a tag that is gone upstream is gone here, though the index cannot forget it', async (t) => {
  const { cache, upstream, tools } = setUp(t, () => ({
    async removeTag() {
      throw new Error('disk full');
    },
  }));
  await cache.getManifest(app, latest, patient);
  upstream.content.removeTag(app, latest);
  tools.clock.advance(60_000);
  await assert.rejects(cache.getManifest(app, latest, patient), { code: 'MANIFEST_UNKNOWN' });
});

test('a manifest that is asked for in a repository that upstream does not have it in is unknown, whatever is here', async (t) => {
  const { cache, upstream } = setUp(t);
  await cache.getManifest(app, manifest.digest, patient);
  upstream.content.removeManifest(other, manifest.digest);
  await assert.rejects(cache.getManifest(other, manifest.digest, patient), { code: 'MANIFEST_UNKNOWN' });
  await assert.rejects(cache.resolveManifest(other, manifest.digest, patient), { code: 'MANIFEST_UNKNOWN' });
});

test('what is cached of one registry is listed under it, page by page', async (t) => {
  const { cache } = setUp(t);
  assert.deepEqual(await cache.listRepositories({}), { repositories: [], next: undefined });
  for (const repository of [app, other]) await cache.getManifest(repository, manifest.digest, patient);
  assert.deepEqual(await cache.listRepositories({}), { repositories: [app, other], next: undefined });
  const first = await cache.listRepositories({ count: 1 });
  assert.deepEqual(first, { repositories: [app], next: { count: 1, last: app } });
  assert.deepEqual(await cache.listRepositories(first.next!), { repositories: [other], next: undefined });
});
