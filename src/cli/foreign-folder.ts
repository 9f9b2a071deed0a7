import { statSync } from 'node:fs';
import { join } from 'node:path';
import { CommandFailure } from './command-failure.ts';

const root = 0;

/**
 * Keeps root from putting files into the data folder of another user: the server that runs as that user could not read
 * them, and would not start again.
 * @throws CommandFailure that says by whom it is to be run
 */
export function assertOwnFolder(data: string): void {
  const refusal = refusalOf(data, process.geteuid?.(), ownerOf(join(data, 'blobs-v1')) ?? ownerOf(data));
  if (refusal !== undefined) throw new CommandFailure(refusal);
}

/** Why a user should not write to a folder of that owner; undefined when nothing speaks against it. */
export function refusalOf(data: string, user: number | undefined, owner: number | undefined): string | undefined {
  // Another user than root cannot leave files there that are not his own, unless he was let in.
  if (user !== root || owner === undefined || owner === root) return undefined;
  const why = 'whose server could not read the files of root, and would not start again';
  return `Cannot write to "${data}" as root: it belongs to user ${owner}, ${why}; run this by sudo -u '#${owner}'`;
}

function ownerOf(folder: string): number | undefined {
  return statSync(folder, { throwIfNoEntry: false })?.uid;
}
