import { algorithmOf, type Digest, digestOf } from '../oci/digest.ts';
import { type Holding, maxManifestBytes } from './image-tree.ts';
import { checkLayout, digestAt, type LayoutImage, layoutFiles, readLayoutIndex } from './oci-layout.ts';
import { blockBytes, readHeader } from './tar/header.ts';
import { listTar, type ReadableFile, readExactly, type TarFile } from './tar/read-tar.ts';

/** An archive of images, which nothing was believed of yet but where its files are. */
export interface ImageArchive extends Holding {
  readonly images: readonly LayoutImage[];
  /** The bytes of a blob as they stand there, unverified, in pieces that are there until the next is asked for. */
  read(digest: Digest, signal: AbortSignal): AsyncGenerator<Uint8Array>;
}

/** Something is no archive of images, or not one that can be read; the message says what to do. */
export class ArchiveError extends Error {}

const pieceBytes = 1024 * 1024;
const maxIndexBytes = 16 * 1024 * 1024; // it lists images, and nothing of what they consist of

const compressions: readonly (readonly [magic: string, name: string, tool: string])[] = [
  ['1f8b', 'gzip', 'gunzip'],
  ['28b52ffd', 'zstd', 'unzstd'],
  ['fd377a585a00', 'xz', 'unxz'],
  ['425a68', 'bzip2', 'bunzip2'],
];

/**
 * Opens an archive: an image layout (OCI) in a tar file, as `entrepot export`, `skopeo copy … oci-archive:`,
 * `docker save` since version 25, `ctr images export` and BuildKit write them.
 * @throws ArchiveError
 */
export async function openArchive(file: ReadableFile): Promise<ImageArchive> {
  await refuseOthers(file);
  const { blobs, others } = await listFiles(file);
  const index = others.get(layoutFiles.index);
  const layout = others.get(layoutFiles.layout);
  if (index === undefined || layout === undefined) throw notALayout(others.has(layoutFiles.docker));
  const images = await telling(async () => {
    checkLayout(await readSmall(file, layout));
    return readLayoutIndex(await readSmall(file, index));
  });
  return {
    images,
    sizeOf: async (digest) => blobs.get(digest)?.sizeBytes,
    async readManifest(digest) {
      const found = blobs.get(digest);
      if (found === undefined || found.sizeBytes > maxManifestBytes) return undefined;
      const bytes = await telling(() => readExactly(file, found.position, found.sizeBytes));
      if (digestOf(bytes, algorithmOf(digest)) === digest) return bytes;
      throw new ArchiveError(`Cannot use the archive: ${found.name} is not what its name says; it is damaged`);
    },
    async *read(digest, signal) {
      const found = blobs.get(digest);
      if (found === undefined) return;
      const buffer = Buffer.allocUnsafe(pieceBytes);
      for (let done = 0; done < found.sizeBytes; ) {
        signal.throwIfAborted();
        const wanted = Math.min(pieceBytes, found.sizeBytes - done);
        const count = await file.read(buffer.subarray(0, wanted), found.position + done);
        if (count === 0) throw new ArchiveError('Cannot use the archive: it ends in the middle of an entry');
        done += count;
        yield buffer.subarray(0, count);
      }
    },
  };
}

async function refuseOthers(file: ReadableFile): Promise<void> {
  const head = Buffer.alloc(blockBytes);
  const count = await file.read(head, 0);
  const hex = head.subarray(0, count).toString('hex');
  const [, name, tool] = compressions.find(([magic]) => hex.startsWith(magic)) ?? [];
  if (name !== undefined) {
    throw new ArchiveError(`Cannot use the archive: it is compressed with ${name}, run ${tool} on it first`);
  }
  try {
    readHeader(head);
    if (count === blockBytes) return;
  } catch {
    // What begins with no header is no damaged archive, but another kind of file.
  }
  throw new ArchiveError(
    'Cannot use the archive: it is no tar file; `entrepot export`, `skopeo copy` and `docker save` write one',
  );
}

/** Where the files are. Names are looked up, and nothing is ever written by one; of two files of a name, none is believed. */
async function listFiles(file: ReadableFile) {
  const blobs = new Map<Digest, TarFile>();
  const others = new Map<string, TarFile>();
  await telling(async () => {
    for await (const entry of listTar(file)) {
      const name = entry.name.replace(/^(?:\.\/)+/, '');
      const digest = digestAt(name);
      if (digest !== undefined) blobs.set(digest, entry);
      else if (Object.values<string>(layoutFiles).includes(name)) {
        if (others.has(name)) throw new Error(`it has two files named ${name}`);
        others.set(name, entry);
      }
    }
  });
  return { blobs, others };
}

function readSmall(file: ReadableFile, { name, position, sizeBytes }: TarFile): Promise<Buffer> {
  if (sizeBytes > maxIndexBytes) throw new Error(`its ${name} is too large`);
  return readExactly(file, position, sizeBytes);
}

function notALayout(isDocker: boolean): ArchiveError {
  return new ArchiveError(
    isDocker
      ? 'Cannot use the archive: it is of `docker save` before version 25, without a layout of OCI; ' +
          '`skopeo copy docker-archive:FILE oci-archive:NEW:NAME` makes one of it'
      : 'Cannot use the archive: it has no image layout of OCI (oci-layout and index.json); `entrepot export`, `skopeo copy` ' +
          'to oci-archive: and `docker save` write one',
  );
}

async function telling<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ArchiveError || (error instanceof Error && 'errno' in error)) throw error;
    throw new ArchiveError(`Cannot use the archive: ${(error as Error).message}`, { cause: error });
  }
}
