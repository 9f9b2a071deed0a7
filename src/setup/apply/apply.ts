import { SetupError, type SetupFile } from '../target.ts';
import { type DurableFiles, type FileRights, systemFiles } from './durable-files.ts';
import {
  backupPath,
  beginJournal,
  endJournal,
  type Journal,
  type JournalEntry,
  keepBackup,
  readBackup,
  readJournal,
  withFolders,
  writeJournal,
} from './journal.ts';
import { digestOf, type FoundFile, type Machine, missingFolders, placeOf, readFound } from './machine.ts';
import { withSetupLock } from './setup-lock.ts';

/** Where and how files are changed. */
export interface ApplyOptions extends Machine {
  /** The name of the target that wants it so. */
  readonly target: string;
  readonly files?: DurableFiles;
}

/** What was done to a file. */
export interface AppliedFile {
  readonly path: string;
  readonly change: 'made' | 'changed' | 'none';
  /** Where what was there before is kept. */
  readonly backup?: string;
}

/** A change that is going to be made. */
interface Change {
  readonly file: SetupFile;
  readonly now: FoundFile | undefined;
  /** What it is to be; undefined when it is so already. */
  readonly text: Buffer | undefined;
  /** The entry that this change goes on with: what was there before is what was before that one. */
  readonly entry: JournalEntry | undefined;
}

/**
 * Writes the files of a plan, so that `undoFiles` brings back what was there, byte for byte. Nothing is written when one of
 * them cannot be. A crash leaves each file as it was or as it is to be, and both can be finished or taken back.
 * @throws SetupError
 */
export function applyFiles(wanted: readonly SetupFile[], options: ApplyOptions): Promise<AppliedFile[]> {
  return withSetupLock(options, () => applyLocked(wanted, options));
}

async function applyLocked(wanted: readonly SetupFile[], options: ApplyOptions): Promise<AppliedFile[]> {
  const { target, files = systemFiles } = options;
  const known = await readJournal(options);
  const changes: Change[] = [];
  for (const file of wanted) changes.push(await planChange(file, known, options));
  const noted = changes.filter(({ text, entry }) => text !== undefined || (entry && !entry.targets.includes(target)));
  const entries: JournalEntry[] = [];
  if (noted.length > 0) {
    let journal = await beginJournal(options, known, files);
    for (const change of noted) {
      const entry = await entryFor(change, options, files);
      entries.push(entry);
      journal = await note(journal, change, entry, options);
    }
    await writeJournal(options, journal, files);
    await makeAll(noted, journal, options, files);
  }
  return changes.map((change) => describe(change, entries));
}

async function planChange(file: SetupFile, journal: Journal, options: ApplyOptions): Promise<Change> {
  if (!file.path.startsWith('/')) {
    throw new SetupError(
      'CANNOT_WRITE',
      `Cannot apply "${file.path}": it is to be given to another program, print it by --file ${file.path}, or write all where it is run by --script | sh`,
    );
  }
  const now = await readFound(options, file.path);
  const last = journal.entries.findLast(({ path }) => path === file.path);
  const state = digestOf(now?.bytes);
  const isBefore = last !== undefined && state === (last.before?.sha256 ?? null);
  const isAfter = last?.after.includes(state ?? '') === true;
  // Nobody has changed it since: it is made anew from what was there before, so that nothing of the older change stays.
  const before = last && isAfter && !isBefore ? await readBackup(options, last) : now?.bytes;
  const text = Buffer.from(file.render(before && decode(before, file.path)));
  const isSame = now !== undefined && text.equals(now.bytes);
  return { file, now, text: isSame ? undefined : text, entry: isBefore || isAfter ? last : undefined };
}

function decode(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SetupError('UNREADABLE_FILE', `Cannot change "${path}": it is not UTF-8, mend it first`);
  }
}

/** The entry for a change; what is there now is kept, unless what was there before is. */
async function entryFor(change: Change, options: ApplyOptions, files: DurableFiles): Promise<JournalEntry> {
  const { file, now, text, entry } = change;
  const after = text === undefined ? [] : [digestOf(text) ?? ''];
  if (entry) {
    const targets = [...new Set([...entry.targets, options.target])];
    return { ...entry, targets, after: [...new Set([...entry.after, ...after])] };
  }
  const before = now && {
    sha256: digestOf(now.bytes) ?? '',
    backup: await keepBackup(options, now.bytes, files),
    rights: now.rights,
  };
  return { path: file.path, targets: [options.target], before: before ?? null, after };
}

async function note(journal: Journal, { file, entry }: Change, next: JournalEntry, machine: Machine): Promise<Journal> {
  const entries = entry ? journal.entries.map((each) => (each === entry ? next : each)) : [...journal.entries, next];
  return withFolders({ ...journal, entries }, await missingFolders(machine, file.path));
}

async function makeAll(
  changes: readonly Change[],
  journal: Journal,
  options: ApplyOptions,
  files: DurableFiles,
): Promise<void> {
  let made = 0;
  try {
    for (const change of changes) {
      await make(change, options, files);
      made += 1;
    }
  } catch (error) {
    // What cannot be forgotten is told of by the journal as what may have been done, which is true as well.
    await forget(changes.slice(made), journal, options, files).catch(() => undefined);
    throw error;
  }
}

async function make({ file, now, text }: Change, options: ApplyOptions, files: DurableFiles): Promise<void> {
  if (text === undefined) return;
  for (const folder of await missingFolders(options, file.path)) {
    await files.makeFolder(placeOf(options, folder), 0o755);
  }
  const again = await readFound(options, file.path);
  if (digestOf(again?.bytes) !== digestOf(now?.bytes)) {
    throw new SetupError(
      'CANNOT_WRITE',
      `Cannot change "${file.path}": somebody else has changed it meanwhile, try again`,
    );
  }
  const rights: FileRights = now?.rights ?? { mode: file.mode ?? 0o644 };
  await files.put(placeOf(options, file.path), text, rights);
}

/** Takes out of the journal what was going to be done and was not, so that nobody is asked to take it back. */
async function forget(
  changes: readonly Change[],
  journal: Journal,
  options: ApplyOptions,
  files: DurableFiles,
): Promise<void> {
  let { entries } = journal;
  for (const { file, text, entry: older } of changes) {
    if (text === undefined) continue;
    const state = digestOf((await readFound(options, file.path))?.bytes);
    if (state === digestOf(text)) continue;
    await files.clean(placeOf(options, file.path));
    const noted = entries.findLast(({ path }) => path === file.path);
    entries = entries.flatMap((each) => (each === noted ? (older ?? []) : each));
  }
  const rest = { ...journal, entries };
  await (entries.length === 0 ? endJournal(options, rest, files) : writeJournal(options, rest, files));
}

function describe({ file: { path }, now, text }: Change, entries: readonly JournalEntry[]): AppliedFile {
  if (text === undefined) return { path, change: 'none' };
  if (now === undefined) return { path, change: 'made' };
  const backup = entries.find((entry) => entry.path === path)?.before?.backup;
  return { path, change: 'changed', ...(backup === undefined ? {} : { backup: backupPath(backup) }) };
}
