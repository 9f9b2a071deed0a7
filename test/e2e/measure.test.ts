import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, afterEach, before, describe, test } from 'node:test';
import { openPuller } from '../../src/measure/pullers/open-puller.ts';
import type { Puller, PullSource } from '../../src/measure/pullers/puller.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { parseRepository, parseTag } from '../../src/oci/reference.ts';
import { runProgram } from '../../src/util/system/run-program.ts';
import { pullerContract } from '../contract/puller-contract.ts';
import { type Bench, setUpBench, showLogAfterFailure } from './lab/bench.ts';
import { measuredClients } from './lab/clients/measured-clients.ts';
import { run, startDaemon } from './lab/machine/processes.ts';
import { entrepotAddress } from './lab/servers/entrepot.ts';

let bench: Bench;
before(async () => {
  bench = await setUpBench('measure', { cache: { tagTtl: '1h' } });
});
after(() => bench?.clear());
afterEach((context) => showLogAfterFailure(bench, context));

const entry = join(import.meta.dirname, '../../src/cli/main.ts');
const image = ['--repo', 'strata', '--tag', '1'];
const names = Object.keys(measuredClients) as (keyof typeof measuredClients)[];

for (const name of names) {
  pullerContract(name, async (check) => {
    await measuredClients[name](await bench.makeFolder(), async ({ env }) => {
      const tools = { run: runProgram, env: { ...process.env, ...env }, builtIn: {} as Puller };
      const puller = await openPuller(name, tools, new AbortController().signal);
      const byTag: PullSource = {
        ...{ host: entrepotAddress, repository: parseRepository('library/strata') },
        ...{ reference: parseTag('1'), plainHttp: true },
      };
      const byDigest = { ...byTag, reference: bench.lab.images.layered.digest as Digest };
      const missing = { ...byTag, repository: parseRepository('library/none') };
      await check({ puller, byTag, byDigest, missing });
    });
  });

  test(`entrepot bench pulls with ${name} from upstream and through the cache, and leaves nothing`, async () => {
    await measuredClients[name](await bench.makeFolder(), async ({ env, images }) => {
      const before = await images();
      const flags = ['--client', name, '--pulls', '2', '--prune-between', '--json'];
      const { client, measured, removed, left } = JSON.parse(
        await run(process.execPath, [entry, 'bench', ...image, ...flags], env),
      );
      assert.match(client, new RegExp(`^${name} \\d`));
      assert.equal(measured.length, 6);
      for (const { figures, failures } of measured) assert.deepEqual([figures.length, failures], [2, []]);
      assert.deepEqual([removed.length, left], [4, []]);
      assert.equal(await images(), before);
    });
    const hosts = (await bench.origin.takeRequests()).map(({ userAgent }) => userAgent);
    assert.ok(
      hosts.some((userAgent) => !userAgent.startsWith('Entrepot/')),
      'the client itself asked upstream',
    );
  });
}

describe('entrepot bench', () => {
  test('that is broken off while docker pulls removes what was pulled', async () => {
    await measuredClients.docker(await bench.makeFolder(), async ({ env, images }) => {
      const args = [entry, 'bench', ...image, '--client', 'docker', '--pulls', '50', '--prune-between'];
      const child = spawn(process.execPath, args, {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const ended = once(child, 'exit');
      const errors = text(child.stderr);
      let said = '';
      for await (const part of child.stdout.setEncoding('utf8')) {
        said += part;
        if (said.includes('[pull by tag] upstream 1/50: ') && !child.killed) child.kill('SIGINT');
      }
      assert.deepEqual(await ended, [1, null]);
      assert.match(await errors, /^Breaking off: what was pulled is being removed\nBroken off: /);
      assert.match(said, /^Removed from docker .*: docker\.io\/library\/strata:1$/m);
      assert.equal(await images(), '');
    });
  });

  test('refuses a docker that has the image already, and leaves it there', async () => {
    await measuredClients.docker(await bench.makeFolder(), async ({ env, images }) => {
      await run('docker', ['pull', '--quiet', 'docker.io/library/strata:1'], env);
      const held = await images();
      const args = [entry, 'bench', ...image, '--client', 'docker'];
      await assert.rejects(run(process.execPath, args, env), /docker .* has docker\.io\/library\/strata:1 .*already/);
      assert.equal(await images(), held);
    });
  });
});

test('entrepot compare-paths measures by iperf3 where a server of it runs', async () => {
  const folder = await bench.makeFolder();
  const log = join(folder, 'iperf3.log');
  const server = startDaemon('iperf3', ['--server', '--bind', '127.0.0.1', '--forceflush'], { log });
  try {
    // It serves one client at a time, so it is not asked whether it listens.
    await server.ready(async () => (await readFile(log, 'utf8')).includes('Server listening'));
    const flags = ['--runs', '1', '--seconds', '1', '--json'];
    const { path, interpretation } = JSON.parse(
      await run(process.execPath, [entry, 'compare-paths', ...image, ...flags]),
    );
    assert.equal(path.by, 'iperf3');
    assert.deepEqual(
      path.figures.map(({ name, bytesPerSecond }: { name: string; bytesPerSecond: number }) => [
        name,
        bytesPerSecond > 0,
      ]),
      [
        ['single', true],
        ['parallel', true],
        ['reverse', true],
      ],
    );
    for (const { applies } of interpretation) assert.equal(typeof applies, 'boolean');
  } finally {
    await server.stop();
  }
});
