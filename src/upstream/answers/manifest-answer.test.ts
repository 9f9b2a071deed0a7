import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { headOf } from '../../../test/support/upstream/upstream-answer.ts';
import { digestOf } from '../../oci/digest.ts';
import { mediaTypes } from '../../oci/manifest/media-types.ts';
import { parseReference } from '../../oci/reference.ts';
import { descriptorOfHead, manifestOfAnswer, sniffMediaType } from './manifest-answer.ts';

const bytes = Buffer.from(`{"schemaVersion":2,"mediaType":"${mediaTypes.dockerManifest}"}`);
const digest = digestOf(bytes);
const longDigest = digestOf(bytes, 'sha512');
const other = digestOf(Buffer.from('other'));
const tag = parseReference('latest');
const full = {
  'docker-content-digest': digest,
  'content-length': '123',
  'content-type': mediaTypes.ociManifest,
};
const descriptor = { digest, mediaType: mediaTypes.ociManifest, sizeBytes: 123 };

function without(name: keyof typeof full): Record<string, string> {
  return Object.fromEntries(Object.entries(full).filter(([key]) => key !== name));
}

describe('the head of an answer', () => {
  test('describes a manifest by digest, type and size', () => {
    assert.deepEqual(descriptorOfHead(headOf(200, full), tag), descriptor);
    assert.deepEqual(descriptorOfHead(headOf(200, full), digest), descriptor);
  });

  test('has the type without its parameters', () => {
    const head = headOf(200, { ...full, 'content-type': `${mediaTypes.ociManifest}; charset=utf-8` });
    assert.deepEqual(descriptorOfHead(head, tag), descriptor);
  });

  test('need not repeat the digest that was asked for', () => {
    assert.deepEqual(descriptorOfHead(headOf(200, without('docker-content-digest')), digest), descriptor);
  });

  const useless: Record<string, Record<string, string>> = {
    'without a digest, for a tag': without('docker-content-digest'),
    'with a digest that is none': { ...full, 'docker-content-digest': 'sha256:abc' },
    'without a length': without('content-length'),
    'with a length of 0, as some send it with HEAD': { ...full, 'content-length': '0' },
    'with a length that is no number': { ...full, 'content-length': '12x' },
    'without a type': without('content-type'),
    'with a type that says nothing': { ...full, 'content-type': 'text/plain; charset=utf-8' },
    'of an encoded body, whose length is another': { ...full, 'content-encoding': 'gzip' },
  };
  for (const [what, headers] of Object.entries(useless)) {
    test(`is of no use ${what}`, () => assert.equal(descriptorOfHead(headOf(200, headers), tag), undefined));
  }

  test('is of no use with another digest than was asked for', () => {
    assert.equal(descriptorOfHead(headOf(200, { ...full, 'docker-content-digest': other }), digest), undefined);
    assert.equal(descriptorOfHead(headOf(200, full), longDigest), undefined);
  });
});

describe('the bytes of a manifest', () => {
  const manifest = (headers: Record<string, string>, reference = tag, body: Uint8Array = bytes) =>
    manifestOfAnswer(headOf(200, headers), body, reference, 'r.test');

  test('are kept as they are, with what they are', () => {
    assert.deepEqual(manifest(full), { digest, bytes, sizeBytes: bytes.length, mediaType: mediaTypes.ociManifest });
  });

  test('have their own digest where the registry names none, or one that is none', () => {
    assert.equal(manifest({}).digest, digest);
    assert.equal(manifest({ 'docker-content-digest': 'md5:abc' }).digest, digest);
  });

  test('are verified by the algorithm that was asked for, or that the registry names', () => {
    assert.equal(manifest({}, longDigest).digest, longDigest);
    assert.equal(manifest({ 'docker-content-digest': longDigest }).digest, longDigest);
    assert.equal(manifest({ 'docker-content-digest': longDigest }, digest).digest, digest);
  });

  test('are refused when they are others than were asked for, or than the registry says', () => {
    const wrong = { name: 'RegistryError', code: 'UNAVAILABLE', message: /r\.test.*sha(256|512):/ };
    const spoiled = Buffer.concat([bytes, Buffer.from('\n')]);
    assert.throws(() => manifest(full, digest, spoiled), wrong);
    assert.throws(() => manifest(full, tag, spoiled), wrong);
    assert.throws(() => manifest({}, longDigest, spoiled), wrong);
    assert.throws(() => manifest({ ...full, 'docker-content-digest': other }), wrong);
  });

  test('do not have to have the digest that the registry names beside the one that was asked for', () => {
    assert.equal(manifest({ ...full, 'docker-content-digest': other }, digest).digest, digest);
  });

  test('say what they are where the registry does not', () => {
    for (const type of ['text/plain; charset=utf-8', 'application/json', 'application/octet-stream', '']) {
      assert.equal(manifest({ 'content-type': type }).mediaType, mediaTypes.dockerManifest);
    }
    assert.equal(manifest({}).mediaType, mediaTypes.dockerManifest);
    assert.equal(manifest({ 'content-type': 'application/x' }).mediaType, 'application/x');
  });
});

test('what a manifest is can be seen by its shape where it does not say so', () => {
  const sniff = (value: unknown) => sniffMediaType(Buffer.from(JSON.stringify(value)));
  assert.equal(sniff({ mediaType: 'Application/X; v=1', layers: [] }), 'application/x');
  assert.equal(sniff({ mediaType: 'a/b\r\nset-cookie: c', layers: [] }), mediaTypes.ociManifest);
  assert.equal(sniff({ manifests: [] }), mediaTypes.ociIndex);
  assert.equal(sniff({ layers: [], config: {} }), mediaTypes.ociManifest);
  for (const value of [{}, null, 5, 'text', [], { manifests: 'x' }, { mediaType: 5 }]) {
    assert.equal(sniff(value), 'application/octet-stream');
  }
  assert.equal(sniffMediaType(Buffer.from('<html>')), 'application/octet-stream');
});
