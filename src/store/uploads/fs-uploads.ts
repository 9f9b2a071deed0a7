import { randomBytes } from 'node:crypto';
import { rename, rm, stat, unlink } from 'node:fs/promises';
import type { Repository } from '../../oci/reference.ts';
import type { Clock } from '../../util/time/clock.ts';
import type { BlobPlaces } from '../files/fs-places.ts';
import { unlessMissing } from '../files/fs-reader.ts';
import { inFolder, privateFolderMode } from '../folders/folder.ts';
import { type OpenFile, openFile } from '../folders/open-file.ts';
import { buryOwner, type OwnerLock, takeOwnerLock } from '../folders/owner-lock.ts';
import { explainSystemError } from '../system-error.ts';
import type { OpenUpload, StoredUpload, UploadStore } from '../upload-store.ts';
import { FileUpload, type UploadSidecar } from './fs-upload.ts';
import {
  bytesPath,
  findOwner,
  hasLiveOwner,
  isUploadId,
  listOwned,
  readSidecar,
  removeRemains,
  type Sidecar,
  sidecarPath,
  statUploadFiles,
  uploadMode,
  writeSidecar,
} from './upload-files.ts';

const maxLooks = 10; // each further one is another process that took the same upload a moment before, and died

const idBytes = 16; // whoever knows the id may go on with the upload: it must not be found by trying

/** Opens the uploads in a folder, which is there. Several processes may have it open. */
export async function openFileUploads(
  folder: string,
  places: BlobPlaces,
  clock: Pick<Clock, 'now'>,
): Promise<UploadStore> {
  await removeRemains(folder);
  return new FileUploads(folder, places, clock);
}

/**
 * The uploads in a folder: for each its bytes, and a file beside that says what they are. Its name says whose it is: one
 * that holds a lock for as long as it lives, so that an upload costs nothing more for it. Most uploads are small, and over
 * a moment after they were begun: that file is made only of those that are kept. Bytes that nothing says anything about are
 * no upload, but for who has begun it. They are not synced before the commit: what the machine loses when it crashes was
 * not acknowledged.
 */
class FileUploads implements UploadStore {
  readonly #folder: string;
  readonly #places: BlobPlaces;
  readonly #clock: Pick<Clock, 'now'>;
  /** There is none as long as nothing is ours. */
  #lock: OwnerLock | undefined;
  /** What is known of those that were begun here, and of which nothing else says it. */
  readonly #unsaid = new Map<string, Sidecar>();

  constructor(folder: string, places: BlobPlaces, clock: Pick<Clock, 'now'>) {
    this.#folder = folder;
    this.#places = places;
    this.#clock = clock;
  }

  async beginUpload(repository: Repository): Promise<OpenUpload> {
    const id = randomBytes(idBytes).toString('hex');
    const path = bytesPath(this.#folder, id);
    try {
      const known = { repository, beganAtMs: this.#clock.now() };
      const file = await inFolder(this.#folder, () => this.#makeBytes(path), privateFolderMode);
      this.#unsaid.set(id, known);
      const sidecar = this.#sidecar(id, known, false);
      return new FileUpload(file, { id, repository, sizeBytes: 0, sidecar, places: this.#places });
    } catch (error) {
      await this.#remove(id).catch(() => {}); // it is a leftover, then
      throw explainSystemError('begin the upload', path, error);
    }
  }

  async claimUpload(id: string): Promise<'ours' | 'theirs' | undefined> {
    if (!isUploadId(id)) return undefined;
    const path = bytesPath(this.#folder, id);
    try {
      for (let look = 0; look < maxLooks; look++) {
        // Who tries names has none of them looked for in the list.
        if ((await unlessMissing(stat(path))) === undefined) return undefined;
        const owner = await findOwner(this.#folder, id);
        if (owner === undefined) return this.#unsaid.has(id) ? 'ours' : this.#whoseBare();
        if (owner === this.#lock?.owner) return 'ours';
        if (!buryOwner(this.#folder, owner)) return 'theirs';
        if (await this.#takeOver(id, owner)) return 'ours';
      }
      return 'theirs';
    } catch (error) {
      throw explainSystemError('take over the upload', path, error);
    }
  }

  async openUpload(id: string): Promise<OpenUpload | undefined> {
    this.#leaveLostLock();
    if (!this.#mayHave(id)) return undefined;
    const path = bytesPath(this.#folder, id);
    try {
      const unsaid = this.#unsaid.get(id);
      const known = unsaid ?? (await readSidecar(this.#sidecarPath(id)));
      const file = known && (await unlessMissing(openFile(path, 'r+')));
      if (!file) {
        this.#unsaid.delete(id);
        return undefined;
      }
      return await orClose(file, async () => {
        const { size: sizeBytes } = await file.stat();
        const sidecar = this.#sidecar(id, known, unsaid === undefined);
        return new FileUpload(file, { id, repository: known.repository, sizeBytes, sidecar, places: this.#places });
      });
    } catch (error) {
      throw explainSystemError('open the upload', path, error);
    }
  }

  async statUpload(id: string): Promise<StoredUpload | undefined> {
    if (!this.#mayHave(id)) return undefined;
    try {
      return await statUploadFiles(this.#folder, id, this.#unsaid.get(id) ?? this.#owner);
    } catch (error) {
      throw explainSystemError('read the upload', bytesPath(this.#folder, id), error);
    }
  }

  async removeUpload(id: string): Promise<boolean> {
    if (!this.#mayHave(id)) return false;
    try {
      const isOurs = this.#unsaid.has(id) || (await unlessMissing(stat(this.#sidecarPath(id)))) !== undefined;
      return isOurs && (await this.#remove(id));
    } catch (error) {
      throw explainSystemError('remove the upload', bytesPath(this.#folder, id), error);
    }
  }

  async *listUploads(): AsyncIterable<StoredUpload> {
    const isDead = new Map<string, boolean>();
    // All of the names at first: one that is given anew meanwhile might come twice.
    const owned: { readonly id: string; readonly owner: string }[] = [];
    for await (const upload of listOwned(this.#folder)) owned.push(upload);
    for (const { id, owner } of owned) {
      if (owner !== this.#lock?.owner) {
        if (!isDead.has(owner)) isDead.set(owner, buryOwner(this.#folder, owner));
        if (!isDead.get(owner) || !(await this.#takeOver(id, owner))) continue;
      }
      const upload = await statUploadFiles(this.#folder, id, this.#owner);
      if (upload) yield upload;
    }
  }

  async close(): Promise<void> {
    this.#unsaid.clear();
    this.#lock?.release();
    this.#lock = undefined;
  }

  /** The name of this store as an owner: from now on it has something. */
  get #owner(): string {
    return this.#ownLock().owner;
  }

  #ownLock(): OwnerLock {
    this.#lock ??= takeOwnerLock(this.#folder);
    return this.#lock;
  }

  #sidecarPath(id: string): string {
    return sidecarPath(this.#folder, id, this.#owner);
  }

  /** Of all who find that an owner is dead, one is first. */
  async #takeOver(id: string, dead: string): Promise<boolean> {
    const taken = rename(sidecarPath(this.#folder, id, dead), this.#sidecarPath(id)).then(() => true);
    return (await unlessMissing(taken)) ?? false;
  }

  /** Whether an upload can be ours. Of somebody else's nothing is touched. */
  #mayHave(id: string): boolean {
    return isUploadId(id) && (this.#lock !== undefined || this.#unsaid.has(id));
  }

  #sidecar(id: string, known: Sidecar, isWritten: boolean): UploadSidecar {
    let isThere = isWritten;
    return {
      get isWritten() {
        return isThere;
      },
      write: async () => {
        await writeSidecar(this.#sidecarPath(id), known);
        isThere = true;
        this.#unsaid.delete(id);
      },
      remove: async () => {
        this.#unsaid.delete(id);
        if (isThere) await unlink(this.#sidecarPath(id)).catch(() => {});
      },
    };
  }

  /** The lock comes first: whoever finds the bytes sees that their owner lives. */
  async #makeBytes(path: string): Promise<OpenFile> {
    this.#leaveLostLock();
    this.#ownLock();
    return openFile(path, 'wx+', uploadMode);
  }

  /**
   * Somebody may have emptied the folder by hand, or taken a lock for a leftover: nobody heeds one that has no name any
   * more. What was kept under it is whoever's asks for it first, this store included; a client that is told so meanwhile
   * begins anew.
   */
  #leaveLostLock(): void {
    if (this.#lock === undefined || this.#lock.isThere()) return;
    this.#lock.release();
    this.#lock = undefined;
  }

  /** Whose the bytes are that nothing says anything about: another's that lives may just have begun them. */
  async #whoseBare(): Promise<'theirs' | undefined> {
    return (await hasLiveOwner(this.#folder, this.#lock?.owner)) ? 'theirs' : undefined;
  }

  async #remove(id: string): Promise<boolean> {
    const isRemoved = await unlessMissing(unlink(bytesPath(this.#folder, id)).then(() => true));
    if (!this.#unsaid.delete(id)) await rm(this.#sidecarPath(id), { force: true });
    return isRemoved ?? false;
  }
}

async function orClose<T>(file: OpenFile, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    await file.close();
    throw error;
  }
}
