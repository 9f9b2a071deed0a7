import type { TestContext } from 'node:test';
import { Damages } from '../../../src/cache/content/damages.ts';
import { Hasher } from '../../../src/cache/download/hasher.ts';
import type { VerificationTools } from '../../../src/cache/scrub/verification.ts';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { openServerStorage, type Storage } from '../../../src/storage.ts';
import type { BlobStore } from '../../../src/store/blob-store.ts';
import { EventLog } from '../event-log.ts';
import { ManualClock } from '../time/clock.ts';
import { tmpDir } from './tmp.ts';

/** A store of files and its index, with what it takes to verify them, and no server. */
export interface KeptStore extends Storage {
  readonly data: string;
  readonly clock: ManualClock;
  readonly log: EventLog;
  readonly tools: VerificationTools;
  /** Stores bytes under a digest, theirs unless given, and notes them as content of an hour ago unless told otherwise. */
  keep(bytes: Buffer, options?: { digest?: Digest; unnoted?: true; notedBytes?: number }): Promise<Digest>;
}

/** Opens an empty one; its clock says what time it is, so that files are as old as they are. */
export async function openKeptStore(t: TestContext): Promise<KeptStore> {
  const data = tmpDir(t, { assertClosed: true });
  const clock = new ManualClock(Date.now());
  clock.advance(60_000); // what is written while the test runs was there before anybody looks
  const storage = await openServerStorage(data, { clock, maxPartialBytes: Number.POSITIVE_INFINITY, onBroken() {} });
  const { store, index } = storage;
  const log = new EventLog();
  const hasher = new Hasher(1);
  t.after(async () => {
    await hasher.close();
    await storage.close();
  });
  const tools = { store, index, damages: new Damages({ store, index, log }), hasher, clock };
  return {
    ...{ data, clock, log, tools },
    ...storage,
    async keep(bytes, { digest = digestOf(bytes), unnoted, notedBytes = bytes.length } = {}) {
      await writeBlob(store, digest, bytes);
      if (!unnoted) await index.putContent(digest, notedBytes, clock.now() - 3_600_000);
      return digest;
    },
  };
}

/** Writes a blob as a download does, whatever its bytes are. */
export async function writeBlob(store: BlobStore, digest: Digest, bytes: Uint8Array): Promise<void> {
  const writer = await store.create(digest);
  try {
    await writer.write(bytes, 0);
    await writer.commit();
  } finally {
    await writer.close();
  }
}
