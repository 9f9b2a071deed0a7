import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContentEntry, ManifestEntry, MetadataIndex } from '../../src/index/metadata-index.ts';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { parseRepository, parseTag } from '../../src/oci/reference.ts';
import type { MakeMetadataIndex } from '../support/index-under-test.ts';

const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const indexType = 'application/vnd.oci.image.index.v1+json';
const alpine = { registry: 'docker.io', repository: parseRepository('library/alpine') };
const app = { registry: 'ghcr.io', repository: parseRepository('owner/app') };
const latest = parseTag('latest');

// Their names are in the order of what references what, not of the digests.
const [imageIndex, amd64, arm64, config, shared, own] = ['index', 'amd64', 'arm64', 'config', 'shared', 'own'].map(
  (text) => digestOf(Buffer.from(text)),
) as [Digest, Digest, Digest, Digest, Digest, Digest];

/** An image of two platforms, which share a layer; everything is stored, each thing a millisecond after the other. */
async function putImage(index: MetadataIndex): Promise<void> {
  const manifests = [
    [imageIndex, indexType, [amd64, arm64]],
    [amd64, manifestType, [config, shared, own]],
    [arm64, manifestType, [shared]],
  ] as const;
  for (const [position, digest] of [imageIndex, amd64, arm64, config, shared, own].entries()) {
    await index.putContent(digest, 10 ** position, 100 + position);
  }
  for (const [digest, mediaType, references] of manifests) {
    await index.link(alpine, digest, mediaType, 100);
    await index.putReferences(digest, references);
  }
}

const usesOf = async (index: MetadataIndex, digests: readonly Digest[]) =>
  Promise.all(digests.map(async (digest) => (await index.getContent(digest))?.usedAtMs));

/** The tests about single contents, and what they reference. */
export function contentEntries(make: MakeMetadataIndex): void {
  test('content that is not stored has no entry', async (t) => {
    const { index } = await make(t);
    await index.link(alpine, own, undefined, 1);
    assert.equal(await index.getContent(own), undefined);
  });

  test('a blob has its size, when it was stored and used, and its hits', async (t) => {
    const { index } = await make(t);
    await index.putContent(own, 5 * 2 ** 40, 1_750_000_000_000);
    await index.recordUses(new Map([[own, { atMs: 1_750_000_000_001, hits: 3 }]]));
    await index.recordUses(new Map([[own, { atMs: 1_750_000_000_000, hits: 4 }]]));
    await index.putContent(own, 5 * 2 ** 40, 1_750_000_000_002);
    assert.deepEqual(await index.getContent(own), {
      digest: own,
      sizeBytes: 5 * 2 ** 40,
      storedAtMs: 1_750_000_000_000,
      usedAtMs: 1_750_000_000_002,
      hits: 7,
      isManifest: false,
      level: 0,
      referencedBy: [],
      pinned: false,
      hosted: false,
    });
  });

  test('a manifest comes a level above what it references, in whatever order they are noted', async (t) => {
    for (const order of [
      [imageIndex, amd64],
      [amd64, imageIndex],
    ]) {
      const { index } = await make(t);
      for (const digest of order) {
        await index.putContent(digest, 1, 1);
        await index.putReferences(digest, digest === amd64 ? [own] : [amd64]);
      }
      await index.putContent(own, 1, 1);
      const entries = await Promise.all([own, amd64, imageIndex].map((digest) => index.getContent(digest)));
      assert.deepEqual(
        entries.map((entry) => [entry?.level, entry?.isManifest, entry?.referencedBy]),
        [
          [0, false, [amd64]],
          [1, true, [imageIndex]],
          [2, true, []],
        ],
      );
    }
  });

  test('a link with a media type makes a manifest, whether or not it comes before the content', async (t) => {
    const { index } = await make(t);
    await index.link(alpine, amd64, manifestType, 1);
    await index.putContent(amd64, 1, 1);
    await index.putContent(arm64, 1, 1);
    await index.link(alpine, arm64, manifestType, 1);
    for (const digest of [amd64, arm64]) assert.equal((await index.getContent(digest))?.isManifest, true);
    const unread = [amd64, arm64].sort().map((digest) => ({ digest, mediaType: manifestType }));
    assert.deepEqual(await index.listUnreadManifests({ count: 10 }), unread);
    assert.deepEqual(await index.listUnreadManifests({ count: 1 }), unread.slice(0, 1));
    assert.deepEqual(await index.listUnreadManifests({ count: 10, after: unread[0] }), unread.slice(1));
    await index.putReferences(amd64, []);
    await index.removeContent(arm64);
    assert.deepEqual(await index.listUnreadManifests({ count: 10 }), []);
  });

  test('a link tells the size of the content, as soon as it is stored and as long as it is', async (t) => {
    const { index } = await make(t);
    await index.link(alpine, own, undefined, 1);
    assert.deepEqual(await index.getLink(alpine, own), { mediaType: undefined, sizeBytes: undefined });
    await index.putContent(own, 7, 1);
    assert.deepEqual(await index.getLink(alpine, own), { mediaType: undefined, sizeBytes: 7 });
    await index.putContent(own, 8, 1);
    assert.deepEqual(await index.getLink(alpine, own), { mediaType: undefined, sizeBytes: 8 });
  });

  test('a tag that stands for stored content links it; one for what is not stored does not', async (t) => {
    const { index } = await make(t);
    await index.putContent(amd64, 7, 1);
    const entry = { mediaType: manifestType, sizeBytes: 7, checkedAtMs: 1 };
    await index.putTag(app, latest, { ...entry, digest: amd64 });
    await index.putTag(app, parseTag('arm'), { ...entry, digest: arm64 });
    assert.deepEqual(await index.getLink(app, amd64), { mediaType: manifestType, sizeBytes: 7 });
    assert.equal((await index.getContent(amd64))?.isManifest, true);
    assert.equal(await index.getLink(app, arm64), undefined);
  });

  test('references are told with the sizes of what is stored, and the last that were noted count', async (t) => {
    const { index } = await make(t);
    await index.putContent(amd64, 1, 1);
    await index.putContent(shared, 5, 1);
    await index.putReferences(amd64, [config]);
    await index.putReferences(amd64, [shared, own]);
    const references = await index.referencesOf(amd64);
    assert.deepEqual(
      new Map(references.map(({ digest, sizeBytes }) => [digest, sizeBytes])),
      new Map([
        [shared, 5],
        [own, undefined],
      ]),
    );
    assert.deepEqual(await index.referencesOf(own), []);
  });

  test('of content that is not stored no references are noted, and those of what is forgotten go with it', async (t) => {
    const { index } = await make(t);
    await index.putReferences(amd64, [own]);
    assert.deepEqual(await index.referencesOf(amd64), []);
    await putImage(index);
    await index.removeContent(amd64);
    assert.deepEqual(await index.referencesOf(amd64), []);
    assert.deepEqual((await index.getContent(shared))?.referencedBy, [arm64]);
    assert.equal((await index.referencesOf(imageIndex)).length, 2);
  });

  test('contents are forgotten together, with their links and the tags that stand for them', async (t) => {
    const { index } = await make(t);
    await putImage(index);
    const entry = { digest: amd64, mediaType: manifestType, sizeBytes: 10, checkedAtMs: 1 };
    for (const key of [alpine, app]) await index.putTag(key, latest, entry);
    await index.putTag(alpine, parseTag('all'), { ...entry, digest: imageIndex });
    await index.removeContents([amd64, own]);
    assert.deepEqual(await index.totals(), { contents: 4, sizeBytes: 1 + 100 + 1000 + 10_000 });
    for (const key of [alpine, app]) {
      assert.equal(await index.getTag(key, latest), undefined);
      assert.equal(await index.getLink(key, amd64), undefined);
    }
    assert.equal((await index.getTag(alpine, parseTag('all')))?.digest, imageIndex);
  });
}

/** The tests about uses that count for more than what was asked for. */
export function passedOnUses(make: MakeMetadataIndex): void {
  test('a use of a manifest is one of all that it references, and so on; its hits are its own', async (t) => {
    const { index } = await make(t);
    await putImage(index);
    await index.recordUses(new Map([[arm64, { atMs: 200, hits: 1 }]]));
    assert.deepEqual(
      await usesOf(index, [imageIndex, amd64, arm64, config, shared, own]),
      [100, 101, 200, 103, 200, 105],
    );
    await index.recordUses(new Map([[imageIndex, { atMs: 300, hits: 1 }]]));
    assert.deepEqual(
      await usesOf(index, [imageIndex, amd64, arm64, config, shared, own]),
      [300, 300, 300, 300, 300, 300],
    );
    assert.equal((await index.getContent(imageIndex))?.hits, 1);
    assert.equal((await index.getContent(shared))?.hits, 0);
  });

  test('of several uses the latest counts for what all of them reach', async (t) => {
    const { index } = await make(t);
    await putImage(index);
    await index.recordUses(
      new Map([
        [shared, { atMs: 210, hits: 1 }],
        [amd64, { atMs: 220, hits: 1 }],
        [imageIndex, { atMs: 200, hits: 1 }],
      ]),
    );
    assert.deepEqual(
      await usesOf(index, [imageIndex, amd64, arm64, config, shared, own]),
      [200, 220, 200, 220, 220, 220],
    );
    assert.equal((await index.getContent(shared))?.hits, 1);
  });

  test('what a manifest references counts as used with it from when that is noted', async (t) => {
    const { index } = await make(t);
    await index.putContent(shared, 1, 100);
    await index.putContent(arm64, 1, 200);
    await index.putReferences(arm64, [shared]);
    assert.deepEqual(await usesOf(index, [shared]), [200]);
  });

  test('a batch of thousands is noted whole, and other work comes between', async (t) => {
    const { index } = await make(t);
    const digests = Array.from({ length: 3000 }, (_, count) => digestOf(Buffer.from(`blob ${count}`)));
    await index.putContent(imageIndex, 1, 1);
    await index.putReferences(imageIndex, digests.slice(0, 1500));
    for (const digest of digests) await index.putContent(digest, 1, 1);
    const uses = new Map(digests.slice(1500).map((digest) => [digest, { atMs: 5, hits: 1 }]));
    await index.recordUses(uses.set(imageIndex, { atMs: 5, hits: 1 }));
    assert.deepEqual(new Set(await usesOf(index, digests)), new Set([5]));
  });
}

/** The tests of the lists that go through all of the contents. */
export function listsOfContents(make: MakeMetadataIndex): void {
  async function collect<Entry>(list: (after: Entry | undefined) => Promise<Entry[]>): Promise<Entry[]> {
    const all: Entry[] = [];
    for (let page = await list(undefined); page.length > 0; page = await list(all.at(-1))) all.push(...page);
    return all;
  }

  test('the least recently used come first, page by page; of one time what references others', async (t) => {
    const { index } = await make(t);
    await putImage(index);
    const early = digestOf(Buffer.from('early'));
    await index.putContent(early, 1, 50);
    await index.recordUses(new Map([[imageIndex, { atMs: 300, hits: 1 }]]));
    for (const count of [1, 2, 3, 100]) {
      const pages = await collect<ContentEntry>((after) => index.listLeastRecentlyUsed({ count, after }));
      assert.deepEqual(
        pages.map(({ digest }) => digest),
        [early, imageIndex, ...[amd64, arm64].sort(), ...[config, shared, own].sort()],
      );
    }
    assert.deepEqual(await index.listLeastRecentlyUsed({ count: 0 }), []);
  });

  test('a page may begin after content that is gone meanwhile', async (t) => {
    const { index } = await make(t);
    await putImage(index);
    const [first] = await index.listLeastRecentlyUsed({ count: 1 });
    assert.equal(first?.digest, imageIndex);
    await index.removeContents([imageIndex]);
    assert.equal((await index.listLeastRecentlyUsed({ count: 1, after: first }))[0]?.digest, amd64);
    assert.equal((await index.listContents({ count: 1, after: first }))[0]?.digest, afterInOrder(imageIndex));
  });

  function afterInOrder(digest: Digest): Digest | undefined {
    return [amd64, arm64, config, shared, own].sort().find((other) => other > digest);
  }

  test('all contents come in the order of their digests, with what references them', async (t) => {
    const { index } = await make(t);
    await putImage(index);
    for (const count of [1, 4, 100]) {
      const pages = await collect<ContentEntry>((after) => index.listContents({ count, after }));
      assert.deepEqual(
        pages.map(({ digest }) => digest),
        [imageIndex, amd64, arm64, config, shared, own].sort(),
      );
      const referrers = new Map(pages.map(({ digest, referencedBy }) => [digest, new Set(referencedBy)]));
      assert.deepEqual(referrers.get(shared), new Set([amd64, arm64]));
      assert.deepEqual(referrers.get(amd64), new Set([imageIndex]));
      assert.deepEqual(referrers.get(imageIndex), new Set());
    }
  });

  const manifestFacts = ({ registry, repository, digest, tags }: ManifestEntry) =>
    `${registry}/${repository}@${digest} ${tags}`;

  test('manifests come by repository, with their tags there; blobs and what is not stored do not', async (t) => {
    const { index } = await make(t);
    await putImage(index);
    await index.link(app, amd64, manifestType, 1);
    await index.link(app, own, undefined, 1);
    await index.link(app, digestOf(Buffer.from('elsewhere')), manifestType, 1);
    await index.recordUses(new Map([[imageIndex, { atMs: 300, hits: 2 }]]));
    const entry = { digest: imageIndex, mediaType: indexType, sizeBytes: 1, checkedAtMs: 1 };
    for (const tag of ['latest', '3.22', '3']) await index.putTag(alpine, parseTag(tag), entry);
    const ofAlpine = [imageIndex, amd64, arm64].sort();
    const expected = [
      ...ofAlpine.map((digest) => `docker.io/library/alpine@${digest} ${digest === imageIndex ? '3,3.22,latest' : ''}`),
      `ghcr.io/owner/app@${amd64} `,
    ];
    for (const count of [1, 2, 3, 100]) {
      const all = await collect<ManifestEntry>((after) => index.listManifests({ count, after }));
      assert.deepEqual(all.map(manifestFacts), expected);
      const hub = await collect<ManifestEntry>((after) => index.listManifests({ registry: 'docker.io', count, after }));
      assert.deepEqual(hub.map(manifestFacts), expected.slice(0, 3));
      const one = await collect<ManifestEntry>((after) => index.listManifests({ ...app, count, after }));
      assert.deepEqual(one.map(manifestFacts), expected.slice(3));
    }
    const all = await index.listManifests({ count: 100 });
    assert.deepEqual(
      all.find(({ digest }) => digest === imageIndex),
      {
        ...alpine,
        digest: imageIndex,
        mediaType: indexType,
        sizeBytes: 1,
        usedAtMs: 300,
        hits: 2,
        tags: ['3', '3.22', 'latest'],
      },
    );
  });
}

/** The tests of pins. */
export function pins(make: MakeMetadataIndex): void {
  const pinnedOf = async (index: MetadataIndex) => {
    const entries = await index.listContents({ count: 100 });
    return new Set(entries.filter(({ pinned }) => pinned).map(({ digest }) => digest));
  };

  test('pins are listed in order, each once, also of what is not here', async (t) => {
    const { index } = await make(t);
    assert.deepEqual(await index.listPins(), []);
    await index.pin(app, latest);
    await index.pin(alpine, own);
    await index.pin(alpine, latest);
    await index.pin(alpine, latest);
    assert.deepEqual(await index.listPins(), [
      { ...alpine, reference: latest },
      { ...alpine, reference: own },
      { ...app, reference: latest },
    ]);
    assert.deepEqual(await index.listRepositories(undefined, {}), []);
  });

  test('a pin that is taken away is gone; once more takes nothing', async (t) => {
    const { index } = await make(t);
    assert.equal(await index.unpin(alpine, latest), false);
    await index.pin(alpine, latest);
    await index.pin(app, latest);
    assert.equal(await index.unpin(alpine, latest), true);
    assert.equal(await index.unpin(alpine, latest), false);
    assert.deepEqual(await index.listPins(), [{ ...app, reference: latest }]);
  });

  test('what a pinned digest references is pinned with it, and what references it is not', async (t) => {
    const { index } = await make(t);
    await putImage(index);
    await index.pin(alpine, arm64);
    assert.deepEqual(await pinnedOf(index), new Set([arm64, shared]));
    assert.equal((await index.getContent(shared))?.pinned, true);
    assert.equal((await index.listLeastRecentlyUsed({ count: 1 }))[0]?.pinned, false);
    await index.unpin(alpine, arm64);
    assert.deepEqual(await pinnedOf(index), new Set());
  });

  test('a pin by tag follows the tag, and holds of its own repository only', async (t) => {
    const { index } = await make(t);
    await putImage(index);
    await index.pin(alpine, latest);
    assert.deepEqual(await pinnedOf(index), new Set());
    const entry = { digest: arm64, mediaType: manifestType, sizeBytes: 100, checkedAtMs: 1 };
    await index.putTag(app, latest, { ...entry, digest: amd64 });
    await index.putTag(alpine, parseTag('other'), { ...entry, digest: amd64 });
    assert.deepEqual(await pinnedOf(index), new Set());
    await index.putTag(alpine, latest, entry);
    assert.deepEqual(await pinnedOf(index), new Set([arm64, shared]));
    await index.putTag(alpine, latest, { ...entry, digest: imageIndex });
    assert.deepEqual(await pinnedOf(index), new Set([imageIndex, amd64, arm64, config, shared, own]));
  });
}

/** The test of what an index knows of other users of it. */
export function changes(make: MakeMetadataIndex): void {
  test('what it writes itself is no change elsewhere', async (t) => {
    const { index } = await make(t);
    await putImage(index);
    assert.equal(await index.changedElsewhere(), false);
  });
}
