import type { ReadableAt } from '../../store/blob-store.ts';
import { blockBytes, readHeader } from './header.ts';
import { type PaxRecords, readPax } from './pax.ts';
import { paddingOf } from './write-tar.ts';

/** A file that can be read at any place. */
export interface ReadableFile extends ReadableAt {
  readonly sizeBytes: number;
}

/** A file in an archive, by where its content is. */
export interface TarFile {
  /** As it stands there, whatever that is. */
  readonly name: string;
  readonly position: number;
  readonly sizeBytes: number;
}

/** A note about an entry is in memory as a whole: names and a few numbers. */
const maxNoteBytes = 1024 * 1024;
/** An archive of images has an entry for each of their blobs; more headers than this are no images. */
const maxHeaders = 1_000_000;

/**
 * The files of an archive, by its headers alone; links, devices and folders are passed over.
 * @throws Error that says what is wrong with the archive
 */
export async function* listTar(archive: ReadableFile): AsyncGenerator<TarFile> {
  let pax: PaxRecords = {};
  let longName: string | undefined;
  let position = 0;
  for (let headers = 0; position < archive.sizeBytes; headers++) {
    if (headers === maxHeaders) throw new Error(`it has more than ${maxHeaders} entries`);
    const header = readHeader(await readExactly(archive, position, blockBytes));
    if (header === undefined) return;
    const isNote = ['pax', 'globalPax', 'longName'].includes(header.kind);
    const sizeBytes = isNote ? header.sizeBytes : (pax.sizeBytes ?? header.sizeBytes);
    const content = position + blockBytes;
    position = content + sizeBytes + paddingOf(sizeBytes);
    // The last padding may be missing, as some writers leave it out.
    if (content + sizeBytes > archive.sizeBytes) throw new Error('it ends in the middle of an entry');
    if (isNote) {
      if (sizeBytes > maxNoteBytes) throw new Error('a header of it is too long');
      const note = await readExactly(archive, content, sizeBytes);
      if (header.kind === 'pax') pax = readPax(note);
      if (header.kind === 'globalPax' && readPax(note).sizeBytes !== undefined)
        throw new Error('all of it has one size');
      if (header.kind === 'longName') longName = note.toString('utf8').replace(/\0.*$/s, '');
      continue;
    }
    if (header.kind === 'sparse' || pax.isSparse) throw new Error('it has a sparse file, which is not supported');
    if (header.kind === 'file') yield { name: pax.path ?? longName ?? header.name, position: content, sizeBytes };
    pax = {};
    longName = undefined;
  }
}

/**
 * So many bytes from a position on, in memory.
 * @throws Error when there are fewer
 */
export async function readExactly(archive: ReadableFile, position: number, sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.alloc(sizeBytes);
  let done = 0;
  while (done < sizeBytes) {
    const count = await archive.read(bytes.subarray(done), position + done);
    if (count === 0) throw new Error('it ends in the middle of an entry');
    done += count;
  }
  return bytes;
}
