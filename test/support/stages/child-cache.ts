import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sourceEnvironment } from '../command/source-environment.ts';
import { EventLog } from '../event-log.ts';
import type { TestRegistry } from '../upstream/test-registry.ts';

const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

/** A cache in a process of its own. */
export interface ChildCache {
  readonly url: string;
  readonly pid: number;
  readonly log: EventLog;
  /** Ends it as a crash does: between two instructions, without a word. */
  kill(): Promise<void>;
}

/** A process with a cache in it, and all that it logs. */
export interface SpawnedCache {
  readonly process: ChildProcess;
  readonly log: EventLog;
}

/** Starts a cache in a process of its own, with what its configuration file shall say. */
export function spawnCache(config: string, settings: object): SpawnedCache {
  writeFileSync(config, JSON.stringify({ ...settings, log: { format: 'json' } })); // every JSON is YAML
  const stdio: StdioOptions = ['ignore', 'pipe', 'ignore'];
  const child = spawn(process.execPath, [main, 'serve', '--config', config], { stdio, env: sourceEnvironment });
  const log = new EventLog();
  createInterface(child.stdout!).on('line', (line) => {
    const { msg, ...facts } = JSON.parse(line) as { msg: string };
    log.info(facts, msg);
  });
  return { process: child, log };
}

/** Starts a cache in front of a registry, in a process that is killed when the test is over. */
export async function startChildCache(t: TestContext, data: string, origin: TestRegistry): Promise<ChildCache> {
  const { process: child, log } = spawnCache(`${data}.yml`, {
    data,
    builtinUpstreams: false,
    upstreams: { 'origin.test': { url: origin.url } },
    doors: {
      registry: { listen: '127.0.0.1:0', default: 'origin.test' },
      hosted: { listen: 'none' },
      proxy: { listen: 'none' },
    },
  });
  t.after(() => void child.kill('SIGKILL'));
  const { facts } = await log.waitFor('registry door open');
  return {
    url: `http://127.0.0.1:${facts['port']}`,
    pid: child.pid!,
    log,
    async kill() {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}
