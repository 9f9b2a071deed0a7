import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { makeImage } from '../../../test/support/content/images.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseRepository, parseTag } from '../../oci/reference.ts';
import type { RecordStore } from '../../store/record-store.ts';
import { SharedLocks } from '../../util/locks/shared-locks.ts';
import { silentLog } from '../../util/log/log.ts';
import type { RecordCheckTools } from './check-records.ts';
import { rebuildHosted } from './rebuild.ts';
import { manifestRecord, manifestRecordName, tagRecord, tagRecordName } from './record.ts';

const never = new AbortController().signal;
const repositoryCount = 1000;
const recordCount = 100_000;
const maxMs = 30_000; // of a processor; one takes some seconds

// Of what the test itself keeps there is little: everything that is listed is made as it is asked for.
const maxHeapGrowthBytes = 16 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const images = Array.from({ length: recordCount / repositoryCount / 2 }, (_, at) =>
  makeImage({ seed: `${at}`, layers: [10] }),
);
const bytesOf = new Map<Digest, Uint8Array>(images.map(({ manifest }) => [manifest.digest, manifest.bytes]));

/** The records of many repositories, each with the same images, and a tag for each; `taken` of them were asked for. */
function manyRecords() {
  const taken = { count: 0 };
  const tagged = new Map(images.map(({ manifest }, at) => [parseTag(`v${at}`), manifest.digest]));
  function* all() {
    for (let number = 0; number < repositoryCount; number++) {
      const repository = parseRepository(`team/app${number}`);
      for (const [tag, digest] of tagged) {
        yield { name: manifestRecordName(repository, digest), bytes: manifestRecord(images[0]!.manifest.mediaType) };
        yield { name: tagRecordName(repository, tag), bytes: tagRecord(digest) };
      }
    }
  }
  const records: Pick<RecordStore, 'listRecords' | 'getRecord'> = {
    async *listRecords(isWanted = () => true) {
      for (const record of all()) {
        if (!isWanted(record.name)) continue;
        taken.count++;
        yield { ...record, writtenAtMs: 0 };
      }
    },
    async getRecord(name) {
      const digest = tagged.get(parseTag(name.split('/').at(-1)!));
      return digest === undefined ? manifestRecord(images[0]!.manifest.mediaType) : tagRecord(digest);
    },
  };
  return { records: records as RecordStore, taken };
}

/** An index that was begun anew, and keeps nothing but counts of what it is told. */
function countingIndex(told: (kind: 'manifests' | 'tags') => void) {
  const state = { areLinked: false };
  const index: Partial<RecordCheckTools['index']> = {
    isRebuilt: async () => false,
    markRebuilt: async () => {},
    sync: async () => {},
    getTag: async () => undefined,
    addBlob: async () => {},
    // Manifests are looked for twice: before they are noted, and for their tags, when all of them are.
    async getLink(_, digest) {
      const bytes = bytesOf.get(digest);
      const isLinked = bytes !== undefined && state.areLinked;
      return isLinked ? { mediaType: images[0]!.manifest.mediaType, sizeBytes: bytes.length } : undefined;
    },
    async putManifest() {
      told('manifests');
      return [];
    },
    async putTag() {
      told('tags');
    },
  };
  return { index: index as RecordCheckTools['index'], state };
}

async function noteAll(): Promise<void> {
  const noted = { manifests: 0, tags: 0 };
  const { records, taken } = manyRecords();
  let mostHeapBytes = 0;
  collectGarbage();
  const heapBytesBefore = process.memoryUsage().heapUsed;
  const { index, state } = countingIndex((kind) => {
    noted[kind]++;
    state.areLinked = noted.manifests === recordCount / 2;
    const count = noted.manifests + noted.tags;
    assert.ok(taken.count - count <= 32, `${taken.count} were read, ${count} are noted`);
    if (count % 20_000 !== 0) return;
    collectGarbage();
    mostHeapBytes = Math.max(mostHeapBytes, process.memoryUsage().heapUsed);
  });
  const usedBefore = process.threadCpuUsage();
  const tools = {
    ...{ records, index, locks: new SharedLocks(), clock: new ManualClock(), log: silentLog },
    blobs: { size: async () => 100 },
    readManifest: async (digest: Digest) => bytesOf.get(digest),
  };
  await rebuildHosted(tools, never);
  assert.deepEqual(noted, { manifests: recordCount / 2, tags: recordCount / 2 });
  const grownBytes = mostHeapBytes - heapBytesBefore;
  assert.ok(grownBytes <= maxHeapGrowthBytes, `the heap grew by ${grownBytes} bytes`);
  const { user, system } = process.threadCpuUsage(usedBefore);
  const ms = (user + system) / 1000;
  assert.ok(ms <= maxMs, `it took ${ms} ms`);
}

// In a thread of its own: in that of the tests, three quarters of the time and memory go to following every promise.
if (isMainThread) {
  test('100,000 records are noted in a new index in bounded time and memory, some at a time', async () => {
    const [message] = await once(new Worker(new URL(import.meta.url)), 'message');
    assert.equal(message, 'noted');
  });
} else {
  await noteAll();
  parentPort?.postMessage('noted');
}
