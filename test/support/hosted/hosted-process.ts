import { ContentInUse } from '../../../src/cache/content/in-use.ts';
import { readStored } from '../../../src/cache/content/reading/read-stored.ts';
import { Removal } from '../../../src/cache/space/removal/removal.ts';
import { collectGarbage } from '../../../src/hosted/garbage/collect-garbage.ts';
import { HostedRegistry } from '../../../src/hosted/hosted-registry.ts';
import type { HostedTools } from '../../../src/hosted/tools.ts';
import { openSqliteIndex } from '../../../src/index/sqlite/sqlite.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { SharedLocks } from '../../../src/util/locks/shared-locks.ts';
import { silentLog } from '../../../src/util/log/log.ts';
import { MemoryBlobStore } from '../memory/memory-blob-store.ts';
import { MemoryRecordStore } from '../memory/memory-record-store.ts';
import { MemoryUploadStore } from '../memory/memory-upload-store.ts';
import type { ManualClock } from '../time/clock.ts';

/** Is waited for before every step that others can see. */
export type Step = (what: string) => Promise<unknown>;

/** What processes on one data folder share. */
export interface SharedFolder {
  readonly indexFile: string;
  readonly blobs: MemoryBlobStore;
  readonly records: MemoryRecordStore;
  readonly uploads: MemoryUploadStore;
  readonly clock: ManualClock;
}

/** A data folder with nothing in it; the index is a file, the rest in memory. */
export function emptyFolder(indexFile: string, clock: ManualClock): SharedFolder {
  const blobs = new MemoryBlobStore();
  const records = new MemoryRecordStore(() => clock.now());
  return { indexFile, blobs, records, uploads: new MemoryUploadStore(blobs.blobs, () => clock.now()), clock };
}

/** What can be asked of such a server. */
export type HostedProcess = ReturnType<typeof openHostedProcess>;

/**
 * A server on a data folder, but for its doors and its cache: each call of index, store and records is a step. Syncs are
 * none, as nobody crashes here.
 */
export function openHostedProcess({ indexFile, blobs, records, uploads, clock }: SharedFolder, step: Step) {
  const opened = openSqliteIndex(indexFile, { now: () => clock.now() });
  const index = stepping(opened, step, { sync: async () => {} });
  const store = stepping(blobs, step, {
    async open(digest: Digest) {
      await step('open');
      const blob = await blobs.open(digest);
      return blob && stepping(blob, step);
    },
  });
  const inUse = new ContentInUse();
  const locks = new SharedLocks();
  const removal = new Removal({ index, store, log: silentLog });
  const watchedRecords = stepping(records, step);
  const tools: HostedTools = {
    ...{ blobs: store, uploads: stepping(uploads, step), records: watchedRecords, index, inUse, locks, clock },
    content: {
      open: () => Promise.reject(new Error('nobody pulls here')),
      readWhole: (digest) => readStored(digest, { store }),
      store: (digest, bytes) => store.put(digest, bytes),
    },
    hasher: {
      begin() {
        throw new Error('what is pushed here is small');
      },
    },
    observer: { pulled() {}, received() {}, refused() {} },
    log: silentLog,
    removed: (digest) => removal.settled(digest),
    freeBytes: async () => 1e12,
    freeDisk: async () => {},
  };
  const registry = new HostedRegistry(tools, {
    ...{ maxManifestBytes: 4 * 1024 * 1024, maxBytes: undefined, minFreeBytes: 0, immutableTags: [] },
    uploads: { maxAgeMs: 86_400_000, maxCount: 1000, maxBytes: undefined },
  });
  const remove = (digests: readonly Digest[]) => removal.remove(digests.filter((digest) => !inUse.has(digest)));
  return {
    registry,
    /** Collects all garbage, however new. */
    collect: (signal: AbortSignal) =>
      collectGarbage(
        { index, records: watchedRecords, locks, remove },
        { beforeMs: clock.now() + 1, untagged: true, dryRun: false },
        signal,
      ),
    async close() {
      await registry.close();
      await opened.close();
    },
  };
}

function stepping<T extends object>(target: T, step: Step, instead: Partial<Record<keyof T, unknown>> = {}): T {
  return new Proxy(target, {
    get(_, name) {
      const other = instead[name as keyof T];
      if (other !== undefined) return other;
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function') return value;
      if (/^list(?:Records|Uploads|Leftovers)?$/.test(String(name))) return value.bind(target) as unknown;
      return async (...given: unknown[]) => {
        await step(String(name));
        return (value as (...args: unknown[]) => unknown).apply(target, given);
      };
    },
  });
}
