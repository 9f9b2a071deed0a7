import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import { generatedSource, paddedTo, sliceOf, withWrongByte } from './byte-source.ts';
import { Content } from './content.ts';
import { makeImage, makeIndex, seededBytes, seededSlice } from './images.ts';

test('seeded bytes are the same wherever one begins to read, and others for other seeds', () => {
  const whole = seededBytes('seed', 100_000);
  for (const [start, end] of [
    [0, 1],
    [15, 17],
    [16, 32],
    [65_537, 100_000],
    [5, 5],
  ] as const) {
    assert.ok(seededSlice('seed', start, end).equals(whole.subarray(start, end)), `${start} to ${end}`);
  }
  assert.ok(!seededBytes('other', 100_000).equals(whole));
  // On every machine and in every run: what a failing test printed can be had again.
  assert.equal(seededBytes('seed', 8).toString('hex'), '1024e03ef1672193');
});

test('a generated blob has the digest of its bytes, and they are never held', () => {
  const content = new Content();
  const digest = content.putGenerated('library/app', 'seed', 3_000_001);
  assert.equal(digest, digestOf(seededBytes('seed', 3_000_001)));
  assert.ok(
    content
      .blob('library/app', digest)
      ?.read(9, 99)
      .equals(seededSlice('seed', 9, 99)),
  );
});

test('sources are cut, spoiled and padded without touching the one below', () => {
  const source = generatedSource('seed', 1000);
  const whole = source.read(0, 1000);
  assert.ok(sliceOf(source, 100, 200).read(5, 10).equals(whole.subarray(105, 110)));
  const wrong = withWrongByte(source, -1).read(990, 1000);
  assert.deepEqual([wrong[9], wrong.subarray(0, 9)], [whole[999]! ^ 0xff, whole.subarray(990, 999)]);
  assert.ok(source.read(0, 1000).equals(whole));
  assert.ok(
    paddedTo(source, 1010)
      .read(995, 1005)
      .equals(Buffer.concat([whole.subarray(995), Buffer.alloc(5, ' ')])),
  );
});

test('an index is pushed with all of its images, and each manifest with the digest of its bytes', () => {
  const images = [
    makeImage({ seed: 'a', layers: [10] }),
    makeImage({ seed: 'b', layers: [10], architecture: 'arm64' }),
  ];
  const index = makeIndex(images);
  const content = new Content();
  assert.equal(content.push('library/app', index, 'latest'), digestOf(index.manifest.bytes));
  assert.equal(content.manifest('library/app', 'latest')?.bytes, index.manifest.bytes);
  for (const { manifest, blobs } of images) {
    assert.ok(content.manifest('library/app', manifest.digest));
    for (const blob of blobs) assert.equal(content.blob('library/app', blob.digest)?.sizeBytes, blob.bytes.length);
  }
  assert.deepEqual(makeImage({ seed: 'a', layers: [10] }), images[0]);
});

test('content that is removed is gone', () => {
  const content = new Content();
  const image = makeImage({ seed: 'a', layers: [10] });
  content.push('library/app', image, 'v1');
  content.push('library/app', image, 'v2');
  content.removeTag('library/app', 'v1');
  assert.deepEqual(content.tags('library/app'), ['v2']);
  content.removeManifest('library/app', image.manifest.digest);
  assert.deepEqual(content.tags('library/app'), []);
  content.removeBlob('library/app', image.blobs[0]!.digest);
  assert.equal(content.blob('library/app', image.blobs[0]!.digest), undefined);
  content.removeRepository('library/app');
  assert.deepEqual([content.has('library/app'), content.tags('library/app')], [false, undefined]);
});
