import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { applyImageRemoval, planImageRemoval } from '../../../src/cache/images/image-removal.ts';
import { takeInventory } from '../../../src/cache/images/inventory.ts';
import { removeTag, removeUnused } from '../../../src/hosted/records/removal.ts';
import { hostedRegistryName } from '../../../src/oci/hosted.ts';
import { parseReference } from '../../../src/oci/reference.ts';
import { makeImage, makeIndex } from '../../support/content/images.ts';
import { HostedStage } from '../../support/stages/hosted-stage.ts';

const image = makeImage({ seed: 'app', layers: [100] });
const other = makeImage({ seed: 'other', layers: [200] });
const { manifest } = image;

/** Plans to remove an image by a reference, lets another process push meanwhile, and then removes what was planned. */
async function removeBeside(
  t: TestContext,
  reference: string,
  pushMeanwhile: (stage: HostedStage) => Promise<unknown>,
): Promise<HostedStage> {
  const stage = new HostedStage(t);
  const { index, tools, clock, repository } = stage;
  await stage.push(image, 'latest');
  clock.advance(1000);
  const beforeMs = clock.now();
  const name = { registry: hostedRegistryName, repository, reference: parseReference(reference) };
  const removal = planImageRemoval(await takeInventory(index), [name]);
  await pushMeanwhile(stage);
  await applyImageRemoval(removal, {
    ...{ index, store: stage.blobs },
    hosted: {
      removeTag: (name, tag, digest) => removeTag(tools, name, tag, digest),
      removeUnused: (name, digest) => removeUnused(tools, name, digest, beforeMs),
    },
  });
  return stage;
}

const isWhole = async ({ index, repository }: HostedStage, { manifest, blobs }: typeof image) => {
  const links = [manifest, ...blobs].map(({ digest }) =>
    index.getLink({ registry: hostedRegistryName, repository }, digest),
  );
  return (await Promise.all(links)).every((link) => link?.sizeBytes !== undefined);
};

test('an image that is removed while nobody pushes goes with its tags and blobs, and its records', async (t) => {
  for (const reference of ['latest', manifest.digest]) {
    const stage = await removeBeside(t, reference, async () => {});
    assert.equal(await stage.resolve(manifest.digest), undefined);
    assert.equal(stage.records.records.size, 0);
    assert.deepEqual(await stage.index.hostedTotals(), { repositories: 0, contents: 0, sizeBytes: 0 });
  }
});

test('a tag that is pushed for another image meanwhile stands for that', async (t) => {
  for (const reference of ['latest', manifest.digest]) {
    const stage = await removeBeside(t, reference, (stage) => stage.push(other, 'latest'));
    assert.equal(await stage.resolve('latest'), other.manifest.digest, reference);
    assert.equal(await stage.resolve(manifest.digest), undefined);
  }
});

test('an image that gets another tag meanwhile stays whole', async (t) => {
  const stage = await removeBeside(t, 'latest', (stage) => stage.put(manifest.bytes, manifest.mediaType, 'stable'));
  assert.deepEqual([await stage.resolve('stable'), await stage.resolve('latest')], [manifest.digest, undefined]);
  assert.ok(await isWhole(stage, image));
});

test('an image that becomes a part of another meanwhile stays whole', async (t) => {
  const index = makeIndex([image, other]);
  const stage = await removeBeside(t, 'latest', async (stage) => {
    await stage.push(other);
    await stage.put(index.manifest.bytes, index.manifest.mediaType, 'all');
  });
  assert.equal(await stage.resolve('all'), index.manifest.digest);
  assert.equal(await stage.resolve(manifest.digest), manifest.digest);
  assert.ok(await isWhole(stage, image));
});

test('a blob that somebody is told of meanwhile stays, for what he pushes next', async (t) => {
  const layer = image.blobs.at(-1)!;
  const stage = await removeBeside(t, 'latest', ({ index, repository, clock }) =>
    index.mountBlob(repository, layer.digest, clock.now()),
  );
  const key = { registry: hostedRegistryName, repository: stage.repository };
  assert.notEqual(await stage.index.getLink(key, layer.digest), undefined);
  assert.equal(await stage.resolve(manifest.digest), undefined);
});
