import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { CommandFailure } from '../command-failure.ts';

/**
 * Writes a file that takes its name when it is whole: what was there before is there until then, and no half one is ever.
 * @throws CommandFailure when it cannot be written; what the work throws
 */
export async function writeWholeFile(
  path: string,
  work: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const partial = `${path}.${process.pid}.part`;
  const file = await writing(path, () => open(partial, 'wx', 0o644));
  try {
    try {
      await work((bytes) => writing(path, () => writeAll(file, bytes)));
      await writing(path, () => file.sync());
    } finally {
      await file.close();
    }
    await writing(path, () => rename(partial, path));
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
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
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOSPC' ? 'the disk is full' : (code ?? message);
    throw new CommandFailure(`Cannot write "${path}": ${why}`);
  }
}
