import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage, makeIndex, type TestImage } from '../../test/support/content/images.ts';
import { type Digest, digestOf } from '../oci/digest.ts';
import type { Descriptor } from '../oci/manifest/image-contents.ts';
import { gatherImage, type Holding, IncompleteImage } from './image-tree.ts';

const indexType = 'application/vnd.oci.image.index.v1+json';
const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/** What is in memory, by its digest, and how often it was asked for. */
function held(contents: Iterable<Uint8Array>) {
  const all = new Map([...contents].map((bytes) => [digestOf(bytes), bytes]));
  const asked = { count: 0 };
  const holding: Holding = {
    async sizeOf(digest) {
      asked.count += 1;
      return all.get(digest)?.length;
    },
    async readManifest(digest) {
      asked.count += 1;
      return all.get(digest);
    },
  };
  return { holding, asked };
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const indexOf = (manifests: readonly object[]) => json({ schemaVersion: 2, mediaType: indexType, manifests });
const entry = (bytes: Uint8Array, platform?: object) => ({
  ...{ mediaType: manifestType, digest: digestOf(bytes), size: bytes.length },
  ...(platform ? { platform } : {}),
});
const root = (bytes: Uint8Array): Descriptor => ({
  digest: digestOf(bytes),
  mediaType: indexType,
  sizeBytes: bytes.length,
});
const contentsOf = (image: TestImage): Buffer[] => [image.manifest.bytes, ...image.blobs.map(({ bytes }) => bytes)];

test('of a platform that is not there wholly nothing is kept, and all of the others is', async () => {
  const [whole, half] = [
    makeImage({ seed: 'whole', layers: [10, 20], architecture: 'amd64' }),
    makeImage({ seed: 'half', layers: [30, 40], architecture: 'arm64' }),
  ];
  const both = makeIndex([half, whole]);
  const missing = half.blobs.at(-1)?.digest;
  const all = [both.manifest.bytes, ...contentsOf(half), ...contentsOf(whole)];
  const { holding } = held(all.filter((bytes) => digestOf(bytes) !== missing));
  const tree = await gatherImage(root(both.manifest.bytes), holding, undefined);
  const digests: Digest[] = [...whole.blobs.map(({ digest }) => digest), whole.manifest.digest, both.manifest.digest];
  assert.deepEqual(new Set(tree.parts.map(({ digest }) => digest)), new Set(digests));
  assert.equal(tree.parts.at(-1)?.digest, both.manifest.digest);
  assert.deepEqual([tree.platforms, tree.absent, tree.leaves.length], [['linux/amd64'], ['linux/arm64'], 1]);
  await assert.rejects(gatherImage(root(both.manifest.bytes), holding, 'all'), IncompleteImage);
});

// Each child was given a copy of all that was found before, which took hours with a million.
test('an image of many thousands takes as long as there is in it, whole or not', { timeout: 15_000 }, async () => {
  const [outer, inner] = [12, 1000]; // a list of more is refused
  const config = json({});
  const childOf = (n: string) =>
    json({ schemaVersion: 2, mediaType: manifestType, config: entry(config), layers: [], annotations: { n } });
  const children = Array.from({ length: outer }, (_, one) =>
    Array.from({ length: inner }, (_, other) => childOf(`${one}.${other}`)),
  );
  const indexes = children.map((some) => indexOf(some.map((child) => entry(child))));
  const bytes = indexOf(indexes.map((index) => ({ ...entry(index), mediaType: indexType })));
  const { holding, asked } = held([bytes, config, ...indexes, ...children.flat()]);
  const tree = await gatherImage(root(bytes), holding, undefined);
  assert.equal(tree.parts.length, 1 + outer + outer * inner + 1);
  assert.equal(asked.count, 1 + outer + 2 * outer * inner);

  const none = held([bytes, ...indexes]);
  await assert.rejects(gatherImage(root(bytes), none.holding, undefined), IncompleteImage);
  assert.equal(none.asked.count, 1 + outer + outer * inner);
});

test('what was gathered of another is not looked at again', async () => {
  const image = makeImage({ seed: 'known', layers: [10] });
  const bytes = indexOf([entry(image.manifest.bytes)]);
  const { holding, asked } = held([bytes, ...contentsOf(image)]);
  const known = new Map(
    (await gatherImage(root(image.manifest.bytes), holding, undefined)).parts.map((part) => [part.digest, part]),
  );
  asked.count = 0;
  const tree = await gatherImage(root(bytes), holding, undefined, known);
  assert.deepEqual(
    tree.parts.map(({ digest }) => digest),
    [digestOf(bytes)],
  );
  assert.equal(asked.count, 1);
});

test('an error names some of the platforms, and not all of thousands', async () => {
  const platforms = Array.from({ length: 1000 }, (_, number) => ({ os: 'linux', architecture: `cpu${number}` }));
  const bytes = indexOf(platforms.map((platform) => entry(json(platform), platform)));
  const { holding } = held([bytes]);
  await assert.rejects(gatherImage(root(bytes), holding, ['linux/amd64']), (error: Error) => {
    assert.match(error.message, /^it is not for linux\/amd64, but for linux\/cpu0, .*, linux\/cpu19, …$/);
    return true;
  });
});
