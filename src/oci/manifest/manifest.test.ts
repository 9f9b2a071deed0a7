import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../digest.ts';
import { referencesOf } from './manifest.ts';
import { mediaTypes } from './media-types.ts';

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((text) => digestOf(Buffer.from(text)));

function references(value: unknown, mediaType: string) {
  return referencesOf(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), mediaType);
}

test('a manifest references its configuration and layers, each once, and not its subject', () => {
  const manifest = {
    config: { digest: a },
    layers: [{ digest: b }, { digest: c }, { digest: b }],
    subject: { digest: d },
    manifests: [{ digest: d }],
  };
  for (const type of [mediaTypes.ociManifest, mediaTypes.dockerManifest, `${mediaTypes.ociManifest}; charset=utf-8`]) {
    assert.deepEqual(references(manifest, type), [a, b, c]);
  }
});

test('an index references its manifests', () => {
  const index = { manifests: [{ digest: a }, { digest: b }], config: { digest: c }, subject: { digest: d } };
  for (const type of [mediaTypes.ociIndex, mediaTypes.dockerList]) assert.deepEqual(references(index, type), [a, b]);
});

test('of other types everything that may be a reference is one', () => {
  const old = { fsLayers: [{ blobSum: a }, { blobSum: b }, { blobSum: a }] };
  assert.deepEqual(references(old, 'application/vnd.docker.distribution.manifest.v1+prettyjws'), [a, b]);
  const artifact = { blobs: [{ digest: c }], subject: { digest: d } };
  assert.deepEqual(references(artifact, 'application/vnd.oci.artifact.manifest.v1+json'), [c]);
});

test('what is no manifest references nothing', () => {
  for (const text of ['', 'words', '{', '7', 'null', '[]', '"x"', '{}', '{"layers":null,"config":7}', '\u00ff']) {
    assert.deepEqual(references(text, mediaTypes.ociManifest), [], text);
  }
});

test('digests that are none are passed over, and the others stay', () => {
  const layers = [{ digest: 'sha256:abc' }, { digest: 7 }, {}, null, 'x', { digest: `${a}0` }, { digest: b }];
  assert.deepEqual(references({ config: { digest: '../../etc/passwd' }, layers }, mediaTypes.ociManifest), [b]);
});

test('a manifest with more references than any real one gives only so many', () => {
  const layers = Array.from({ length: 2500 }, (_, count) => ({ digest: digestOf(Buffer.from(String(count))) }));
  assert.equal(references({ layers }, mediaTypes.ociManifest).length, 2000);
});
