import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { link, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Leftover } from '../blob-store.ts';
import { leftoverAt, maxNewAgeMs } from '../files/fs-leftover.ts';
import { unlessMissing } from '../files/fs-reader.ts';
import { DurableFolders } from '../folders/durable-folders.ts';
import { entries, syncFolder } from '../folders/folder.ts';
import { openFile } from '../folders/open-file.ts';
import type { NamedRecord, RecordStore, StoredRecord } from '../record-store.ts';
import { explainSystemError } from '../system-error.ts';
import { waitForAll } from '../wait-for-all.ts';
import { recordPath, segmentOf } from './record-names.ts';

const recordMode = 0o600; // names and manifests may be those of private images

const newFolderName = '.new'; // no record's, as no segment begins with a dot

const readTogether = 32; // small files cost more to open than to read

/**
 * Opens the records in a folder, which is there. Several processes may have it open. What one left half written that
 * was killed is removed; what another is writing is not.
 */
export async function openFileRecords(folder: string, nowMs: number): Promise<RecordStore> {
  for await (const left of listOldNew(folder, nowMs)) await left.remove();
  return new FileRecords(folder);
}

/** The files in the folder that are no records, and that nobody is writing. */
export async function* listRecordLeftovers(folder: string, nowMs: number): AsyncIterable<Leftover> {
  yield* listOldNew(folder, nowMs);
  for await (const { path, name } of filesBelow(folder, '')) {
    const leftover = name === undefined ? await leftoverAt(path) : undefined;
    if (leftover) yield leftover;
  }
}

/** A record on its way. */
interface WrittenRecord {
  readonly bytes: Uint8Array;
  /** Where it is written, and where it belongs. */
  readonly path: string;
  readonly target: string;
}

class FileRecords implements RecordStore {
  readonly #folder: string;
  readonly #folders: DurableFolders;

  constructor(folder: string) {
    this.#folder = folder;
    this.#folders = new DurableFolders(folder);
  }

  putRecord(name: string, bytes: Uint8Array): Promise<void> {
    return this.putRecords([{ name, bytes }]);
  }

  // 1. The bytes of all are on the disk before any has its name.
  // 2. The names stand for them at once, each by a rename, in folders that are themselves durable.
  // 3. The names are on the disk.
  async putRecords(records: readonly NamedRecord[], after?: Promise<void>): Promise<void> {
    after?.catch(() => {}); // a name that is none is told before it is awaited
    const written: readonly WrittenRecord[] = records.map(({ name, bytes }) => ({
      bytes,
      target: recordPath(this.#folder, name),
      path: this.#newPath(),
    }));
    try {
      await waitForAll([...written.map((record) => this.#write(record)), after]);
      for (const record of written) await this.#place(record);
      const folders = new Map(written.map(({ target }) => [dirname(target), target]));
      await waitForAll([...folders].map(([folder, target]) => explained(target, syncFolder(folder))));
    } catch (error) {
      for (const { path } of written) await rm(path, { force: true }).catch(() => {}); // then a later start removes it
      throw error;
    }
  }

  async getRecord(name: string): Promise<Uint8Array | undefined> {
    const path = recordPath(this.#folder, name);
    try {
      return (await unlessMissing(readStored(path)))?.bytes;
    } catch (error) {
      throw explainSystemError('read the record', path, error);
    }
  }

  // It is put aside before it is gone: while nobody knows that its name is off the disk, it is there to be removed again.
  async removeRecord(name: string): Promise<boolean> {
    const path = recordPath(this.#folder, name);
    const aside = this.#newPath();
    try {
      const moved = this.#folders.put(dirname(aside), () => rename(path, aside)).then(() => true);
      if (!(await unlessMissing(moved))) return false;
      try {
        await syncFolder(dirname(path));
      } catch (error) {
        await link(aside, path).catch(() => {}); // which replaces none that somebody else has put there
        throw error;
      } finally {
        await rm(aside, { force: true }).catch(() => {}); // then a later start removes it
      }
      return true;
    } catch (error) {
      throw explainSystemError('remove the record', path, error);
    }
  }

  /** Where a record is that is none yet, or none any more: a name that nobody has. */
  #newPath(): string {
    return join(this.#folder, newFolderName, randomBytes(16).toString('hex'));
  }

  #write({ path, target, bytes }: WrittenRecord): Promise<void> {
    return explained(
      target,
      this.#folders.put(dirname(path), () => writeWhole(path, bytes)),
    );
  }

  #place({ path, target }: WrittenRecord): Promise<void> {
    return explained(
      target,
      this.#folders.put(dirname(target), () => rename(path, target)),
    );
  }

  async *listRecords(isWanted: (name: string) => boolean = () => true): AsyncIterable<StoredRecord> {
    let found: { path: string; name: string }[] = [];
    for await (const { path, name } of filesBelow(this.#folder, '')) {
      if (name !== undefined && isWanted(name)) found.push({ path, name });
      if (found.length < readTogether) continue;
      yield* await readAll(found);
      found = [];
    }
    yield* await readAll(found);
  }
}

async function explained(target: string, operation: Promise<void>): Promise<void> {
  try {
    await operation;
  } catch (error) {
    throw explainSystemError('write the record', target, error);
  }
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const file = await openFile(path, 'wx', recordMode);
  try {
    await file.write(bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The records at some paths; those that were removed meanwhile are not among them. */
async function readAll(found: readonly { path: string; name: string }[]): Promise<StoredRecord[]> {
  const read = found.map(async ({ path, name }) => {
    const record = await unlessMissing(readStored(path));
    return record && { name, ...record };
  });
  return (await Promise.all(read)).filter((record) => record !== undefined);
}

async function readStored(path: string): Promise<{ readonly bytes: Uint8Array; readonly writtenAtMs: number }> {
  const file = await openFile(path, 'r');
  try {
    const { size, mtimeMs }: Stats = await file.stat();
    const bytes = Buffer.alloc(size);
    return { bytes: bytes.subarray(0, await file.read(bytes, 0, size)), writtenAtMs: mtimeMs };
  } finally {
    await file.close();
  }
}

/** Every file, with the name of its record if it is one. Folders that are no record's are not looked into. */
async function* filesBelow(
  folder: string,
  above: string,
): AsyncGenerator<{ readonly path: string; readonly name: string | undefined }> {
  for await (const entry of entries(folder)) {
    const path = join(folder, entry.name);
    const segment = segmentOf(entry.name);
    const name = segment === undefined ? undefined : above + segment;
    if (entry.isFile()) yield { path, name };
    else if (entry.isDirectory() && name !== undefined) yield* filesBelow(path, `${name}/`);
  }
}

async function* listOldNew(folder: string, nowMs: number): AsyncIterable<Leftover> {
  for await (const entry of entries(join(folder, newFolderName))) {
    const left = entry.isFile() ? await leftoverAt(join(folder, newFolderName, entry.name)) : undefined;
    if (left && left.writtenAtMs < nowMs - maxNewAgeMs) yield left;
  }
}
