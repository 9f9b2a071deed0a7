import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLog } from '../../../test/support/event-log.ts';
import type { MetadataIndex } from '../../index/metadata-index.ts';
import { digestOf } from '../../oci/digest.ts';
import type { BlobStore, StoredBlob } from '../../store/blob-store.ts';
import { ContentMemory } from './content-memory.ts';
import { Damages } from './damages.ts';

const bytes = Buffer.from('a configuration');
const digest = digestOf(bytes);

/** Damages, and a stored blob that is there, or was replaced meanwhile. */
function setUp(isThere: boolean) {
  const memory = new ContentMemory();
  memory.put(digest, bytes);
  const forgotten: string[] = [];
  const store: Partial<BlobStore> = { size: async () => undefined };
  const index: Partial<MetadataIndex> = {
    getContent: async () => undefined,
    removeContent: async (gone) => void forgotten.push(gone),
  };
  const log = new EventLog();
  const damages = new Damages({ store: store as BlobStore, index: index as MetadataIndex, memory, log });
  const blob: Partial<StoredBlob> = { remove: async () => isThere };
  return { damages, memory, forgotten, blob: blob as StoredBlob };
}

test('what is dropped is forgotten in memory, too, so that nothing says that it is here', async () => {
  const { damages, memory, forgotten, blob } = setUp(true);
  assert.equal(await damages.drop(digest, blob, {}), 'dropped');
  assert.equal(memory.get(digest), undefined);
  assert.deepEqual([forgotten, damages.count], [[digest], 1]);
});

test('what took the place of damaged content stays, and is not forgotten', async () => {
  const { damages, memory, forgotten, blob } = setUp(false);
  assert.equal(await damages.drop(digest, blob, {}), 'gone');
  assert.equal(memory.get(digest), bytes);
  assert.deepEqual([forgotten, damages.count], [[], 0]);
});
