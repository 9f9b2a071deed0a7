import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BlobCache } from '../../../src/cache/blobs/blobs.ts';
import { ContentMemory } from '../../../src/cache/content/content-memory.ts';
import { Damages } from '../../../src/cache/content/damages.ts';
import { ContentInUse } from '../../../src/cache/content/in-use.ts';
import { LocalContent } from '../../../src/cache/content/local-content.ts';
import { Downloads } from '../../../src/cache/download/downloads.ts';
import { offlineRegistry } from '../../../src/cache/freshness/offline.ts';
import { UseRecorder } from '../../../src/cache/uses.ts';
import { openSqliteIndex } from '../../../src/index/sqlite/sqlite.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import type { Registry } from '../../../src/oci/registry.ts';
import { seededBytes } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { downloadTools, endlessSpace } from '../../support/download-rig.ts';
import { EventLog } from '../../support/event-log.ts';
import { readAll } from '../../support/http/read.ts';

const repository = 'lib/app' as Repository;
const key = { registry: 'origin.test', repository };
const layer = seededBytes('layer', 200_000);
const digest = digestOf(layer);
const patient = new AbortController().signal;

/** A cache whose store has the layer, though no repository is linked to it; `removal` is what is under way with it. */
async function setUp(t: TestContext, removal: { under?: (() => void) | undefined } = {}) {
  const index = openSqliteIndex(join(tmpDir(t), 'index.sqlite'));
  const log = new EventLog();
  const inUse = new ContentInUse();
  const space = { ...endlessSpace, removed: async () => removal.under?.() };
  const downloading = downloadTools(t, { space });
  const { store, clock, buffers, hasher } = downloading;
  store.blobs.set(digest, layer);
  removal.under &&= () => void store.blobs.delete(digest);
  const memory = new ContentMemory();
  const damages = new Damages({ store, index, log });
  const local = new LocalContent({ store, index, memory, buffers, space, inUse, clock, damages, log });
  const downloads = new Downloads(downloading, inUse);
  const uses = new UseRecorder(index, clock, () => {});
  const state = { offline: false, patienceMs: 60_000, clock, log };
  const tools = { store, index, memory, local, damages, hasher, downloads, buffers, uses, ...state };
  const asked: boolean[] = [];
  const upstream: Registry = {
    ...offlineRegistry('origin.test'),
    async statBlob() {
      asked.push(inUse.has(digest));
      return { sizeBytes: layer.length };
    },
    async getBlob() {
      let isRead = false;
      const next = async () => {
        const chunk = isRead ? undefined : { bytes: Buffer.from(layer), release() {} };
        isRead = true;
        return chunk;
      };
      return { sizeBytes: layer.length, start: 0, end: layer.length, next, close() {} };
    },
  };
  const blobs = new BlobCache('origin.test', upstream, tools);
  t.after(async () => {
    await downloads.close();
    await uses.flush();
    await index.close();
  });
  return { blobs, index, inUse, asked };
}

test('a blob is held while upstream is asked for it, until that is noted, and not afterwards', async (t) => {
  const { blobs, index, inUse, asked } = await setUp(t);
  assert.equal((await blobs.stat(repository, digest, patient)).outcome?.kind, 'revalidated');
  assert.deepEqual([asked, inUse.has(digest)], [[true], false]);
  await index.unlink(key, digest);
  const content = await blobs.get(repository, digest, undefined, patient);
  assert.equal(content.outcome?.kind, 'revalidated');
  assert.deepEqual(await readAll(content), Buffer.from(layer));
  content.close();
  assert.deepEqual([asked, inUse.has(digest)], [[true, true], false]);
  assert.equal((await index.getLink(key, digest))?.sizeBytes, layer.length);
});

test('HEAD of a blob whose file is just being removed notes nothing', async (t) => {
  const { blobs, index } = await setUp(t, { under() {} });
  assert.deepEqual((await blobs.stat(repository, digest, patient)).outcome, {
    kind: 'miss',
    stored: false,
    collapsed: false,
  });
  assert.deepEqual([await index.getContent(digest), await index.getLink(key, digest)], [undefined, undefined]);
});

test('a blob whose file is just being removed is fetched', async (t) => {
  const { blobs } = await setUp(t, { under() {} });
  const content = await blobs.get(repository, digest, undefined, patient);
  assert.deepEqual(content.outcome, { kind: 'miss', stored: true, collapsed: false });
  assert.deepEqual(await readAll(content), Buffer.from(layer));
  content.close();
});
