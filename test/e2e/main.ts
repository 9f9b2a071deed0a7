import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sourceEnvironment } from '../support/command/source-environment.ts';
import { unshareFlags } from './lab/machine/namespace.ts';
import { groups, searchPath, whatStops, whatStopsEverything } from './lab/machine/requirements.ts';

// `node test/e2e/main.ts [GROUP...]`: pulls by real clients, from real registries, in namespaces of their own. What this
// machine lacks is skipped and named at the end; with ENTREPOT_E2E=required in the environment that is a failure.

interface Skipped {
  readonly what: string;
  readonly why: string;
}

async function main(wanted: readonly string[]): Promise<void> {
  const asked = wanted.length > 0 ? wanted : Object.keys(groups);
  const stranger = asked.find((group) => !(group in groups));
  if (stranger) throw new Error(`Cannot test "${stranger}": unknown, choose from ${Object.keys(groups).join(', ')}`);
  const everything = whatStopsEverything();
  const skipped = everything
    ? [{ what: 'everything', why: everything }]
    : asked.flatMap((what) => {
        const why = whatStops(what);
        return why ? [{ what, why }] : [];
      });
  const tested = everything ? [] : asked.filter((group) => !skipped.some(({ what }) => what === group));
  const passed = tested.length === 0 || (await testInNamespaces(tested));
  report(skipped);
  if (!passed || (skipped.length > 0 && process.env['ENTREPOT_E2E'] === 'required')) process.exitCode = 1;
}

async function testInNamespaces(tested: readonly string[]): Promise<boolean> {
  const scratch = await mkdtemp(join(tmpdir(), 'entrepot-e2e-'));
  try {
    const inside = join(import.meta.dirname, 'inside.ts');
    const files = tested.map((group) => join(import.meta.dirname, `${group}.test.ts`));
    // Nothing of this machine's own environment (proxies, certificates, registry settings) goes inside.
    const env = {
      PATH: searchPath,
      HOME: join(scratch, 'home'),
      TMPDIR: join(scratch, 'tmp'),
      LANG: 'C.UTF-8',
      ...sourceEnvironment,
    };
    const args = [...unshareFlags, '--', process.execPath, inside, scratch, ...files];
    const child = spawn('unshare', args, { env, stdio: ['pipe', 'inherit', 'inherit'] });
    const leave = () => child.stdin.destroy(); // which ends the inside
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, leave);
    const [code] = await once(child, 'exit');
    return code === 0;
  } finally {
    await rm(scratch, { recursive: true, force: true, maxRetries: 3 });
  }
}

function report(skipped: readonly Skipped[]): void {
  for (const { what, why } of skipped) console.log(`end-to-end: skipped ${what} (${why})`);
}

await main(process.argv.slice(2));
