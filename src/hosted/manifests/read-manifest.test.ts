import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../oci/digest.ts';
import { mediaTypes } from '../../oci/manifest/media-types.ts';
import { readManifest } from './read-manifest.ts';

const digest = (text: string) => digestOf(Buffer.from(text));
const descriptor = (text: string, more = {}) => ({ mediaType: 'a/b', digest: digest(text), size: 1, ...more });
const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value));
const read = (value: unknown, contentType: string = mediaTypes.ociManifest) =>
  readManifest(bytesOf(value), contentType);
const image = { schemaVersion: 2, config: descriptor('config'), layers: [descriptor('one'), descriptor('two')] };
const index = {
  schemaVersion: 2,
  manifests: [
    descriptor('one', { mediaType: mediaTypes.ociManifest }),
    descriptor('two', { mediaType: mediaTypes.dockerList }),
    descriptor('layer', { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' }),
  ],
};

function isInvalid(value: unknown, contentType: string, field: string | undefined): void {
  assert.throws(
    () => read(value, contentType),
    (error: { code?: unknown; detail?: unknown; message: string }) => {
      assert.equal(error.code, 'MANIFEST_INVALID');
      assert.deepEqual(error.detail, field === undefined ? undefined : { field });
      assert.ok(error.message.includes(field ?? ''), error.message);
      return true;
    },
  );
}

test('an image needs its configuration and layers, each once', () => {
  const doubled = { ...image, layers: [...image.layers, descriptor('one')] };
  for (const mediaType of [mediaTypes.ociManifest, mediaTypes.dockerManifest]) {
    const found = read(doubled, mediaType);
    assert.deepEqual(found.required, ['config', 'one', 'two'].map(digest));
    assert.deepEqual(found.references, found.required);
    assert.deepEqual(found.manifests, []);
    assert.equal(found.mediaType, mediaType);
  }
});

test('an index needs nothing of what it lists, and references all, be it manifests or blobs', () => {
  for (const mediaType of [mediaTypes.ociIndex, mediaTypes.dockerList]) {
    const found = read(index, mediaType);
    assert.deepEqual(found.required, []);
    assert.deepEqual(found.references, ['one', 'two', 'layer'].map(digest));
    assert.deepEqual(found.manifests, ['one', 'two'].map(digest));
  }
});

test('layers that may not be passed on, or that are elsewhere, need not be here, and are referenced all the same', () => {
  const layers = [
    descriptor('oci', { mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip' }),
    descriptor('docker', { mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' }),
    descriptor('elsewhere', { urls: ['https://example.com/layer'] }),
    descriptor('here', { urls: [] }),
  ];
  const found = read({ ...image, layers });
  assert.deepEqual(found.required, ['config', 'here'].map(digest));
  assert.equal(found.references.length, 5);
});

test('an artifact manifest needs its blobs, and has no configuration', () => {
  const type = 'application/vnd.oci.artifact.manifest.v1+json';
  const found = read({ mediaType: type, artifactType: 'x/y', blobs: [descriptor('blob')] }, type);
  assert.deepEqual(found.required, [digest('blob')]);
  assert.equal(found.artifactType, 'x/y');
  assert.deepEqual(read({ mediaType: type }, type).required, []);
});

test('of types that nobody knows nothing is required, and what looks like a reference is one', () => {
  const found = read({ layers: [descriptor('one')], blobs: [{ digest: digest('two') }] }, 'application/x-mine+json');
  assert.deepEqual(found.required, []);
  assert.deepEqual(found.references, ['one', 'two'].map(digest));
});

test('lists may be empty, or null as some encoders write them', () => {
  for (const layers of [[], null]) assert.deepEqual(read({ ...image, layers }).required, [digest('config')]);
  for (const manifests of [[], null]) {
    assert.deepEqual(read({ ...index, manifests }, mediaTypes.ociIndex).references, []);
  }
  const { subject, artifactType, annotations } = read({ ...image, annotations: null, subject: null });
  assert.deepEqual([subject, artifactType, annotations], [undefined, 'a/b', undefined]);
});

test('subject, artifact type and annotations are read, and the type of the configuration stands in', () => {
  const annotations = { 'org.example': 'text' };
  const found = read({ ...image, subject: descriptor('subject'), artifactType: 'x/y', annotations });
  assert.equal(found.subject, digest('subject'));
  assert.equal(found.artifactType, 'x/y');
  assert.deepEqual(found.annotations, annotations);
  assert.ok(!found.references.includes(digest('subject')));
  assert.equal(read(image).artifactType, 'a/b');
  assert.equal(read(index, mediaTypes.ociIndex).artifactType, undefined);
});

test('fields that nobody knows, and data beside a descriptor, are no matter', () => {
  const config = { ...image.config, data: 'e30=', more: { even: [1] } };
  assert.deepEqual(read({ ...image, config, 'x-custom': { layers: 1 } }).required.length, 3);
});

test('the media type is that of the request, of the manifest, or both, when they agree', () => {
  const typed = { ...image, mediaType: mediaTypes.ociManifest };
  assert.equal(read(typed, 'Application/vnd.oci.image.manifest.v1+json; charset=utf-8').mediaType, typed.mediaType);
  assert.equal(read(typed, '').mediaType, typed.mediaType);
  const parameters = { ...typed, mediaType: `${mediaTypes.ociManifest}; x="\r\nset-cookie: a"` };
  assert.equal(read(parameters).mediaType, typed.mediaType, 'what cannot be sent as a header is left out');
  assert.throws(() => read({ ...typed, mediaType: 'a/b\r\nc: d' }, ''), /"mediaType"/);
  isInvalid(typed, mediaTypes.dockerManifest, 'mediaType');
  isInvalid(image, '', 'mediaType');
  isInvalid({ ...image, mediaType: 3 }, mediaTypes.ociManifest, 'mediaType');
});

test('what is no JSON object is refused, whatever its type', () => {
  for (const text of ['', '{', '[]', '"text"', 'null', '\ufeff{}', '{"a":"\u0000"}']) {
    assert.throws(() => readManifest(Buffer.from(text), 'application/x-mine'), { code: 'MANIFEST_INVALID' }, text);
  }
  assert.throws(() => readManifest(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'x/y'), {
    code: 'MANIFEST_INVALID',
  });
});

test('what contradicts the media type is refused by the name of the field', () => {
  const { ociManifest, ociIndex } = mediaTypes;
  isInvalid({ ...image, schemaVersion: 1 }, ociManifest, 'schemaVersion');
  isInvalid({ ...index, schemaVersion: '2' }, ociIndex, 'schemaVersion');
  isInvalid({ ...image, manifests: index.manifests }, ociManifest, 'layers');
  isInvalid({ ...image, layers: [], manifests: [] }, ociManifest, 'layers');
  isInvalid({ ...index, layers: [] }, 'application/x-mine', 'layers');
  isInvalid({ schemaVersion: 2, config: descriptor('config'), manifests: [] }, ociManifest, 'manifests');
  isInvalid({ ...index, config: descriptor('config') }, ociIndex, 'config');
  isInvalid({ schemaVersion: 2 }, ociIndex, 'manifests');
  isInvalid({ schemaVersion: 2, layers: [] }, ociManifest, 'config');
});

test('descriptors need a digest that can be verified, and a size', () => {
  const { ociManifest, ociIndex } = mediaTypes;
  const layer = (more: object) => ({ ...image, layers: [descriptor('one'), { ...descriptor('two'), ...more }] });
  isInvalid(layer({ digest: undefined }), ociManifest, 'layers[1].digest');
  isInvalid(layer({ digest: 'md5:00' }), ociManifest, 'layers[1].digest');
  for (const size of [undefined, -1, 1.5, '3']) isInvalid(layer({ size }), ociManifest, 'layers[1].size');
  isInvalid({ ...image, config: 'text' }, ociManifest, 'config');
  isInvalid({ ...image, layers: {} }, ociManifest, 'layers');
  isInvalid({ ...image, layers: [null] }, ociManifest, 'layers[0]');
  isInvalid({ ...index, manifests: [{ digest: digest('one') }] }, ociIndex, 'manifests[0].size');
  isInvalid({ ...image, subject: { size: 1 } }, ociManifest, 'subject.digest');
  isInvalid({ ...image, annotations: { a: 1 } }, ociManifest, 'annotations["a"]');
  isInvalid({ ...image, annotations: ['a'] }, ociManifest, 'annotations');
  isInvalid({ ...image, artifactType: 1 }, ociManifest, 'artifactType');
});

test('more references than any real manifest has are refused: those beyond would not be kept', () => {
  const layers = Array.from({ length: 2000 }, (_, place) => descriptor(`layer ${place}`));
  assert.equal(read({ ...image, layers: layers.slice(0, 1998) }).references.length, 1999);
  isInvalid({ ...image, layers }, mediaTypes.ociManifest, undefined);
});
