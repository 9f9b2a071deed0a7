import { statSync } from 'node:fs';
import { systemReason } from '../../util/system/system-reason.ts';
import { CommandFailure } from '../command-failure.ts';

/** Sees to it that `--root` is a folder: in none there are no files, which would pass for a machine that has none. */
export function assertRoot(root: string | undefined): void {
  try {
    if (root === undefined || statSync(root).isDirectory()) return;
  } catch (error) {
    throw new CommandFailure(`Cannot use --root "${root}": ${systemReason(error) ?? String(error)}`);
  }
  throw new CommandFailure(`Cannot use --root "${root}": it is no folder`);
}
