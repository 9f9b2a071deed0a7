import { readdir, readFile } from 'node:fs/promises';
import { SetupError } from '../target.ts';
import type { DurableFiles, FileRights } from './durable-files.ts';
import { checkFolder, digestOf, type Machine, missingFolders, placeOf } from './machine.ts';

/** One change of one file. It is written down before it is made, so it may have been made or not. */
export interface JournalEntry {
  readonly path: string;
  /** The targets that want it so; it is taken back when the last of them is. */
  readonly targets: readonly string[];
  /** What was in the file: its digest, and the name of the backup beside the journal; null when there was no file. */
  readonly before: { readonly sha256: string; readonly backup: string; readonly rights: FileRights } | null;
  /** The digests of what was put there, or was about to be. */
  readonly after: readonly string[];
}

/** What was done to a machine, and how to take it back. */
export interface Journal {
  readonly version: 1;
  /** The folders that were made, the outermost of each path first. */
  readonly folders: readonly string[];
  /** Of several entries for one file the last comes first when they are taken back. */
  readonly entries: readonly JournalEntry[];
}

const folder = '/var/lib/entrepot-setup';
const journalPath = `${folder}/journal.json`;
const suffix = '.backup';

/** Where a backup is. */
export function backupPath(backup: string): string {
  return `${folder}/${backup}`;
}

/** Reads the journal; one without entries when nothing was done. @throws SetupError CANNOT_UNDO, CANNOT_WRITE */
export async function readJournal(machine: Machine): Promise<Journal> {
  let text: string;
  await checkFolder(machine, journalPath);
  try {
    text = await readFile(placeOf(machine, journalPath), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { version: 1, folders: [], entries: [] };
  }
  const journal = parse(text);
  if (journal) return journal;
  throw new SetupError(
    'CANNOT_UNDO',
    `Cannot read "${journalPath}": it is no journal of this version of Entrepot; the backups are beside it, restore them ` +
      'by hand and remove the folder',
  );
}

function parse(text: string): Journal | undefined {
  try {
    const journal = JSON.parse(text) as Journal;
    const isOne = journal.version === 1 && isTexts(journal.folders) && journal.entries.every(isEntry);
    return isOne ? journal : undefined;
  } catch {
    return undefined;
  }
}

function isEntry({ path, targets, before, after }: JournalEntry): boolean {
  const isBefore =
    before === null || (isTexts([before.sha256, before.backup]) && typeof before.rights.mode === 'number');
  return isTexts([path]) && isTexts(targets) && isTexts(after) && isBefore;
}

function isTexts(values: readonly unknown[]): boolean {
  return Array.isArray(values) && values.every((value) => typeof value === 'string');
}

/** Makes the folder of the journal, and notes which folders were made for it. */
export async function beginJournal(machine: Machine, journal: Journal, files: DurableFiles): Promise<Journal> {
  const missing = await missingFolders(machine, journalPath);
  // What was in files is in its backup: only its owner reads it.
  for (const each of missing) await files.makeFolder(placeOf(machine, each), each === folder ? 0o700 : 0o755);
  return withFolders(journal, [...missing, folder]);
}

/** The journal, with more folders that were made. */
export function withFolders(journal: Journal, made: readonly string[]): Journal {
  return { ...journal, folders: [...new Set([...journal.folders, ...made])] };
}

/** Writes the journal. */
export async function writeJournal(machine: Machine, journal: Journal, files: DurableFiles): Promise<void> {
  const bytes = Buffer.from(`${JSON.stringify(journal, null, 2)}\n`);
  await files.put(placeOf(machine, journalPath), bytes, { mode: 0o600 });
}

/** Removes the journal of what was all taken back, and the folders that nobody else has put anything in. */
export async function endJournal(machine: Machine, journal: Journal, files: DurableFiles): Promise<void> {
  // Also what runs that were killed have left, before they had written the journal.
  for (const name of await readdir(placeOf(machine, folder))) {
    await files.clean(placeOf(machine, `${folder}/${name}`));
    if (name.endsWith(suffix)) await files.remove(placeOf(machine, `${folder}/${name}`));
  }
  await files.clean(placeOf(machine, journalPath));
  await files.remove(placeOf(machine, journalPath));
  await removeFolders(machine, journal, files);
}

/** Removes the folders that were made and have nothing in them. */
export async function removeFolders(machine: Machine, { folders }: Journal, files: DurableFiles): Promise<void> {
  const deepestFirst = folders.toSorted((a, b) => b.split('/').length - a.split('/').length);
  for (const each of deepestFirst) await files.removeFolder(placeOf(machine, each));
}

/** Keeps what is in a file beside the journal, and gives the name of the backup. */
export async function keepBackup(machine: Machine, bytes: Buffer, files: DurableFiles): Promise<string> {
  const backup = `${digestOf(bytes)}${suffix}`; // of two files with the same in them one backup is enough
  await files.put(placeOf(machine, backupPath(backup)), bytes, { mode: 0o600 });
  return backup;
}

/** What was there before an entry, checked. @throws SetupError CANNOT_UNDO */
export async function readBackup(machine: Machine, { path, before }: JournalEntry): Promise<Buffer | undefined> {
  if (before === null) return undefined;
  const from = backupPath(before.backup);
  const bytes = await readFile(placeOf(machine, from)).catch(() => undefined);
  if (bytes !== undefined && digestOf(bytes) === before.sha256) return bytes;
  throw new SetupError(
    'CANNOT_UNDO',
    `Cannot use the backup "${from}" of "${path}": it is ${bytes === undefined ? 'gone' : 'damaged'}; ` +
      `mend the file by hand and remove "${folder}"`,
  );
}
