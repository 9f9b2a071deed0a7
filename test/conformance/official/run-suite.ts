import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJunit, type SuiteCase } from './junit.ts';

const folder = import.meta.dirname;
const suiteModule = 'github.com/opencontainers/distribution-spec/conformance';

/** The version that go.mod pins. */
export function suiteVersion(): string {
  const version = new RegExp(`${suiteModule} (\\S+)`).exec(readFileSync(join(folder, 'go.mod'), 'utf8'))?.[1];
  if (version === undefined) throw new Error(`go.mod does not name ${suiteModule}`);
  return version;
}

/** Builds the suite into a folder, and gives its program. */
export function buildSuite(into: string): string {
  const program = join(into, 'conformance.test');
  // Without symbols it is linked in half the time.
  const args = ['test', '-c', '-mod=readonly', '-ldflags=-s -w', '-o', program, suiteModule];
  execFileSync('go', args, { cwd: folder, stdio: 'inherit' });
  return program;
}

const runMs = 120_000; // a run takes two seconds, all of it on loopback

/** What came of a run: the tests, what the suite warns of, and how long it took. */
export interface SuiteRun {
  readonly cases: readonly SuiteCase[];
  readonly warnings: readonly string[];
  readonly tookMs: number;
}

/** Runs the suite with these variables, and no others of this process, in the folder. */
export async function runSuite(
  program: string,
  { env, into }: { readonly env: Readonly<Record<string, string>>; readonly into: string },
): Promise<SuiteRun> {
  const report = mkdtempSync(join(into, 'report-'));
  const began = performance.now();
  // It ends with a failure when a test fails, which is in its report with all others.
  const said = await new Promise<string>((resolve) => {
    const options = { cwd: report, env: { ...env, OCI_REPORT_DIR: report }, timeout: runMs, maxBuffer: 64e6 };
    execFile(program, ['-ginkgo.no-color'], options, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
  const tookMs = performance.now() - began;
  return { cases: readJunit(readReport(join(report, 'junit.xml'), said)), warnings: warningsOf(said), tookMs };
}

function readReport(path: string, said: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Error(`The suite has written no report:\n${said.slice(-2000)}`, { cause });
  }
}

function warningsOf(said: string): string[] {
  return [...said.matchAll(/WARNING: (.+)/g)].map(([, warning = '']) => warning.trim());
}
