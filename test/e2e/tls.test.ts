import assert from 'node:assert/strict';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { docker } from '../../src/setup/targets/docker.ts';
import { podman } from '../../src/setup/targets/podman.ts';
import { certificates } from '../support/tls/certs.ts';
import { writeTlsFiles } from '../support/tls/tls-files.ts';
import { type Bench, setUpBench, showLogAfterFailure } from './lab/bench.ts';
import { containerdThrough } from './lab/clients/containerd.ts';
import { dockerdThrough } from './lab/clients/dockerd.ts';
import { generatedFiles } from './lab/clients/generated.ts';
import { podmanThrough } from './lab/clients/podman.ts';
import { assertPulled } from './lab/clients/pulled-image.ts';
import { skopeoThrough } from './lab/clients/skopeo.ts';
import { currentLab } from './lab/lab.ts';
import { run } from './lab/machine/processes.ts';
import { entrepotTlsName } from './lab/servers/entrepot.ts';
import { tlsMirror } from './lab/servers/mirror.ts';
import { assertOriginAsked, requestsForColdPull } from './lab/servers/origin-requests.ts';

// No list of this machine has this authority: clients are told of it for this one server, as docs/tls.md says.
const { ca, server, client } = certificates([entrepotTlsName.split(':')[0]!]);

/** A new folder with the files of a door. */
async function makeDoorFiles(name: string, clientCa?: string) {
  const folder = join(currentLab().scratch, name);
  await mkdir(folder);
  const authority = join(folder, 'ca.crt');
  await writeFile(authority, ca.cert);
  return { folder, authority, paths: writeTlsFiles(folder, server, clientCa).paths };
}

describe('a door of TLS', () => {
  const { scratch, images } = currentLab();
  const mirror = tlsMirror(join(scratch, 'tls-door', 'ca.crt'));
  let bench: Bench;
  before(async () => {
    const { authority, paths } = await makeDoorFiles('tls-door');
    for (const target of [docker, podman]) {
      for (const { path, render } of await generatedFiles(target, tlsMirror(authority))) {
        if (!path.endsWith('.crt')) continue;
        await mkdir(dirname(path), { recursive: true }); // in /etc, which is this namespace's alone
        await writeFile(path, render(undefined));
      }
    }
    bench = await setUpBench('tls', { cache: { tagTtl: '1h' }, tls: paths });
  });
  after(() => bench?.clear());
  afterEach((context) => showLogAfterFailure(bench, context));

  test('is a mirror for skopeo, and the origin is asked for each thing once', async () => {
    const { layered } = images;
    assertPulled(
      await skopeoThrough(mirror).pull(layered.reference, await bench.makeFolder()),
      layered,
      layered.manifests,
    );
    await assertOriginAsked(bench.origin, requestsForColdPull(layered, layered.manifests));
  });

  describe('with the origin stopped', () => {
    before(() => bench.origin.stop());
    for (const other of [podmanThrough(mirror), containerdThrough(mirror), dockerdThrough(mirror)]) {
      test(`is a mirror for ${other.name}`, async () => {
        const { layered } = images;
        assertPulled(await other.pull(layered.reference, await bench.makeFolder()), layered, layered.manifests);
      });
    }
  });
});

describe('a door that wants certificates of clients', () => {
  let bench: Bench;
  let authority: string;
  before(async () => {
    const files = await makeDoorFiles('tls-clients', ca.cert);
    authority = files.authority;
    bench = await setUpBench('tls-with-clients', { tls: files.paths });
  });
  after(() => bench?.clear());
  afterEach((context) => showLogAfterFailure(bench, context));

  /** What skopeo finds with a folder of certificates. */
  async function inspectWith(files: Readonly<Record<string, string>>): Promise<string> {
    const folder = await bench.makeFolder();
    await cp(authority, join(folder, 'ca.crt'));
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return run('skopeo', ['inspect', '--raw', '--cert-dir', folder, `docker://${entrepotTlsName}/library/strata:1`]);
  }

  test('lets skopeo in with one of the right authority, and nobody without', async () => {
    await assert.rejects(inspectWith({}), /certificate required|bad certificate/);
    const manifest = await inspectWith({ 'client.cert': client.cert, 'client.key': client.key });
    assert.equal(JSON.parse(manifest).schemaVersion, 2);
  });
});
