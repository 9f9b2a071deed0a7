import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

// `npm test`: format and lint, types, the tests, then the end-to-end tests, up to the first that fails; then torture, with
// ENTREPOT_E2E=required. Its last lines name the clients that the end-to-end tests had to skip. `npm test -- FILE...`
// runs these test files only.

interface Step {
  readonly name: string;
  readonly args: readonly string[];
  /** Whether it says what it skipped, which is then said again at the very end. */
  readonly maySkip?: true;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const skippedPrefix = 'end-to-end: skipped '; // as test/e2e/main.ts says it

/** A test that hangs fails, instead of holding everything up; the slowest takes a tenth of this. */
const limit = '--test-timeout=120000';

const biome = 'node_modules/@biomejs/biome/bin/biome';
const compiler = 'node_modules/typescript/bin/tsc';

/** Minutes of it find what seconds do not, so it is only where everything has to be shown. */
const torture: Step = { name: 'torture', args: ['test/torture/main.ts', '--minutes', '2'] };

function stepsFor(files: readonly string[]): Step[] {
  if (files.length > 0) return [{ name: 'tests', args: ['--test', limit, ...files] }];
  const tests = globSync(['src/**/*.test.ts', 'test/**/*.test.ts'], { cwd: root, exclude: ['test/e2e/**'] });
  return [
    { name: 'format and lint', args: [biome, 'ci', '--error-on-warnings', '.'] },
    { name: 'types', args: [compiler, '--noEmit'] },
    { name: 'tests', args: ['--test', limit, ...tests.sort()] },
    { name: 'end-to-end tests', args: ['test/e2e/main.ts'], maySkip: true },
    ...(process.env['ENTREPOT_E2E'] === 'required' ? [torture] : []),
  ];
}

/** Runs a step with this very Node.js; what it says to have skipped is added to `skipped` instead of being printed. */
async function runStep({ args, maySkip }: Step, skipped: string[]): Promise<number> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['inherit', maySkip ? 'pipe' : 'inherit', 'inherit'],
  });
  const exited = once(child, 'exit');
  if (child.stdout !== null) {
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith(skippedPrefix)) skipped.push(line);
      else console.log(line);
    }
  }
  const [exitCode] = await exited;
  return typeof exitCode === 'number' ? exitCode : 1; // it has none when a signal ended it
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
