import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../digest.ts';
import { readImageContents } from './image-contents.ts';
import { mediaTypes } from './media-types.ts';

const [first, second, third] = ['a', 'b', 'c'].map((text) => digestOf(Buffer.from(text)));
const read = (manifest: unknown, mediaType = '') => readImageContents(Buffer.from(JSON.stringify(manifest)), mediaType);

test('an image consists of its configuration and layers, each once, but for what is to be had elsewhere', () => {
  const contents = read({
    config: { mediaType: 'c', digest: first, size: 3 },
    layers: [
      { mediaType: 'l', digest: second, size: 4 },
      { mediaType: 'l', digest: second, size: 4 },
      { mediaType: 'foreign', digest: third, size: 5, urls: ['https://elsewhere.example/layer'] },
    ],
  });
  assert.deepEqual(contents, {
    kind: 'image',
    blobs: [
      { digest: first, mediaType: 'c', sizeBytes: 3 },
      { digest: second, mediaType: 'l', sizeBytes: 4 },
    ],
  });
});

test('an index consists of manifests with their platforms, and tells what is an attestation', () => {
  const manifests = [
    { mediaType: 'm', digest: first, size: 1, platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
    {
      mediaType: 'm',
      digest: second,
      size: 2,
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
    },
    { mediaType: 'm', digest: third, size: 3 },
  ];
  for (const mediaType of [mediaTypes.ociIndex, mediaTypes.dockerList, '']) {
    const contents = read({ manifests }, mediaType);
    assert.ok(contents.kind === 'index');
    assert.deepEqual(
      contents.children.map(({ digest, platform, isAttestation }) => [digest, platform, isAttestation]),
      [
        [first, 'linux/arm/v7', false],
        [second, undefined, true],
        [third, undefined, false],
      ],
    );
  }
});

test('a layer of Docker’s first schema has no size', () => {
  assert.deepEqual(read({ fsLayers: [{ blobSum: first }] }), {
    kind: 'image',
    blobs: [{ digest: first, mediaType: '', sizeBytes: undefined }],
  });
});

test('what is no manifest is told', () => {
  const wrong: unknown[] = [1, null, { layers: {} }, { layers: [{ digest: 'sha256:abc' }] }, { config: 'text' }];
  for (const manifest of wrong) {
    assert.throws(() => read(manifest), { code: 'MANIFEST_INVALID' }, JSON.stringify(manifest));
  }
  assert.throws(() => readImageContents(Buffer.from('{'), ''), { code: 'MANIFEST_INVALID' });
});
