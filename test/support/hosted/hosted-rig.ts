import type { TestContext } from 'node:test';
import { ContentMemory } from '../../../src/cache/content/content-memory.ts';
import { Damages } from '../../../src/cache/content/damages.ts';
import { ContentInUse } from '../../../src/cache/content/in-use.ts';
import { LocalContent } from '../../../src/cache/content/local-content.ts';
import { BufferPool } from '../../../src/cache/content/reading/buffers.ts';
import { Hasher } from '../../../src/cache/download/hasher.ts';
import { HostedBlobs } from '../../../src/hosted/blobs/hosted-blobs.ts';
import { Placing } from '../../../src/hosted/blobs/placing.ts';
import { DiskRoom } from '../../../src/hosted/limits/disk-room.ts';
import { Quota } from '../../../src/hosted/limits/quota.ts';
import type { HostedTools, RefusalReason, UploadLimits } from '../../../src/hosted/tools.ts';
import { Uploads } from '../../../src/hosted/uploads/uploads.ts';
import type { MetadataIndex } from '../../../src/index/metadata-index.ts';
import type { DigestAlgorithm } from '../../../src/oci/digest.ts';
import type { UploadBody } from '../../../src/oci/registry.ts';
import { endlessSpace } from '../download-rig.ts';
import { EventLog } from '../event-log.ts';
import { MemoryBlobStore } from '../memory/memory-blob-store.ts';
import { MemoryHeld } from '../memory/memory-held.ts';
import { MemoryUploadStore } from '../memory/memory-upload-store.ts';
import { ManualClock } from '../time/clock.ts';

/** What the parts of a hosted registry are made with; what is left out has no limit that a test reaches. */
export interface RigOptions {
  readonly limits?: Partial<UploadLimits>;
  /** The quota. */
  readonly maxBytes?: number;
  readonly minFreeBytes?: number;
}

/** A signal that never fires. */
export const never = new AbortController().signal;

/** Uploads and blobs over memory, on a clock that stands still, with the hash threads of the cache. */
export function hostedRig(t: TestContext, { limits, maxBytes, minFreeBytes = 0 }: RigOptions = {}) {
  const clock = new ManualClock();
  const log = new EventLog();
  const blobs = new MemoryBlobStore();
  const store = new MemoryUploadStore(blobs.blobs, () => clock.now());
  const index = new MemoryHeld();
  const inUse = new ContentInUse();
  const hashes: DigestAlgorithm[] = [];
  const hasher = new Hasher(1);
  t.after(() => hasher.close());
  const refusals: RefusalReason[] = [];
  const disk = { freeBytes: 1e12, cachedBytes: 0, receivedBytes: 0, freeDisk: async (_sizeBytes: number) => {} };
  const quota = new Quota(maxBytes, index);
  const damages = new Damages({ store: blobs, index: index as unknown as MetadataIndex, log });
  const content = new LocalContent({
    ...{ store: blobs, index: index as unknown as MetadataIndex, inUse, damages, clock, log, space: endlessSpace },
    ...{ memory: new ContentMemory(), buffers: new BufferPool() },
  });
  const tools = {
    ...{ blobs, uploads: store, index: index as unknown as HostedTools['index'], content, inUse, quota, clock, log },
    disk: new DiskRoom(minFreeBytes, {
      freeBytes: async () => disk.freeBytes - disk.receivedBytes, // as of a disk that is written to
      cachedBytes: async () => disk.cachedBytes,
      freeDisk: (sizeBytes) => disk.freeDisk(sizeBytes),
      clock,
      log,
    }),
    hasher: {
      begin(algorithm: DigestAlgorithm) {
        hashes.push(algorithm);
        return hasher.begin(algorithm);
      },
    },
    observer: {
      pulled() {},
      received(sizeBytes: number) {
        disk.receivedBytes += sizeBytes;
      },
      refused: (reason: RefusalReason) => void refusals.push(reason),
    },
    removed: async () => {},
    placing: new Placing(),
  };
  const uploadLimits = { maxAgeMs: 86_400_000, maxCount: 1000, maxBytes: undefined, ...limits };
  /** Uploads as another process would have them, over the same store. */
  const open = () => {
    const uploads = new Uploads(uploadLimits, tools);
    t.after(() => uploads.close());
    return uploads;
  };
  const hosted = new HostedBlobs(tools);
  return { clock, log, blobs, store, index, inUse, hashes, refusals, disk, uploads: open(), open, hosted };
}

/** The bytes of a request, in pieces as a socket gives them; with `breaks`, that comes after the last. */
export function bodyOf(
  bytes: Uint8Array,
  { start, sizeBytes, breaks }: { start?: number; sizeBytes?: number | undefined; breaks?: Error } = {},
): UploadBody {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += 60_000) yield bytes.subarray(at, at + 60_000);
    if (breaks) throw breaks;
  }
  return { bytes: pieces(), sizeBytes, start };
}

/** A body without bytes, as that of a PUT which only ends an upload. */
export const noBody: UploadBody = { bytes: (async function* () {})(), sizeBytes: 0, start: undefined };

/** A body whose bytes the test gives when it likes. */
export function slowBody(sizeBytes?: number): {
  readonly body: UploadBody;
  give(bytes: Uint8Array): Promise<void>;
  end(): void;
} {
  let asked = Promise.withResolvers<void>();
  let given = Promise.withResolvers<Uint8Array | undefined>();
  async function* pieces() {
    for (;;) {
      asked.resolve();
      const piece = await given.promise;
      given = Promise.withResolvers();
      if (piece === undefined) return;
      yield piece;
    }
  }
  return {
    body: { bytes: pieces(), sizeBytes, start: undefined },
    /** Resolves when the next piece is asked for. */
    async give(bytes) {
      await asked.promise;
      asked = Promise.withResolvers();
      given.resolve(bytes);
      await asked.promise;
    },
    end: () => given.resolve(undefined),
  };
}
