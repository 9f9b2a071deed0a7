import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { applyFiles } from '../../../src/setup/apply/apply.ts';
import { type DurableFiles, systemFiles } from '../../../src/setup/apply/durable-files.ts';
import { undoFiles } from '../../../src/setup/apply/undo.ts';
import type { SetupTarget, SetupView } from '../../../src/setup/target.ts';
import { tmpDir } from '../disk/tmp.ts';
import { setupViewOf } from './setup-views.ts';

/** What is below a root. */
export type Tree = Readonly<Record<string, string>>;

/** Every file and folder below a root: the bytes and the rights. */
export function treeOf(root: string): Tree {
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    paths.map((path) => {
      const found = lstatSync(join(root, path));
      const what = found.isDirectory() ? 'folder' : readFileSync(join(root, path)).toString('base64');
      return [path, `${(found.mode & 0o7777).toString(8)} ${what}`];
    }),
  );
}

/** A machine with these files, and what is done to it. */
export function machineWith(root: string, files: Readonly<Record<string, string | Buffer>>) {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const apply = (target: SetupTarget, view: SetupView = setupViewOf(), system: DurableFiles = systemFiles) =>
    applyFiles(target.plan(view).files, { root, target: target.name, files: system });
  const undo = (target: SetupTarget, force = false, system: DurableFiles = systemFiles) =>
    undoFiles({ root, target: target.name, force, files: system });
  const read = (path: string) => readFileSync(join(root, path), 'utf8');
  return { root, apply, undo, read, tree: () => treeOf(root) };
}

/** A machine in a folder that goes with the test. */
export function machine(t: TestContext, files: Readonly<Record<string, string | Buffer>> = {}) {
  return machineWith(tmpDir(t), files);
}

/** Without what only says what was done: of a run that was killed there may be some left, which is no client's. */
export function withoutState(tree: Tree): Tree {
  return Object.fromEntries(Object.entries(tree).filter(([path]) => !/^var(\/|$)/.test(path)));
}
