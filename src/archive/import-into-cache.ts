import { createHash } from 'node:crypto';
import type { HostedIndex } from '../index/hosted-index.ts';
import type { MetadataIndex, RepositoryKey } from '../index/metadata-index.ts';
import { algorithmOf, type Digest, hexOf } from '../oci/digest.ts';
import type { BlobStore, BlobWriter } from '../store/blob-store.ts';
import type { Clock } from '../util/time/clock.ts';
import type { ImportTarget, ReadPart } from './import-image.ts';
import { ArchiveError } from './open-archive.ts';

/** What an image is put into a cache with. */
export interface CacheImportTools {
  readonly store: BlobStore;
  readonly index: MetadataIndex & Pick<HostedIndex, 'sync'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly local: {
    /** Keeps content from being removed to make room, until what it gives is called. */
    hold(digest: Digest): Promise<() => void>;
    /** Keeps the verified bytes of a manifest; false when there is no room for them. */
    put(digest: Digest, bytes: Uint8Array, key: RepositoryKey, mediaType: string): Promise<boolean>;
  };
  readonly space: {
    reserve(digest: Digest, sizeBytes: number, signal: AbortSignal): Promise<{ release(): void } | undefined>;
  };
  /** Whether it is to stay though nobody pulls it. */
  readonly isPinned: boolean;
}

/**
 * A repository of an upstream, as if it had been pulled from there just now. What is imported is held until the process
 * ends, and then pinned; what another process removed in between is put there again.
 */
export function cacheTarget(key: RepositoryKey, tools: CacheImportTools): ImportTarget & { release(): void } {
  const { store, index, clock, local } = tools;
  const holds: (() => void)[] = [];
  const blobs = new Map<Digest, { readonly sizeBytes: number; readonly read: ReadPart }>();
  const manifests = new Map<Digest, number>();
  const isStored = async (digest: Digest, sizeBytes: number) =>
    (await index.getContent(digest))?.sizeBytes === sizeBytes && (await store.size(digest)) === sizeBytes;
  const putBlob: ImportTarget['putBlob'] = async (digest, sizeBytes, read, signal) => {
    holds.push(await local.hold(digest));
    blobs.set(digest, { sizeBytes, read });
    const isNew = !(await isStored(digest, sizeBytes));
    if (isNew) await storeBlob(digest, sizeBytes, read(), tools, signal);
    await index.link(key, digest, undefined, clock.now());
    return isNew;
  };
  const putManifest: ImportTarget['putManifest'] = async ({ digest, bytes, mediaType }) => {
    holds.push(await local.hold(digest));
    manifests.set(digest, bytes.length);
    const isNew = !(await isStored(digest, bytes.length));
    // Also what is there: its repository is to have it, and what it references is noted.
    if (!(await local.put(digest, bytes, key, mediaType))) throw noRoom(digest, bytes.length);
    return isNew;
  };
  return {
    putBlob,
    putManifest,
    async finish({ digest, mediaType, bytes }, tag, signal) {
      if (tag !== undefined) {
        await index.putTag(key, tag, { digest, mediaType, sizeBytes: bytes.length, checkedAtMs: clock.now() });
      }
      if (tools.isPinned) await index.pin(key, tag ?? digest);
      for (const [blob, { sizeBytes, read }] of blobs) {
        if (!(await isStored(blob, sizeBytes))) await putBlob(blob, sizeBytes, read, signal);
      }
      for (const [manifest, sizeBytes] of manifests) {
        if (!(await isStored(manifest, sizeBytes))) throw new ArchiveError('it was removed meanwhile: import it again');
      }
      await index.sync();
    },
    release() {
      for (const letGo of holds.splice(0)) letGo();
    },
  };
}

async function storeBlob(
  digest: Digest,
  sizeBytes: number,
  content: AsyncIterable<Uint8Array>,
  { store, index, space, clock }: CacheImportTools,
  signal: AbortSignal,
): Promise<void> {
  const room = await space.reserve(digest, sizeBytes, signal);
  if (room === undefined) throw noRoom(digest, sizeBytes);
  try {
    const writer = await store.create(digest);
    try {
      await writeVerified(writer, digest, content);
      await writer.commit();
    } finally {
      await writer.close();
    }
    await index.putContent(digest, sizeBytes, clock.now());
  } finally {
    room.release();
  }
}

async function writeVerified(writer: BlobWriter, digest: Digest, content: AsyncIterable<Uint8Array>): Promise<void> {
  const hash = createHash(algorithmOf(digest));
  let position = 0;
  for await (const bytes of content) {
    hash.update(bytes);
    await writer.write(bytes, position);
    position += bytes.length;
  }
  if (hash.digest('hex') === hexOf(digest)) return;
  throw new ArchiveError(`Cannot use the archive: blob ${digest} is not what its name says; it is damaged`);
}

function noRoom(digest: Digest, sizeBytes: number): Error {
  return new ArchiveError(
    `Cannot store ${digest}: there is no room for its ${sizeBytes} bytes; raise cache.maxBytes, or unpin or remove images`,
  );
}
