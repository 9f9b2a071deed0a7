import type { DiskHealth } from '../../cache/disk/disk-health.ts';
import { watchRecords, watchUploads } from '../../cache/disk/watched-hosted.ts';
import { watchIndexHealth } from '../../cache/disk/watched-index.ts';
import { watchStore } from '../../cache/disk/watched-store.ts';
import { rememberIndex } from '../../cache/index/index-memory.ts';
import type { Config } from '../../config/config.ts';
import type { HostedIndex } from '../../index/hosted-index.ts';
import type { MetadataIndex } from '../../index/metadata-index.ts';
import { openServerStorage } from '../../storage.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { RecordStore } from '../../store/record-store.ts';
import type { UploadStore } from '../../store/upload-store.ts';
import { describeDiskTrouble } from '../../util/system/disk-trouble.ts';
import type { Basics } from '../app-options.ts';
import type { Lifetime } from '../lifetime.ts';

/** The data folder, and how it is with it. */
export interface Disk {
  readonly store: BlobStore;
  readonly uploads: UploadStore;
  readonly records: RecordStore;
  readonly index: MetadataIndex & HostedIndex;
  readonly health: DiskHealth;
}

// Of the cache's size: enough for the largest layers, and little when many downloads were cut off.
const maxPartialPart = 0.25;

/** Opens the data folder: what the cache and the hosted registry share. */
export async function openDisk(
  { data, cache }: Config,
  { clock, log, health }: Basics & { readonly health: DiskHealth },
  lifetime: Lifetime,
): Promise<Disk> {
  const storage = await openServerStorage(data, {
    clock,
    maxPartialBytes: cache.maxBytes * maxPartialPart,
    onBroken: (path, error) => log.error({ path, reason: String(error) }, 'index damaged, moved aside and begun anew'),
  });
  lifetime.push(() => storage.close());
  return {
    store: watchStore(storage.store, health),
    uploads: watchUploads(storage.uploads, health),
    records: watchRecords(storage.records, health),
    index: rememberIndex(watchIndexHealth(storage.index, health)),
    health,
  };
}

/**
 * What is in trouble. A disk that fails is no reason to get no requests: upstream serves them; but offline there is
 * nobody else to ask.
 */
export async function readinessOf({ index, health }: Disk, offline: boolean): Promise<readonly string[]> {
  try {
    await index.totals();
  } catch (error) {
    if (offline) throw error;
  }
  return health.troubles.map(describeDiskTrouble);
}
