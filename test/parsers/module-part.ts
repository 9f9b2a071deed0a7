import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * A part of a Go module that is built without the rest of it, as that brings the SDKs of all clouds, or half of Kubernetes, and what
 * it needs of another module's `replace` lines. Its own code is taken as it is; a folder of ours has a program that calls it, and
 * stands in for packages that are left out.
 */
export interface ModulePart {
  readonly path: string;
  readonly version: string;
  /** What Go calls the sum of its files, as in a go.sum: only those are built. */
  readonly sum: string;
  /** The files and folders that are taken, the latter without those below them. */
  readonly taken: readonly string[];
  /** The folder beside this file whose files are added, go.mod and go.sum among them. */
  readonly added: string;
  /** The package of the program. */
  readonly program: string;
}

/** Builds the program in an empty folder, and gives its path. */
export function buildPart(part: ModulePart, into: string): string {
  const source = fetchModule(part, into);
  const root = join(into, 'module');
  for (const taken of part.taken) {
    const isFile = taken.endsWith('.go');
    mkdirSync(join(root, isFile ? dirname(taken) : taken), { recursive: true });
    const filter = (from: string) =>
      from === join(source, taken) || (from.endsWith('.go') && !from.endsWith('_test.go'));
    cpSync(join(source, taken), join(root, taken), { recursive: true, filter });
  }
  cpSync(join(import.meta.dirname, part.added), root, { recursive: true });
  const program = join(into, part.added);
  // What Go keeps of modules is read-only, and so are copies of it; the build only reads them.
  execFileSync('go', ['build', '-mod=readonly', '-o', program, part.program], { cwd: root, stdio: 'inherit' });
  return program;
}

/** Fetches a module, and gives the folder where Go keeps it. */
function fetchModule({ path, version, sum }: ModulePart, cwd: string): string {
  // The sum is compared here, so no server has to know it.
  const env = { ...process.env, GOSUMDB: 'off', GOFLAGS: '' };
  const said = execFileSync('go', ['mod', 'download', '-json', `${path}@${version}`], { cwd, env, encoding: 'utf8' });
  const { Dir: folder, Sum: found } = JSON.parse(said) as { readonly Dir: string; readonly Sum: string };
  if (found !== sum) throw new Error(`${path}@${version} has the sum ${found}, and not ${sum}`);
  return folder;
}
