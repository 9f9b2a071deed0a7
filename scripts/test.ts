import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

// `npm test`: format and lint, types, the tests, then the end-to-end tests, up to the first that fails; then torture, with
// ENTREPOT_E2E=required. Its last lines name the clients that the end-to-end tests had to skip. `npm test -- FILE...`
// runs these test files only.
//
// Each test file has a process of its own, and some run at a time. What Node.js makes of TypeScript is kept in
// node_modules/.cache (it knows by the source whether it still holds), and what the tests write is in memory where the
// machine has enough: they wait for each write to be safe, as the product does, and crashes here are of processes, which
// no file system forgets anything by. Only the end-to-end tests and torture use the machine's own folder for it.

interface Step {
  readonly name: string;
  readonly args: readonly string[];
  /** Whether it says what it skipped, which is then said again at the very end. */
  readonly maySkip?: true;
  /** Whether what it writes may be kept in memory. */
  readonly inMemory?: true;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const skippedPrefix = 'end-to-end: skipped '; // as test/e2e/main.ts says it

/** A test that hangs fails, instead of holding everything up; the slowest takes a tenth of this. */
const limit = '--test-timeout=120000';

/** One more than there are processors, as files also wait: for short limits, and for other processes. */
const atATime = `--test-concurrency=${availableParallelism() + 1}`;

const testFlags = ['--test', limit, atATime];

const biome = 'node_modules/@biomejs/biome/bin/biome';
const compiler = 'node_modules/typescript/bin/tsc';

/** Minutes of it find what seconds do not, so it is only where everything has to be shown. */
const torture: Step = { name: 'torture', args: ['test/torture/main.ts', '--minutes', '2'] };

function stepsFor(files: readonly string[]): Step[] {
  if (files.length > 0) return [{ name: 'tests', args: [...testFlags, ...files], inMemory: true }];
  const tests = globSync(['src/**/*.test.ts', 'test/**/*.test.ts'], { cwd: root, exclude: ['test/e2e/**'] });
  return [
    { name: 'format and lint', args: [biome, 'ci', '--error-on-warnings', '.'] },
    { name: 'types', args: [compiler, '--noEmit'] },
    { name: 'tests', args: [...testFlags, ...tests.sort()], inMemory: true },
    { name: 'end-to-end tests', args: ['test/e2e/main.ts'], maySkip: true },
    ...(process.env['ENTREPOT_E2E'] === 'required' ? [torture] : []),
  ];
}

const memoryFolder = '/dev/shm'; // of Linux
const leastMemoryBytes = 2e9; // some times what the tests have there at once at most

/** A folder in memory for what a step writes; undefined when that goes where everything goes. */
function makeFolder({ inMemory }: Step): string | undefined {
  if (!inMemory || freeBytes(memoryFolder) < leastMemoryBytes) return undefined;
  return mkdtempSync(join(memoryFolder, 'entrepot-tests-'));
}

function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return 0; // it is not there
  }
}

/** Runs a step with this very Node.js; what it says to have skipped is added to `skipped` instead of being printed. */
async function runStep(step: Step, skipped: string[]): Promise<number> {
  const folder = makeFolder(step);
  const compiled = { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/entrepot') };
  try {
    const child = spawn(process.execPath, step.args, {
      cwd: root,
      env: { ...compiled, ...process.env, ...(folder === undefined ? {} : { TMPDIR: folder }) },
      stdio: ['inherit', step.maySkip ? 'pipe' : 'inherit', 'inherit'],
    });
    const end = (signal: NodeJS.Signals) => void child.kill(signal); // and then wait for it, as the folder has to go
    for (const signal of endings) process.on(signal, end);
    const exited = once(child, 'exit');
    if (child.stdout !== null) {
      for await (const line of createInterface({ input: child.stdout })) {
        if (line.startsWith(skippedPrefix)) skipped.push(line);
        else console.log(line);
      }
    }
    const [exitCode] = await exited;
    for (const signal of endings) process.off(signal, end);
    return typeof exitCode === 'number' ? exitCode : 1; // it has none when a signal ended it
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function runSteps(steps: readonly Step[], skipped: string[]): Promise<number> {
  for (const step of steps) {
    const startMs = performance.now();
    const exitCode = await runStep(step, skipped);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    console.log(`${exitCode === 0 ? 'passed' : 'FAILED'}: ${step.name} (${seconds} s)`);
    if (exitCode !== 0) return exitCode;
  }
  return 0;
}

const skipped: string[] = [];
process.exitCode = await runSteps(stepsFor(process.argv.slice(2)), skipped);
for (const line of skipped) console.log(line);
