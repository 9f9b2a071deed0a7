import { SetupError } from '../target.ts';
import type { ApplyOptions } from './apply.ts';
import { type DurableFiles, systemFiles } from './durable-files.ts';
import {
  backupPath,
  endJournal,
  type Journal,
  type JournalEntry,
  readBackup,
  readJournal,
  removeFolders,
  writeJournal,
} from './journal.ts';
import { digestOf, type FoundFile, missingFolders, placeOf, readFound } from './machine.ts';
import { withSetupLock } from './setup-lock.ts';

/** How changes are taken back. */
export interface UndoOptions extends ApplyOptions {
  /** Also where somebody has changed the file since: what is there then is kept beside it. */
  readonly force?: boolean;
}

/** What was done to a file. */
export interface UndoneFile {
  readonly path: string;
  /** `kept`: another target wants it so, too. */
  readonly change: 'restored' | 'removed' | 'kept' | 'none';
  /** Where what somebody else has put there since is kept. */
  readonly aside?: string;
  /** Whether there is an older change of it that can be taken back, too. */
  readonly hasMore: boolean;
}

/** An entry that is going to be taken back. */
interface Step {
  readonly entry: JournalEntry;
  readonly now: FoundFile | undefined;
  readonly before: Buffer | undefined;
  readonly isChanged: boolean;
}

/**
 * Takes back the last change of each file of a target. Nothing is done when one of them was changed since.
 * @throws SetupError CANNOT_UNDO
 */
export function undoFiles(options: UndoOptions): Promise<UndoneFile[]> {
  return withSetupLock(options, () => undoLocked(options));
}

async function undoLocked(options: UndoOptions): Promise<UndoneFile[]> {
  const { target, force = false, files = systemFiles } = options;
  let journal = await readJournal(options);
  const steps: Step[] = [];
  for (const entry of entriesOf(target, journal).toReversed()) steps.push(await planStep(entry, options));
  const changed = steps.filter(({ isChanged, entry }) => isChanged && entry.targets.length === 1);
  if (changed.length > 0 && !force) throw changedSince(changed, target);
  const undone: UndoneFile[] = [];
  for (const step of steps) {
    const { entry } = step;
    const isLast = entry.targets.length === 1;
    const aside = isLast && step.isChanged && step.now && (await putAside(entry.path, step.now, options, files));
    if (isLast) await restore(step, options, files);
    journal = await forget(journal, entry, options, files);
    const hasMore = isLast && journal.entries.some(({ path }) => path === entry.path);
    undone.push({ path: entry.path, change: isLast ? describe(step) : 'kept', hasMore, ...(aside ? { aside } : {}) });
  }
  return undone;
}

/** The last entry of each file that is there for a target. @throws SetupError where another has been put on top of it */
function entriesOf(target: string, { entries }: Journal): JournalEntry[] {
  const top = new Map(entries.map((entry) => [entry.path, entry]));
  const own = new Map(entries.filter(({ targets }) => targets.includes(target)).map((entry) => [entry.path, entry]));
  for (const entry of own.values()) {
    const last = top.get(entry.path);
    // Where it is there for others, too, it stays.
    if (last === undefined || last === entry || entry.targets.length > 1) continue;
    const others = last.targets.join(', ');
    throw new SetupError(
      'CANNOT_UNDO',
      `Cannot undo ${target}: since it was applied, "${entry.path}" was changed by somebody, and then for ${others}. ` +
        `Nothing was done; undo ${others} first`,
    );
  }
  return [...own.values()];
}

async function planStep(entry: JournalEntry, options: ApplyOptions): Promise<Step> {
  const now = await readFound(options, entry.path);
  const state = digestOf(now?.bytes);
  // The change was not made, or was taken back, and only the journal does not say so yet.
  if (state === (entry.before?.sha256 ?? null)) return { entry, now, before: now?.bytes, isChanged: false };
  return { entry, now, before: await readBackup(options, entry), isChanged: !entry.after.includes(state ?? '') };
}

function changedSince(steps: readonly Step[], target: string): SetupError {
  const files = steps.map(({ entry, now }) => {
    const before = entry.before && `, what was there before is in "${backupPath(entry.before.backup)}"`;
    return `"${entry.path}" was ${now === undefined ? 'removed' : 'changed'}${before ?? ', and was not there before'}`;
  });
  return new SetupError(
    'CANNOT_UNDO',
    `Cannot undo ${target}: since it was applied, ${files.join('; ')}. Nothing was done; --force restores it all the same, ` +
      'and keeps what is there now beside it',
  );
}

async function putAside(
  path: string,
  { bytes, rights }: FoundFile,
  options: ApplyOptions,
  files: DurableFiles,
): Promise<string> {
  const aside = `${path}.entrepot-kept-${digestOf(bytes)?.slice(0, 12)}`; // so that none takes the place of another
  await files.put(placeOf(options, aside), bytes, rights);
  return aside;
}

async function restore({ entry, now, before }: Step, options: ApplyOptions, files: DurableFiles): Promise<void> {
  const place = placeOf(options, entry.path);
  await files.clean(place);
  const again = await readFound(options, entry.path);
  if (digestOf(again?.bytes) !== digestOf(now?.bytes)) {
    throw new SetupError(
      'CANNOT_UNDO',
      `Cannot undo the change of "${entry.path}": somebody else has changed it meanwhile, try again`,
    );
  }
  if (before === undefined) return files.remove(place);
  if (now?.bytes.equals(before)) return;
  for (const folder of await missingFolders(options, entry.path)) {
    await files.makeFolder(placeOf(options, folder), 0o755);
  }
  await files.put(place, before, now?.rights ?? entry.before?.rights ?? { mode: 0o644 });
}

/** Takes the target out of an entry; with the last, the entry goes, and after it what was kept for it. */
async function forget(
  journal: Journal,
  entry: JournalEntry,
  options: ApplyOptions,
  files: DurableFiles,
): Promise<Journal> {
  const targets = entry.targets.filter((each) => each !== options.target);
  const replaced = journal.entries.map((each) => (each === entry ? { ...entry, targets } : each));
  const next = { ...journal, entries: replaced.filter((each) => each.targets.length > 0) };
  if (next.entries.length === 0) {
    await endJournal(options, next, files);
    return next;
  }
  await writeJournal(options, next, files);
  const backup = entry.before?.backup;
  if (backup !== undefined && !next.entries.some(({ before }) => before?.backup === backup)) {
    await files.remove(placeOf(options, backupPath(backup)));
  }
  await removeFolders(options, next, files);
  return next;
}

function describe({ now, before }: Step): UndoneFile['change'] {
  if (before === undefined) return now === undefined ? 'none' : 'removed';
  return now?.bytes.equals(before) ? 'none' : 'restored';
}
