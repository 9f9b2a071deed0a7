import type { AddedBlob } from '../../index/hosted-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { OpenUpload } from '../../store/upload-store.ts';
import type { Placing } from '../blobs/placing.ts';
import { removedMeanwhile, undoHold } from '../blobs/undo-hold.ts';
import type { Quota } from '../limits/quota.ts';
import type { HostedTools } from '../tools.ts';

/** What makes an upload a blob. */
export interface CommitTools extends Pick<HostedTools, 'index' | 'inUse' | 'removed' | 'clock'> {
  readonly quota: Quota;
  readonly placing: Placing;
}

/**
 * Makes an upload the blob of a digest that was verified, durably; `placed` is told when it is no upload any more.
 *
 * 1. The quota has room for it.
 * 2. The repository holds it: from now on nobody removes what is put in place.
 * 3. A new file is put in place, also of what is here already: that one may be damaged, this one is right.
 * 4. The index notes it. That, and the name of the file, become durable beside each other; until then, who looks for it
 *    waits.
 *
 * @throws RegistryError DENIED; UNAVAILABLE when somebody has removed it meanwhile; what store or index failed with
 */
export async function commitUpload(
  upload: OpenUpload,
  digest: Digest,
  tools: CommitTools,
  placed: () => void,
): Promise<void> {
  const { index, quota, inUse, removed, placing, clock } = tools;
  const { repository, sizeBytes } = upload;
  const share = await quota.take(digest, sizeBytes);
  const letGo = inUse.take(digest);
  try {
    await removed(digest);
    const note = async () => {
      placed();
      const added = await index.addBlob(repository, digest, sizeBytes, clock.now(), true);
      share.release();
      if (added === 'unheld') throw removedMeanwhile(repository, digest);
      return added;
    };
    await placing.run(digest, () => place(upload, digest, tools, note));
  } finally {
    letGo();
    share.release();
  }
}

async function place(
  upload: OpenUpload,
  digest: Digest,
  { index, clock }: CommitTools,
  note: () => Promise<AddedBlob | undefined>,
): Promise<void> {
  const { repository } = upload;
  const heldAtMs = clock.now();
  await index.hold(repository, digest, heldAtMs);
  let noted: Promise<AddedBlob | undefined> | undefined;
  let synced: Promise<void> | undefined;
  try {
    await upload.commit(digest, async () => {
      noted = note();
      synced = noted.then(() => index.sync());
      await synced.catch(() => {}); // it is told below: here it would be taken for a failure of the store
    });
    await noted;
  } catch (error) {
    // A name that may not be on the disk is forgotten again, or else it would be taken for a blob that is here.
    const added = await noted?.catch(() => undefined);
    if (added !== undefined) await index.takeBack(added);
    await undoHold(index, repository, digest, heldAtMs);
    throw error;
  }
  await synced;
}
