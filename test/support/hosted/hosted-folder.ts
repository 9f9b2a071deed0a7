import { readStored } from '../../../src/cache/content/reading/read-stored.ts';
import { Placing } from '../../../src/hosted/blobs/placing.ts';
import { Quota } from '../../../src/hosted/limits/quota.ts';
import { HostedManifests } from '../../../src/hosted/manifests/hosted-manifests.ts';
import { parseReference, parseRepository } from '../../../src/oci/reference.ts';
import { openServerStorage, type Storage } from '../../../src/storage.ts';
import { SharedLocks } from '../../../src/util/locks/shared-locks.ts';
import { silentLog } from '../../../src/util/log/log.ts';
import { systemClock } from '../../../src/util/time/clock.ts';
import type { TestImage } from '../content/images.ts';
import { writeBlob } from '../disk/kept-store.ts';

/** Opens a data folder as a server does, and pushes to it what `push` is called with. */
export async function withHostedFolder<T>(
  data: string,
  use: (folder: {
    readonly storage: Storage;
    push(name: string, image: TestImage, tag?: string): Promise<void>;
  }) => Promise<T>,
): Promise<T> {
  const storage = await openServerStorage(data, { clock: systemClock, maxPartialBytes: 1e9, onBroken() {} });
  try {
    const manifests = manifestsOf(storage);
    const push = async (name: string, image: TestImage, tag?: string): Promise<void> => {
      const repository = parseRepository(name);
      for (const child of image.children) await push(name, child);
      for (const { digest, bytes } of image.blobs) {
        await storage.index.hold(repository, digest, Date.now());
        await writeBlob(storage.store, digest, bytes);
        await storage.index.addBlob(repository, digest, bytes.length, Date.now());
      }
      const { bytes, mediaType, digest } = image.manifest;
      const reference = parseReference(tag ?? digest);
      await manifests.put(repository, { reference, tags: [], mediaType, bytes }, new AbortController().signal);
    };
    return await use({ storage, push });
  } finally {
    await storage.close();
  }
}

/** The manifests of the hosted repositories in a data folder. */
export function manifestsOf(storage: Storage): HostedManifests {
  const { store, records, index } = storage;
  const content = {
    open: () => Promise.reject(new Error('nobody opens blobs here')),
    readWhole: (digest: Parameters<typeof readStored>[0]) => readStored(digest, { store }),
    store: (digest: Parameters<typeof readStored>[0], bytes: Uint8Array) => writeBlob(storage.store, digest, bytes),
  };
  return new HostedManifests(
    {
      blobs: store,
      records,
      index,
      content,
      clock: systemClock,
      log: silentLog,
      locks: new SharedLocks(),
      quota: new Quota(undefined, index),
      placing: new Placing(),
    },
    { maxManifestBytes: 4 * 1024 * 1024, immutableTags: [] },
  );
}
