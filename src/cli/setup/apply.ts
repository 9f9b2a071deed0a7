import { type AppliedFile, applyFiles } from '../../setup/apply/apply.ts';
import { type UndoneFile, undoFiles } from '../../setup/apply/undo.ts';
import type { SetupPlan, SetupTarget } from '../../setup/target.ts';
import { CommandFailure } from '../command-failure.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { assertRoot } from './root-flag.ts';

/** The flags about files that are written. */
export interface ApplyFlags {
  readonly apply?: true;
  readonly undo?: true;
  readonly force?: true;
  readonly root?: string;
  readonly json?: true;
}

/** `setup TARGET --apply`: writes the files of a plan, and says what was done and what is to be run. */
export async function applySetup(
  { name }: SetupTarget,
  { files, steps, notes }: SetupPlan,
  flags: ApplyFlags,
  terminal: Terminal,
): Promise<void> {
  assertRoot(flags.root);
  const done = await writing(() => applyFiles(files, { root: flags.root ?? '/', target: name }));
  if (flags.json) return void terminal.writeOut(toJson({ target: name, files: done, steps, notes }));
  const isChanged = done.some(({ change }) => change !== 'none');
  const lines = [
    ...done.map(appliedLine),
    // What was run for the same files before has not to be run again.
    ...(isChanged && steps.length > 0 ? ['', 'Then run:', '', ...steps.map(indent)] : []),
    ...(isChanged && notes.length > 0 ? ['', 'Good to know:', '', ...notes.map((note) => `- ${note}`)] : []),
    ...(isChanged ? ['', `Taken back by: entrepot setup ${name} --undo${rootFlag(flags)}`] : []),
  ];
  terminal.writeOut(`${lines.join('\n')}\n`);
}

/** `setup TARGET --undo`: brings back what was there before. */
export async function undoSetup({ name }: SetupTarget, flags: ApplyFlags, terminal: Terminal): Promise<void> {
  assertRoot(flags.root);
  const force = flags.force === true;
  const done = await writing(() => undoFiles({ root: flags.root ?? '/', target: name, force }));
  if (flags.json) return void terminal.writeOut(toJson({ target: name, files: done }));
  const lines = done.length === 0 ? [`There is nothing to undo of ${name}`] : done.flatMap(undoneLines);
  if (done.some(({ change }) => change === 'restored' || change === 'removed')) {
    lines.push(`Then run again what --apply of ${name} said to run: who reads these files does so when told to`);
  }
  terminal.writeOut(`${lines.join('\n')}\n`);
}

function appliedLine({ path, change, backup }: AppliedFile): string {
  if (change === 'none') return `as it should be: ${path}`;
  if (change === 'made') return `made: ${path}`;
  return `changed: ${path}; ${backup === undefined ? 'it was not there before setup' : `what was there is kept in ${backup}`}`;
}

function undoneLines({ path, change, aside, hasMore }: UndoneFile): string[] {
  const what = {
    restored: `restored: ${path}`,
    removed: `removed: ${path}`,
    kept: `kept: ${path}, as another target needs it`,
    none: `as it was: ${path}`,
  }[change];
  return [
    aside === undefined ? what : `${what}; what was there since is in ${aside}`,
    ...(hasMore ? [`  it was applied before somebody changed it, too: --undo once more takes that back`] : []),
  ];
}

/** Most files of clients are those of root alone. */
async function writing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code = '', path, dest, message } = error as NodeJS.ErrnoException & { readonly dest?: string };
    if (['EACCES', 'EPERM', 'EROFS'].includes(code)) {
      throw new CommandFailure(`Cannot write "${path}": ${code}; run it as root, or with --root for another folder`);
    }
    if (code === 'EBUSY') {
      throw new CommandFailure(
        `Cannot replace "${dest ?? path}": it is a mount of its own, as a file of a container is; make the change where it ` +
          'comes from, --merge prints it',
      );
    }
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new CommandFailure(`Cannot use the folder: ${message}`);
    throw error;
  }
}

function indent(step: string): string {
  return `  ${step.replaceAll('\n', '\n  ')}`;
}

function rootFlag({ root }: ApplyFlags): string {
  return root === undefined ? '' : ` --root ${root}`;
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
