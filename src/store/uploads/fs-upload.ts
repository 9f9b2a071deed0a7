import { rm } from 'node:fs/promises';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { BlobPlaces } from '../files/fs-places.ts';
import type { OpenFile } from '../folders/open-file.ts';
import { explainSystemError } from '../system-error.ts';
import type { OpenUpload } from '../upload-store.ts';

/** What an upload is opened with. */
export interface FileUploadOptions {
  readonly id: string;
  readonly repository: Repository;
  readonly sizeBytes: number;
  readonly places: BlobPlaces;
  /** What says what is known of it. */
  readonly sidecar: UploadSidecar;
}

/** The file beside the bytes of an upload that says what they are. */
export interface UploadSidecar {
  /** Whether it is there. */
  readonly isWritten: boolean;
  write(): Promise<void>;
  /** It never rejects: what stays is a leftover. */
  remove(): Promise<void>;
}

/** Writes one upload: to the end of its file, which becomes the blob by a rename. */
export class FileUpload implements OpenUpload {
  readonly id: string;
  readonly repository: Repository;
  readonly #file: OpenFile;
  readonly #places: BlobPlaces;
  readonly #sidecar: UploadSidecar;
  #sizeBytes: number;
  #isBlob = false;

  constructor(file: OpenFile, { id, repository, sizeBytes, places, sidecar }: FileUploadOptions) {
    this.id = id;
    this.repository = repository;
    this.#file = file;
    this.#sizeBytes = sizeBytes;
    this.#places = places;
    this.#sidecar = sidecar;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#file.read(into, position, into.length);
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.#isBlob) throw new Error(`Cannot write "${this.#file.path}": it is a blob by now`);
    try {
      await this.#file.write(bytes, this.#sizeBytes);
    } catch (error) {
      // All of a piece or nothing. Where not even that can be done, what is there is right as far as it goes.
      await this.#file.truncate(this.#sizeBytes).catch(() => {});
      throw error;
    }
    this.#sizeBytes += bytes.length;
  }

  async keep(): Promise<void> {
    if (!this.#sidecar.isWritten) await this.#sidecar.write();
  }

  async commit(digest: Digest, placed?: () => Promise<void>): Promise<void> {
    const onMoved = async () => {
      this.#isBlob = true;
      await Promise.all([placed?.(), this.#sidecar.remove()]); // the blob stands without that
    };
    try {
      await this.#places.put(this.#file, digest, onMoved);
    } catch (error) {
      // Nobody may go on with what may not be on the disk, and would be found right as it is read from memory.
      if (this.#file.isDoubtful) {
        await rm(this.#file.path, { force: true }).catch(() => {});
        await this.#sidecar.remove();
      }
      throw explainSystemError('store the upload', this.#file.path, error);
    }
  }

  async close(): Promise<void> {
    try {
      if (!this.#isBlob && !this.#file.isDoubtful) await this.keep();
    } finally {
      await this.#file.close();
    }
  }
}
