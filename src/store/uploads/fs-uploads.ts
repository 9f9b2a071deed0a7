import { randomBytes } from 'node:crypto';
import { rm, unlink } from 'node:fs/promises';
import type { Repository } from '../../oci/reference.ts';
import type { Clock } from '../../util/clock.ts';
import type { BlobPlaces } from '../files/fs-places.ts';
import { unlessMissing } from '../files/fs-reader.ts';
import { inFolder, privateFolderMode } from '../folder.ts';
import { type OpenFile, openFile } from '../open-file.ts';
import { explainSystemError } from '../system-error.ts';
import type { OpenUpload, StoredUpload, UploadStore } from '../upload-store.ts';
import { FileUpload } from './fs-upload.ts';
import {
  listUploadFiles,
  readSidecar,
  removeLoneSidecars,
  type Sidecar,
  statUploadFiles,
  uploadMode,
  uploadPaths,
  writeSidecar,
} from './upload-files.ts';

const maxBegun = 1000; // some 200 KB

const idBytes = 16; // whoever knows the id may go on with the upload: it must not be found by trying

/** Opens the uploads in a folder, which is there. Several processes may have it open. */
export async function openFileUploads(
  folder: string,
  places: BlobPlaces,
  clock: Pick<Clock, 'now'>,
): Promise<UploadStore> {
  await removeLoneSidecars(folder);
  return new FileUploads(folder, places, clock);
}

/**
 * The uploads in a folder: for each its bytes, and a file beside that says what they are. Either without the other is no
 * upload; what says it comes first and goes last, so that no process that is killed leaves bytes that are nobody's. They
 * are not synced before the commit: what the machine loses when it crashes was not acknowledged.
 */
class FileUploads implements UploadStore {
  readonly #folder: string;
  readonly #places: BlobPlaces;
  readonly #clock: Pick<Clock, 'now'>;
  /** What is known of the last that were begun here: most are gone on with, and over, a moment later. */
  readonly #begun = new Map<string, Sidecar>();

  constructor(folder: string, places: BlobPlaces, clock: Pick<Clock, 'now'>) {
    this.#folder = folder;
    this.#places = places;
    this.#clock = clock;
  }

  async beginUpload(repository: Repository): Promise<OpenUpload> {
    const id = randomBytes(idBytes).toString('hex');
    const paths = uploadPaths(this.#folder, id)!;
    try {
      const sidecar = { repository, beganAtMs: this.#clock.now() };
      await inFolder(this.#folder, () => writeSidecar(paths.sidecar, sidecar), privateFolderMode);
      const file = await openFile(paths.bytes, 'wx+', uploadMode);
      this.#remember(id, sidecar);
      return new FileUpload(file, { id, repository, sizeBytes: 0, sidecar: paths.sidecar, places: this.#places });
    } catch (error) {
      await this.removeUpload(id).catch(() => {}); // it is a leftover, then
      throw explainSystemError('begin the upload', paths.bytes, error);
    }
  }

  async openUpload(id: string): Promise<OpenUpload | undefined> {
    const paths = uploadPaths(this.#folder, id);
    if (paths === undefined) return undefined;
    const { bytes, sidecar } = paths;
    try {
      const known = this.#begun.get(id) ?? (await readSidecar(sidecar));
      const file = known && (await unlessMissing(openFile(bytes, 'r+')));
      if (!file) return undefined;
      return await orClose(file, async () => {
        const { size: sizeBytes } = await file.stat();
        return new FileUpload(file, { id, repository: known.repository, sizeBytes, sidecar, places: this.#places });
      });
    } catch (error) {
      throw explainSystemError('open the upload', bytes, error);
    }
  }

  async statUpload(id: string): Promise<StoredUpload | undefined> {
    try {
      return await statUploadFiles(this.#folder, id);
    } catch (error) {
      throw explainSystemError('read the upload', uploadPaths(this.#folder, id)?.bytes ?? this.#folder, error);
    }
  }

  async removeUpload(id: string): Promise<boolean> {
    const paths = uploadPaths(this.#folder, id);
    if (paths === undefined) return false;
    try {
      const isRemoved = await unlessMissing(unlink(paths.bytes).then(() => true));
      await rm(paths.sidecar, { force: true });
      this.#begun.delete(id);
      return isRemoved ?? false;
    } catch (error) {
      throw explainSystemError('remove the upload', paths.bytes, error);
    }
  }

  #remember(id: string, sidecar: Sidecar): void {
    for (const oldest of this.#begun.keys()) {
      if (this.#begun.size < maxBegun) break;
      this.#begun.delete(oldest);
    }
    this.#begun.set(id, sidecar);
  }

  listUploads(): AsyncIterable<StoredUpload> {
    return listUploadFiles(this.#folder);
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
