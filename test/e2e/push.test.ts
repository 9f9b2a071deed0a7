import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { digestOf } from '../../src/oci/digest.ts';
import { makeArtifact, manifestType, pushArtifact } from './lab/artifacts.ts';
import { type Bench, setUpBench, showLogAfterFailure } from './lab/bench.ts';
import { containerdThrough } from './lab/clients/containerd.ts';
import { assertPulled } from './lab/clients/pulled-image.ts';
import { buildahPusher, dockerPusher, type Pusher, podmanPusher, skopeoPusher } from './lab/clients/pushers.ts';
import { writeRegistriesConf } from './lab/clients/registries-conf.ts';
import { type BuiltImage, buildImage } from './lab/images.ts';
import { currentLab } from './lab/lab.ts';
import { run } from './lab/machine/processes.ts';
import { writeTar } from './lab/machine/tar.ts';
import { entrepotAddress, hostedName } from './lab/servers/entrepot.ts';
import { plainMirror } from './lab/servers/mirror.ts';

// What is pushed to localhost:5001, and found again: there, and through the mirror of every registry.

const containerd = containerdThrough(plainMirror);
const { layered } = currentLab().images;
const mebibyte = 1024 * 1024;

function imageFor(name: string, architectures?: readonly string[]): BuiltImage {
  const reference = `${hostedName}/team/${name}:1`;
  return buildImage({
    reference,
    format: 'oci',
    layerBytes: [300_000, 3 * mebibyte],
    ...(architectures && { architectures }),
  });
}

const pushers: readonly (readonly [Pusher, BuiltImage])[] = [
  [skopeoPusher, imageFor('skopeo', ['amd64', 'arm64'])],
  [podmanPusher, imageFor('podman')],
  [buildahPusher, imageFor('buildah')],
  [dockerPusher(plainMirror, 'strata:1'), imageFor('docker')],
];

describe('images that are pushed', () => {
  let bench: Bench;
  before(async () => {
    bench = await setUpBench('push', { cache: { tagTtl: '1h' }, hosted: true });
  });
  after(() => bench?.clear());
  afterEach((context) => showLogAfterFailure(bench, context));

  for (const [pusher, built] of pushers) {
    test(`by ${pusher.name} are pulled by containerd, through the mirror of every registry`, async () => {
      const digest = await pusher.push(built, await bench.makeFolder());
      const pulled = await containerd.pull(built.image.reference, await bench.makeFolder());
      assert.equal(pulled.digest, digest);
    });
  }

  test('leave the same mirror to Docker Hub, and no name of it is theirs', async () => {
    const shadow = buildImage({ reference: `${hostedName}/library/strata:1`, format: 'oci', layerBytes: [1_000] });
    await skopeoPusher.push(shadow, await bench.makeFolder());
    const pulled = await containerd.pull(layered.reference, await bench.makeFolder());
    assertPulled(pulled, layered, layered.manifests);
    const own = await containerd.pull(shadow.image.reference, await bench.makeFolder());
    assert.equal(own.digest, shadow.image.digest);
  });

  test('send no layer that the cache has', async () => {
    const before = await countUploads(bench);
    assert.ok(before > 0, 'what was pushed until now is counted');
    const folder = await bench.makeFolder();
    const copied = `${hostedName}/team/copied:1`;
    const flags = ['--insecure-policy', '--registries-conf', await writeRegistriesConf(folder)];
    const ends = [`docker://${layered.reference}`, `docker://${copied}`];
    await run('skopeo', [...flags, 'copy', '--quiet', '--dest-tls-verify=false', ...ends]);
    assert.equal(await countUploads(bench), before);
    assertPulled(await containerd.pull(copied, await bench.makeFolder()), layered, layered.manifests);
  });
});

/** How often bytes of a blob were sent to Entrepot. */
async function countUploads(bench: Bench): Promise<number> {
  const lines = (await bench.entrepotLog()).split('\n').filter((line) => line.startsWith('{'));
  const requests = lines.map((line): { method?: string; msg?: string } => JSON.parse(line));
  return requests.filter(({ method }) => method === 'PATCH').length;
}

describe('what is no image', () => {
  let bench: Bench;
  before(async () => {
    bench = await setUpBench('push-artifacts', { hosted: true });
  });
  after(() => bench?.clear());
  afterEach((context) => showLogAfterFailure(bench, context));

  const repository = 'team/charts/web';
  const chart = makeArtifact({
    config: ['application/vnd.cncf.helm.config.v1+json', '{"name":"web","version":"0.1.0","apiVersion":"v2"}'],
    layer: [
      'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
      gzipSync(
        writeTar([{ name: 'web/Chart.yaml', bytes: Buffer.from('name: web\nversion: 0.1.0\napiVersion: v2\n') }]),
      ),
    ],
  });
  const subject = { mediaType: manifestType, digest: digestOf(chart.manifest), size: chart.manifest.length };
  const signature = makeArtifact({
    artifactType: 'application/vnd.dev.cosign.artifact.sig.v1+json',
    config: ['application/vnd.oci.empty.v1+json', '{}'],
    layer: [
      'application/vnd.dev.cosign.simplesigning.v1+json',
      '{"critical":{"type":"cosign container image signature"}}',
    ],
    subject,
  });

  test('a Helm chart is pushed by skopeo, and found again by it', async () => {
    const image = {
      reference: `${hostedName}/${repository}:0.1.0`,
      digest: subject.digest,
      isIndex: false,
      manifests: [],
    };
    await skopeoPusher.push({ image, manifests: [chart.manifest], blobs: chart.blobs }, await bench.makeFolder());
    const found = await run('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${image.reference}`]);
    assert.ok(Buffer.from(found).equals(chart.manifest));
  });

  test('a signature that is attached to it is found among its referrers, at either door', async () => {
    await pushArtifact(`http://${hostedName}`, repository, signature, digestOf(signature.manifest));
    for (const url of [
      `http://${hostedName}/v2/${repository}/referrers/${subject.digest}`,
      `http://${entrepotAddress}/v2/${repository}/referrers/${subject.digest}?ns=${hostedName}`,
    ]) {
      const answer = await fetch(url);
      assert.equal(answer.status, 200);
      const { manifests }: { manifests: { digest: string; artifactType: string }[] } = JSON.parse(await answer.text());
      assert.deepEqual(
        manifests.map(({ digest, artifactType }) => [digest, artifactType]),
        [[digestOf(signature.manifest), signature.artifactType]],
      );
    }
  });

  test('an artifact of a type of its own is pushed, and its bytes are found again by its tag', async () => {
    const sbom = makeArtifact({
      artifactType: 'application/vnd.example.sbom',
      config: ['application/vnd.oci.empty.v1+json', '{}'],
      layer: ['application/spdx+json', '{"spdxVersion":"SPDX-2.3"}'],
    });
    await pushArtifact(`http://${hostedName}`, repository, sbom, 'sbom');
    const answer = await fetch(`http://${hostedName}/v2/${repository}/manifests/sbom`, {
      headers: { accept: manifestType },
    });
    assert.equal(answer.headers.get('content-type'), manifestType);
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(sbom.manifest));
  });
});
