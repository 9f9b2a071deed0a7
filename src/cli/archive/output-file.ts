import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { systemReason } from '../../util/system/system-reason.ts';
import { CommandFailure } from '../command-failure.ts';

/**
 * Writes a file that takes its name when it is whole: what was there before is there until then, and no half one is ever.
 * @throws CommandFailure when it cannot be written; what the work throws
 */
export async function writeWholeFile(
  path: string,
  work: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const place = await placeOf(path);
  const partial = `${place}.${process.pid}.part`;
  const file = await writing(path, () => open(partial, 'wx', 0o644));
  try {
    try {
      await work((bytes) => writing(path, () => writeAll(file, bytes)));
      await writing(path, () => file.sync());
    } finally {
      await file.close();
    }
    await writing(path, () => rename(partial, place));
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Where a file of this name is: of a link, at its end. Nothing else than a file is replaced by one. */
async function placeOf(path: string): Promise<string> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new CommandFailure(`Cannot write "${path}": ${systemReason(error) ?? error.message}`);
  });
  if (found === undefined) return path;
  if (!found.isFile()) throw new CommandFailure(`Cannot write "${path}": it is there and no file, name another`);
  return writing(path, () => realpath(path));
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done);
    done += bytesWritten;
  }
}

async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new CommandFailure(`Cannot write "${path}": ${systemReason(error) ?? (error as Error).message}`);
  }
}
