import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { containerd } from '../../src/setup/targets/containerd.ts';
import { docker } from '../../src/setup/targets/docker.ts';
import { podman } from '../../src/setup/targets/podman.ts';
import { type Bench, setUpBench } from './lab/bench.ts';
import { containerdSocket, withContainerd } from './lab/clients/containerd.ts';
import { dockerHost, withDockerd } from './lab/clients/dockerd.ts';
import { generatedFiles } from './lab/clients/generated.ts';
import { ownEtc } from './lab/machine/namespace.ts';
import { run } from './lab/machine/processes.ts';
import { waitFor } from './lab/machine/wait.ts';
import { entrepotAddress } from './lab/servers/entrepot.ts';
import { plainMirror } from './lab/servers/mirror.ts';

const entry = join(import.meta.dirname, '../../src/cli/main.ts');

/** What docs/doctor.md shows of docker, as it is said of the image of this test. */
async function linesOfThePage(): Promise<string[]> {
  const page = await readFile(new URL('../../docs/doctor.md', import.meta.url), 'utf8');
  const [, shown = ''] = /^\$ sudo entrepot doctor nginx:1\.27\n([\s\S]*?)^```/m.exec(page) ?? [];
  const lines = shown
    .replaceAll('10.0.0.5:5000', entrepotAddress)
    .replaceAll('library/nginx/manifests/1.27', 'library/strata/manifests/1')
    .replace('; hit)', '') // nobody has pulled it here before
    .split('\n')
    .filter((line) => line !== '');
  assert.ok(lines.length >= 6);
  return lines;
}

describe('entrepot doctor on a machine whose clients were set up', () => {
  let bench: Bench;
  let giveBack: (() => Promise<void>) | undefined;
  before(async () => {
    bench = await setUpBench('doctor');
    giveBack = await ownEtc(await bench.makeFolder());
    for (const target of [docker, podman, containerd]) {
      for (const { path, render } of await generatedFiles(target, plainMirror)) {
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, render(undefined));
      }
    }
  });
  after(async () => {
    await giveBack?.();
    await bench?.clear();
  });

  test('docker, podman and ctr themselves come to the cache, and all is well', async () => {
    const folder = await bench.makeFolder();
    const storage = join(folder, 'storage.conf');
    const roots = { graphroot: join(folder, 'graph'), runroot: join(folder, 'run') };
    const lines = Object.entries(roots).map(([key, path]) => `${key} = ${JSON.stringify(path)}\n`);
    await writeFile(storage, `[storage]\ndriver = "vfs"\n${lines.join('')}`);
    const env = { DOCKER_HOST: dockerHost, CONTAINERD_ADDRESS: containerdSocket, CONTAINERS_STORAGE_CONF: storage };
    const [ofDocker, ofContainerd] = [await bench.makeFolder(), await bench.makeFolder()];
    const said = await withDockerd(ofDocker, plainMirror, () =>
      withContainerd(ofContainerd, {}, () => run(process.execPath, [entry, 'doctor', 'strata:1'], env)),
    );
    assert.doesNotMatch(said, /^ {2}fail/m);
    for (const command of [
      'docker pull --quiet',
      'podman pull --quiet',
      'ctr images pull --hosts-dir /etc/containerd/certs.d',
    ]) {
      assert.ok(said.includes(`\`${command}\` came to http://${entrepotAddress}, which asks docker.io`), said);
    }
    for (const line of await linesOfThePage()) assert.ok(said.includes(line), `${line} is not in\n${said}`);
  });

  test('a docker that has not read its file pulls past the cache, and through it once it was told to read it', async () => {
    const folder = await bench.makeFolder();
    const own = join(folder, 'daemon.json');
    const doctor = () => run(process.execPath, [entry, 'doctor', 'strata:1'], { DOCKER_HOST: dockerHost });
    await withDockerd(folder, plainMirror, async (docker) => {
      const generated = await readFile(own, 'utf8');
      /** What `systemctl reload docker` does. */
      const reload = async (text: string, mirrors: number) => {
        await writeFile(own, text);
        process.kill(Number(await readFile(join(folder, 'docker.pid'), 'utf8')), 'SIGHUP');
        await waitFor('docker reading its mirrors anew', async () => {
          const known = await docker('info', '--format', '{{len .RegistryConfig.Mirrors}}');
          return Number(known) === mirrors || undefined;
        });
      };
      await reload('{"registry-mirrors": []}', 0);
      await assert.rejects(doctor(), /fail {2}`docker pull --quiet` went past the cache/);
      await reload(generated, 1);
      // The others have nowhere to ask here, so the doctor may still end with 1.
      const said = await doctor().catch((error: Error) => error.message);
      assert.match(said, /ok {4}`docker pull --quiet` came to/);
    });
  });
});
