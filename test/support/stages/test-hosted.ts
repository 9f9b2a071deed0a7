import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ContentMemory } from '../../../src/cache/content/content-memory.ts';
import { Damages } from '../../../src/cache/content/damages.ts';
import { ContentInUse } from '../../../src/cache/content/in-use.ts';
import { LocalContent } from '../../../src/cache/content/local-content.ts';
import { BufferPool } from '../../../src/cache/content/reading/buffers.ts';
import { Hasher } from '../../../src/cache/download/hasher.ts';
import { HostedRegistry } from '../../../src/hosted/hosted-registry.ts';
import type { HostedLimits } from '../../../src/hosted/tools.ts';
import { openServerStorage } from '../../../src/storage.ts';
import { SharedLocks } from '../../../src/util/locks/shared-locks.ts';
import { type Clock, systemClock } from '../../../src/util/time/clock.ts';
import { endlessSpace } from '../download-rig.ts';
import { EventLog } from '../event-log.ts';

/** Where a hosted registry is, and by which clock. */
export interface TestHostedOptions {
  /** A folder that stays; one of its own, unless given. */
  readonly data?: string;
  readonly clock?: Clock;
  readonly freeBytes?: () => Promise<number>;
}

/** A hosted registry over files, without the wire; what is left out of `limits` no test reaches. */
export async function openTestHosted(limits: Partial<HostedLimits> = {}, options: TestHostedOptions = {}) {
  const { clock = systemClock, freeBytes = async () => 1e12 } = options;
  const data = options.data ?? (await mkdtemp(join(tmpdir(), 'entrepot-test-')));
  const storage = await openServerStorage(data, { clock, maxPartialBytes: 1e12, onBroken() {} });
  const { store: blobs, uploads, records, index } = storage;
  const log = new EventLog();
  const inUse = new ContentInUse();
  const hasher = new Hasher(1);
  const damages = new Damages({ store: blobs, index, log });
  const content = new LocalContent({
    ...{ store: blobs, index, inUse, damages, clock, log, space: endlessSpace },
    ...{ memory: new ContentMemory(), buffers: new BufferPool() },
  });
  const registry = new HostedRegistry(
    {
      ...{ blobs, uploads, records, index, content, hasher, inUse, log, clock, locks: new SharedLocks() },
      observer: { pulled() {}, received() {}, refused() {} },
      removed: async () => {},
      freeBytes,
      freeDisk: async () => {},
    },
    {
      ...{ maxManifestBytes: 4 * 1024 * 1024, maxBytes: undefined, minFreeBytes: 0, immutableTags: [] },
      uploads: { maxAgeMs: 86_400_000, maxCount: 1000, maxBytes: undefined },
      ...limits,
    },
  );
  const close = async () => {
    await registry.close();
    await content.settled();
    await hasher.close();
    await storage.close();
    if (options.data === undefined) await rm(data, { recursive: true });
  };
  return { registry, log, close };
}
