import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { gatherImage, IncompleteImage } from '../../src/archive/image-tree.ts';
import { type ImportTarget, importImage } from '../../src/archive/import-image.ts';
import { renderLayout, renderLayoutIndex } from '../../src/archive/oci-layout.ts';
import { ArchiveError, openArchive } from '../../src/archive/open-archive.ts';
import { TarWriter } from '../../src/archive/tar/write-tar.ts';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { RegistryError } from '../../src/oci/errors.ts';
import { makeImage, makeIndex } from '../support/content/images.ts';

// An archive may come from anybody. Whatever is in it, what is given to be stored is what its digest says, comes after all
// that it references, and every failure is one of those that are told.

const [one, two] = ['one', 'two'].map((architecture) =>
  makeImage({ seed: architecture, layers: [900, 10], architecture }),
);
const index = makeIndex([one!, two!]);
const manifests = [index.manifest, one!.manifest, two!.manifest];
const contents = [...manifests, ...one!.blobs, ...two!.blobs];
const root = {
  digest: index.manifest.digest,
  mediaType: index.manifest.mediaType,
  sizeBytes: index.manifest.bytes.length,
};

async function archiveOf(order: readonly number[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  const tar = new TarWriter(async (bytes) => void parts.push(Buffer.from(bytes)));
  const file = (name: string, bytes: Buffer) => tar.file(name, bytes.length, [bytes]);
  await file('./oci-layout', renderLayout());
  for (const at of order) {
    const { digest, bytes } = contents[at]!;
    await file(`blobs/sha256/${digest.slice(7)}`, bytes);
  }
  await file('index.json', renderLayoutIndex([{ manifest: root, name: 'x.test/a:1', reference: '1' }]));
  await tar.end();
  return Buffer.concat(parts);
}

/** A place that refuses what is not what its digest says, as every real one does, and keeps the order. */
function recordingTarget() {
  const stored: Digest[] = [];
  let isFinished = false;
  const target: ImportTarget = {
    async putBlob(digest, sizeBytes, read) {
      const pieces: Buffer[] = [];
      for await (const piece of read()) pieces.push(Buffer.from(piece));
      const bytes = Buffer.concat(pieces);
      if (digestOf(bytes) !== digest) throw new ArchiveError('it is damaged');
      assert.equal(bytes.length, sizeBytes);
      stored.push(digest);
      return true;
    },
    async putManifest({ digest, bytes }) {
      assert.equal(digestOf(bytes), digest);
      const references = contents.filter((other) => Buffer.from(bytes).includes(other.digest));
      const here = references.filter((other) => contents.includes(other) && stored.includes(other.digest));
      // An index may have manifests that are not in the archive; an image has nothing that is not.
      if (digest !== root.digest) assert.equal(here.length, references.length);
      stored.push(digest);
      return true;
    },
    async finish({ digest }) {
      assert.ok(stored.includes(digest), 'what is tagged is there');
      isFinished = true;
    },
  };
  return { target, stored, isFinished: () => isFinished };
}

async function importAll(bytes: Buffer) {
  const place = recordingTarget();
  const read = async (into: Uint8Array, position: number) => bytes.copy(into, 0, Math.min(position, bytes.length));
  try {
    const archive = await openArchive({ sizeBytes: bytes.length, read });
    for (const { manifest } of archive.images) {
      const request = { manifest, tag: undefined, referrers: new Map() };
      await importImage(archive, request, place.target, { signal: new AbortController().signal, took() {} });
    }
  } catch (error) {
    const isTold = error instanceof ArchiveError || error instanceof IncompleteImage || error instanceof RegistryError;
    if (!isTold) throw error;
  }
  return place;
}

test('an archive in any order, with any of its contents missing, is imported as far as it is whole, or not at all', async () => {
  const some = fc.uniqueArray(fc.nat(contents.length - 1));
  await fc.assert(
    fc.asyncProperty(some, async (order) => {
      const { stored, isFinished } = await importAll(await archiveOf(order));
      const has = (digest: Digest) => order.some((at) => contents[at]!.digest === digest);
      const isWhole = (image: typeof one) => [image!.manifest, ...image!.blobs].every(({ digest }) => has(digest));
      const isHere = has(root.digest) && (isWhole(one) || isWhole(two));
      assert.equal(isFinished(), isHere);
      if (isHere) assert.equal(new Set(stored).size, stored.length);
      else assert.deepEqual(stored, []);
    }),
    { numRuns: 150 },
  );
});

test('an archive with any bytes changed or cut off never has something else stored than digests say', async () => {
  const whole = await archiveOf([...contents.keys()]);
  const change = fc.record({ at: fc.nat(whole.length - 1), value: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 4 }), fc.nat(whole.length), async (changes, cut) => {
      const bytes = Buffer.from(whole);
      for (const { at, value } of changes) bytes[at] = value;
      await importAll(changes.length % 2 === 0 ? bytes : bytes.subarray(0, cut));
    }),
    { numRuns: 300 },
  );
});

test('an index that leads to itself or too deep ends', async () => {
  const empty = { readManifest: async () => undefined, sizeOf: async () => undefined };
  const deep = new Map<Digest, Buffer>();
  let digest = digestOf(Buffer.from('nothing'));
  for (let level = 0; level < 10; level++) {
    const bytes = Buffer.from(JSON.stringify({ manifests: [{ digest, size: 1 }] }));
    digest = digestOf(bytes);
    deep.set(digest, bytes);
  }
  const holding = { ...empty, readManifest: async (wanted: Digest) => deep.get(wanted) };
  await assert.rejects(gatherImage({ digest, mediaType: '', sizeBytes: 1 }, holding, undefined), /too deep/);
});
