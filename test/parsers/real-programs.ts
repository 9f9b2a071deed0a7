import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const caches = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
// By the release that they are of, so that those of another are fetched.
const fetched = join(caches, 'entrepot', 'parsers', 'debian-13');
const fetchLimitMs = 180_000; // some thirty megabytes, from a mirror that may be slow

/** A program that what is generated is for. */
export interface RealProgram {
  readonly name: 'dockerd' | 'kubectl';
  /** Arguments that it takes when it is one that can be asked. */
  readonly probe: readonly string[];
  /** What it says then. */
  readonly answer: RegExp;
}

/** A dockerd that can look at a file and do nothing else: since version 23, Debian 12 has 20.10. */
export const dockerd: RealProgram = { name: 'dockerd', probe: ['--help'], answer: /--validate / };

/** Any kubectl. */
export const kubectl: RealProgram = { name: 'kubectl', probe: ['version', '--client'], answer: /Client Version/ };

/** Where a program is: that of this machine, or else one of Debian 13. Says what is skipped when neither can be had. */
export function findProgram(program: RealProgram): string | undefined {
  const { name } = program;
  if (isOne(program, name)) return name;
  const path = join(fetched, name);
  if (existsSync(path) && isOne(program, path)) return path;
  try {
    const script = join(import.meta.dirname, 'fetch-programs.sh');
    execFileSync(script, [fetched], { stdio: 'pipe', timeout: fetchLimitMs });
    if (isOne(program, path)) return path;
    console.log(`parsers: skipped ${name} (what was fetched does not run here)`);
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr ?? '').trim() || (error as Error).message;
    console.log(`parsers: skipped ${name} (there is none here, and none could be fetched: ${said})`);
  }
  return undefined;
}

function isOne({ probe, answer }: RealProgram, path: string): boolean {
  const { status, stdout } = spawnSync(path, probe, { encoding: 'utf8' });
  return status === 0 && answer.test(stdout);
}
