import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { type Bench, setUpBench, showLogAfterFailure } from './lab/bench.ts';
import { inspectImage, withContainerd } from './lab/clients/containerd.ts';
import { withDockerd } from './lab/clients/dockerd.ts';
import { assertPulled } from './lab/clients/pulled-image.ts';
import { writeRegistriesConf } from './lab/clients/registries-conf.ts';
import { currentLab } from './lab/lab.ts';
import { run } from './lab/machine/processes.ts';
import { entrepotAddress } from './lab/servers/entrepot.ts';
import { plainMirror } from './lab/servers/mirror.ts';

// Images in a file: what others make of ours, and what is made here of theirs.

const { layered, index } = currentLab().images;
const entry = join(import.meta.dirname, '../../src/cli/main.ts');

describe('images in a file', () => {
  let bench: Bench;
  let exported: string;
  before(async () => {
    bench = await setUpBench('archive');
    const names = [layered.reference, index.reference];
    await entrepot(serverConfig(bench), 'warm', '--address', entrepotAddress, '--platform', 'all', ...names);
    exported = join(await bench.makeFolder(), 'images.tar');
    await entrepot(serverConfig(bench), 'export', '--platform', 'all', '-o', exported, ...names);
  });
  after(() => bench?.clear());
  afterEach((context) => showLogAfterFailure(bench, context));

  test('are warmed without a byte that comes twice, and again without any', async () => {
    const isBlob = ({ method, path }: { method: string; path: string }) => method === 'GET' && path.includes('/blobs/');
    const first = (await bench.origin.takeRequests()).filter(isBlob).map(({ host, path }) => `${host}${path}`);
    assert.ok(first.length > 0);
    assert.equal(new Set(first).size, first.length);
    await entrepot(serverConfig(bench), 'warm', '--address', entrepotAddress, layered.reference);
    assert.deepEqual((await bench.origin.takeRequests()).filter(isBlob), []);
  });

  test('are read by skopeo, by name', async () => {
    for (const { reference, digest } of [layered, index]) {
      const folder = join(await bench.makeFolder(), 'image');
      await run('skopeo', [
        '--insecure-policy',
        'copy',
        '--all',
        `oci-archive:${exported}:${reference}`,
        `dir:${folder}`,
      ]);
      assert.equal(digestOf(await readFile(join(folder, 'manifest.json'))), digest);
    }
  });

  test('are read by ctr', async () => {
    await withContainerd(await bench.makeFolder(), {}, async (ctr) => {
      await ctr('images', 'import', '--no-unpack', '--all-platforms', exported);
      assertPulled(await inspectImage(ctr, layered.reference), layered, layered.manifests);
      assertPulled(await inspectImage(ctr, index.reference), index, index.manifests);
    });
  });

  test('are read by an older docker, which knows no layout of OCI', async () => {
    const file = join(await bench.makeFolder(), 'one.tar');
    await entrepot(serverConfig(bench), 'export', '-o', file, layered.reference);
    await withDockerd(await bench.makeFolder(), plainMirror, async (docker) => {
      await docker('load', '--input', file);
      const [image]: { Id: string }[] = JSON.parse(await docker('image', 'inspect', layered.reference));
      assert.equal(image?.Id, layered.manifests[0]?.config);
    });
  });

  test('come from skopeo, and are there without network', async () => {
    const folder = await bench.makeFolder();
    const file = join(folder, 'skopeo.tar');
    const flags = ['--insecure-policy', '--registries-conf', await writeRegistriesConf(folder, plainMirror)];
    const ends = [`docker://${layered.reference}`, `oci-archive:${file}:${layered.reference}`];
    await run('skopeo', [...flags, 'copy', '--quiet', '--preserve-digests', ...ends]);
    const config = await elsewhere(folder);
    await entrepot(config, 'import', file);
    assert.deepEqual(await list(config), [[layered.reference, layered.digest]]);
  });

  test('come from ctr, and from here, and are there without network', async () => {
    const folder = await bench.makeFolder();
    const file = join(folder, 'ctr.tar');
    await withContainerd(folder, {}, async (ctr) => {
      await ctr('images', 'import', '--no-unpack', '--all-platforms', exported);
      await ctr('images', 'export', '--all-platforms', file, index.reference);
    });
    for (const [archive, images] of [
      [file, [index]],
      [exported, [index, layered]],
    ] as const) {
      const config = await elsewhere(await bench.makeFolder());
      await entrepot(config, 'import', archive);
      assert.deepEqual((await list(config)).sort(), images.map(({ reference, digest }) => [reference, digest]).sort());
    }
  });
});

function serverConfig(bench: Bench): string {
  return join(bench.lab.scratch, 'archive', 'entrepot', 'entrepot.yaml');
}

function entrepot(config: string, command: string, ...args: string[]): Promise<string> {
  return run(process.execPath, [entry, command, '--config', config, ...args]);
}

/** The configuration of a machine with nothing on it. */
async function elsewhere(folder: string): Promise<string> {
  const file = join(folder, 'elsewhere.yaml');
  await writeFile(file, JSON.stringify({ data: join(folder, 'data'), offline: true })); // JSON is YAML too
  return file;
}

async function list(config: string): Promise<[name: string, digest: string][]> {
  const images: { registry: string; repository: string; tags: string[]; digest: string }[] = JSON.parse(
    await entrepot(config, 'ls', '--json'),
  );
  return images.map(({ registry, repository, tags, digest }) => [`${registry}/${repository}:${tags}`, digest]);
}
