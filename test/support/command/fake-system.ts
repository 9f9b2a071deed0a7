import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tmpDir, type WithAfter } from '../disk/tmp.ts';

/** A folder that looks like the root of a system, for scripts that take one by `ENTREPOT_ROOT`. */
export interface FakeSystem {
  readonly root: string;
  /** Writes a file below the root. */
  write(path: string, text: string, mode?: number): void;
  /** Every path below the root, with its mode, and the text of files. */
  tree(): Readonly<Record<string, string>>;
  /** The commands of the system that were called since they were asked for last. */
  calls(): readonly string[];
  /** Runs a script there. */
  run(shell: readonly string[], script: string, args: readonly string[]): ScriptResult;
}

/** What a script said, and how it ended. */
export interface ScriptResult {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

/** Makes a system with commands that do nothing but note that they were called. */
export function fakeSystem(
  t: WithAfter,
  files: Readonly<Record<string, string>>,
  commands: readonly string[],
): FakeSystem {
  const folder = tmpDir(t);
  const root = join(folder, 'root');
  const calls = join(folder, 'calls');
  const write = (path: string, text: string, mode = 0o644) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    chmodSync(join(root, path), mode);
  };
  writeFileSync(calls, '');
  for (const [path, text] of Object.entries(files)) write(path, text);
  const note = `echo "\${IN_FAKE_SYSTEM-outside of the system: }\${0##*/} $*" >>'${calls}'`;
  for (const path of commands) write(path, `#!/bin/sh\n${note}\n`, 0o755);
  return {
    ...{ root, write },
    tree: () => treeOf(root),
    calls() {
      const lines = readFileSync(calls, 'utf8').split('\n').slice(0, -1);
      writeFileSync(calls, '');
      return lines.map((line) => line.trim());
    },
    run([shell = 'sh', ...before], script, args) {
      const env = { ...process.env, ENTREPOT_ROOT: root };
      const options = { input: fakeChroot + script, encoding: 'utf8', env } as const;
      const { status, stdout, stderr } = spawnSync(shell, [...before, '-s', '--', ...args], options);
      return { code: status, out: stdout, error: stderr };
    },
  };
}

// Only root may use the real one, and the systems here have no shell of their own. It is a function, as busybox takes its
// own chroot before any program.
const fakeChroot = `chroot() {
  if [ "$2" = /bin/sh ]; then return 0; fi
  _program=$1$2
  shift 2
  IN_FAKE_SYSTEM='' "$_program" "$@"
}
`;

function treeOf(root: string): Record<string, string> {
  const entries = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    entries.map((path) => {
      const stat = lstatSync(join(root, path));
      const mode = (stat.mode & 0o777).toString(8);
      return [`/${path}`, stat.isDirectory() ? mode : `${mode}\n${readFileSync(join(root, path), 'utf8')}`];
    }),
  );
}
