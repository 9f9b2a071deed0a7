import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { MetadataIndex, RepositoryKey, TagEntry } from '../../src/index/metadata-index.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { parseRepository, parseTag } from '../../src/oci/reference.ts';
import type { MakeMetadataIndex } from '../support/index-under-test.ts';
import { changes, contentEntries, listsOfContents, passedOnUses, pins } from './metadata-index-contents.ts';

/** The tests that every `MetadataIndex` passes. */
export function metadataIndexContract(name: string, make: MakeMetadataIndex): void {
  describe(`${name} is a metadata index`, () => {
    describe('tags', () => tags(make));
    describe('pages of tags', () => pagesOfTags(make));
    describe('links', () => links(make));
    describe('pages of repositories', () => pagesOfRepositories(make));
    describe('stored content', () => contents(make));
    describe('uses', () => uses(make));
    describe('entries of stored content', () => contentEntries(make));
    describe('uses that are passed on', () => passedOnUses(make));
    describe('lists of stored content', () => listsOfContents(make));
    describe('kinds of repositories', () => kinds(make));
    describe('pins', () => pins(make));
    describe('changes', () => changes(make));
  });
}

const alpine = repositoryKey('docker.io', 'library/alpine');
const latest = parseTag('latest');
const image = digestOf(Buffer.from('an image'));
const layer = digestOf(Buffer.from('a layer'), 'sha512');
const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const indexType = 'application/vnd.oci.image.index.v1+json';
const entry: TagEntry = { digest: image, mediaType: manifestType, sizeBytes: 1234, checkedAtMs: 1_750_000_000_123 };

function tags(make: MakeMetadataIndex): void {
  test('a tag that was never asked for is not there', async (t) => {
    const { index } = await make(t);
    assert.equal(await index.getTag(alpine, latest), undefined);
    await index.putTag(alpine, parseTag('3.22'), entry);
    assert.equal(await index.getTag(alpine, latest), undefined);
  });

  test('a tag stands for what was written last', async (t) => {
    const { index } = await make(t);
    await index.putTag(alpine, latest, entry);
    assert.deepEqual(await index.getTag(alpine, latest), entry);
    const later = { digest: layer, mediaType: indexType, sizeBytes: 5 * 2 ** 40, checkedAtMs: entry.checkedAtMs + 1 };
    await index.putTag(alpine, latest, later);
    assert.deepEqual(await index.getTag(alpine, latest), later);
  });

  test('one tag in two repositories, or of two registries, is two', async (t) => {
    const { index } = await make(t);
    const others = [repositoryKey('docker.io', 'library/debian'), repositoryKey('ghcr.io', 'library/alpine')];
    await index.putTag(alpine, latest, entry);
    for (const other of others) assert.equal(await index.getTag(other, latest), undefined);
    for (const other of others) await index.putTag(other, latest, { ...entry, sizeBytes: 1 });
    assert.deepEqual(await index.getTag(alpine, latest), entry);
  });

  test('tags that differ in case are two', async (t) => {
    const { index } = await make(t);
    await index.putTag(alpine, latest, entry);
    assert.equal(await index.getTag(alpine, parseTag('Latest')), undefined);
  });

  test('a tag that is removed is not there; once more removes nothing', async (t) => {
    const { index } = await make(t);
    assert.equal(await index.removeTag(alpine, latest), false);
    await index.putTag(alpine, latest, entry);
    await index.putTag(alpine, parseTag('3.22'), entry);
    assert.equal(await index.removeTag(alpine, latest), true);
    assert.equal(await index.removeTag(alpine, latest), false);
    assert.equal(await index.getTag(alpine, latest), undefined);
    assert.deepEqual(await index.getTag(alpine, parseTag('3.22')), entry);
  });
}

function pagesOfTags(make: MakeMetadataIndex): void {
  const inOrder = ['1.10', '1.9', 'A', 'Z', '_', 'a', 'a-b', 'a.b', 'a0', 'aa', 'b'];

  async function filledIndex(t: TestContext): Promise<MetadataIndex> {
    const { index } = await make(t);
    for (const tag of inOrder.toReversed()) await index.putTag(alpine, parseTag(tag), entry);
    await index.putTag(repositoryKey('docker.io', 'library/debian'), parseTag('elsewhere'), entry);
    return index;
  }

  test('a repository that nothing is known of has none', async (t) => {
    assert.deepEqual(await (await make(t)).index.listTags(alpine, {}), []);
  });

  test('without a count all tags come, in the order of their code points', async (t) => {
    assert.deepEqual(await (await filledIndex(t)).listTags(alpine, {}), inOrder);
  });

  test('a count limits the page, and the last tag begins the next', async (t) => {
    const index = await filledIndex(t);
    const listed: string[] = [];
    for (let page = await index.listTags(alpine, { count: 4 }); page.length > 0; ) {
      assert(page.length <= 4);
      listed.push(...page);
      page = await index.listTags(alpine, { count: 4, last: page.at(-1) });
    }
    assert.deepEqual(listed, inOrder);
    assert.deepEqual(await index.listTags(alpine, { count: 0 }), []);
  });

  test('a page may begin after a tag that is not there', async (t) => {
    const index = await filledIndex(t);
    assert.deepEqual(await index.listTags(alpine, { last: 'a00' }), ['aa', 'b']);
    assert.deepEqual(await index.listTags(alpine, { last: 'zzz' }), []);
  });
}

function links(make: MakeMetadataIndex): void {
  test('there is no link before it is made', async (t) => {
    const { index } = await make(t);
    assert.equal(await index.getLink(alpine, image), undefined);
    await index.link(alpine, layer, undefined, 1);
    assert.equal(await index.getLink(alpine, image), undefined);
  });

  test('a manifest is linked with its media type, a blob without', async (t) => {
    const { index } = await make(t);
    await index.link(alpine, image, manifestType, 1);
    await index.link(alpine, layer, undefined, 1);
    assert.deepEqual(await index.getLink(alpine, image), { mediaType: manifestType, sizeBytes: undefined });
    assert.deepEqual(await index.getLink(alpine, layer), { mediaType: undefined, sizeBytes: undefined });
  });

  test('a link that is made again has the media type that came last', async (t) => {
    const { index } = await make(t);
    await index.link(alpine, image, undefined, 1);
    await index.link(alpine, image, manifestType, 2);
    assert.deepEqual(await index.getLink(alpine, image), { mediaType: manifestType, sizeBytes: undefined });
    await index.link(alpine, image, indexType, 3);
    assert.deepEqual(await index.getLink(alpine, image), { mediaType: indexType, sizeBytes: undefined });
  });

  test('a manifest that is fetched as a blob too stays a manifest', async (t) => {
    const { index } = await make(t);
    await index.link(alpine, image, manifestType, 1);
    await index.link(alpine, image, undefined, 2);
    assert.deepEqual(await index.getLink(alpine, image), { mediaType: manifestType, sizeBytes: undefined });
  });

  test('a link is of one repository only', async (t) => {
    const { index } = await make(t);
    await index.link(alpine, image, manifestType, 1);
    assert.equal(await index.getLink(repositoryKey('docker.io', 'library/debian'), image), undefined);
    assert.equal(await index.getLink(repositoryKey('ghcr.io', 'library/alpine'), image), undefined);
  });

  test('a link that is removed is not there; once more removes nothing', async (t) => {
    const { index } = await make(t);
    const debian = repositoryKey('docker.io', 'library/debian');
    assert.equal(await index.unlink(alpine, image), false);
    await index.link(alpine, image, manifestType, 1);
    await index.link(debian, image, manifestType, 1);
    assert.equal(await index.unlink(alpine, image), true);
    assert.equal(await index.unlink(alpine, image), false);
    assert.equal(await index.getLink(alpine, image), undefined);
    assert.deepEqual(await index.getLink(debian, image), { mediaType: manifestType, sizeBytes: undefined });
  });

  test('links to content that is not stored are dead, once they are of before a time', async (t) => {
    const { index } = await make(t);
    const debian = repositoryKey('docker.io', 'library/debian');
    await index.link(alpine, image, undefined, 10);
    await index.link(debian, image, undefined, 20);
    assert.deepEqual(await index.listDeadLinks(10, 9), []);
    assert.deepEqual(await index.listDeadLinks(20, 9), [{ ...alpine, digest: image }]);
    assert.equal((await index.listDeadLinks(21, 9)).length, 2);
    assert.equal((await index.listDeadLinks(21, 1)).length, 1);
    await index.putContent(image, 5, 30);
    assert.deepEqual(await index.listDeadLinks(99, 9), []);
  });
}

function pagesOfRepositories(make: MakeMetadataIndex): void {
  // By registry, then by name: '-' and '.' come before '/', which comes before letters.
  const inOrder = [
    repositoryKey('docker.io', 'a-b'),
    repositoryKey('docker.io', 'a/b'),
    repositoryKey('docker.io', 'ab'),
    repositoryKey('docker.io', 'z'),
    repositoryKey('ghcr.io', 'a'),
    repositoryKey('ghcr.io', 'b'),
    repositoryKey('quay.io', 'a'),
  ];
  const ofDockerHub = inOrder.slice(0, 4);

  async function filledIndex(t: TestContext): Promise<MetadataIndex> {
    const { index } = await make(t);
    for (const [position, key] of inOrder.toReversed().entries()) {
      if (position % 2 === 0) await index.putTag(key, latest, entry);
      else await index.link(key, layer, undefined, 1);
    }
    return index;
  }

  test('those with tags and those with links come, in the order of registry and name', async (t) => {
    const index = await filledIndex(t);
    assert.deepEqual(await index.listRepositories(undefined, {}), inOrder);
    assert.deepEqual(await index.listRepositories('docker.io', {}), ofDockerHub);
    assert.deepEqual(await index.listRepositories('docker', {}), []);
  });

  test('a repository that has both tags and links comes once', async (t) => {
    const { index } = await make(t);
    await index.putTag(alpine, latest, entry);
    await index.link(alpine, image, manifestType, 1);
    await index.link(alpine, layer, undefined, 1);
    assert.deepEqual(await index.listRepositories(undefined, {}), [alpine]);
  });

  test('a repository whose last tag and link are gone does not come, and comes again with the next', async (t) => {
    const { index } = await make(t);
    await index.putTag(alpine, latest, entry);
    await index.link(alpine, image, manifestType, 1);
    await index.removeTag(alpine, latest);
    assert.deepEqual(await index.listRepositories(undefined, {}), [alpine]);
    await index.unlink(alpine, image);
    assert.deepEqual(await index.listRepositories(undefined, {}), []);
    await index.putTag(alpine, latest, entry);
    assert.deepEqual(await index.listRepositories(undefined, {}), [alpine]);
  });

  test('asking for what is not there makes no repository', async (t) => {
    const { index } = await make(t);
    await index.getTag(alpine, latest);
    await index.getLink(alpine, image);
    await index.listTags(alpine, {});
    await index.removeTag(alpine, latest);
    await index.unlink(alpine, image);
    assert.deepEqual(await index.listRepositories(undefined, {}), []);
  });

  test('a count limits the page, and the last repository begins the next', async (t) => {
    const index = await filledIndex(t);
    for (const [registry, expected] of [[undefined, inOrder] as const, ['docker.io', ofDockerHub] as const]) {
      const listed: RepositoryKey[] = [];
      for (let page = await index.listRepositories(registry, { count: 3 }); page.length > 0; ) {
        assert(page.length <= 3);
        listed.push(...page);
        page = await index.listRepositories(registry, { count: 3, after: page.at(-1) });
      }
      assert.deepEqual(listed, expected);
      assert.deepEqual(await index.listRepositories(registry, { count: 0 }), []);
    }
  });

  test('a page may begin after a repository that is not there, of any registry', async (t) => {
    const index = await filledIndex(t);
    const between = repositoryKey('docker.io', 'b');
    assert.deepEqual(await index.listRepositories(undefined, { after: between }), inOrder.slice(3));
    assert.deepEqual(await index.listRepositories('docker.io', { after: between }), inOrder.slice(3, 4));
    assert.deepEqual(await index.listRepositories('ghcr.io', { after: between }), inOrder.slice(4, 6));
    assert.deepEqual(await index.listRepositories('docker.io', { after: repositoryKey('ghcr.io', 'a') }), []);
  });
}

function contents(make: MakeMetadataIndex): void {
  test('an empty index has stored nothing', async (t) => {
    assert.deepEqual(await (await make(t)).index.totals(), { contents: 0, sizeBytes: 0 });
  });

  test('stored content is counted once, with its size, however often it is noted or linked', async (t) => {
    const { index } = await make(t);
    await index.putContent(image, 1000, 1);
    await index.putContent(layer, 5 * 2 ** 40, 1);
    await index.putContent(image, 1000, 2);
    await index.link(alpine, layer, undefined, 2);
    await index.link(repositoryKey('ghcr.io', 'a'), layer, undefined, 2);
    assert.deepEqual(await index.totals(), { contents: 2, sizeBytes: 1000 + 5 * 2 ** 40 });
  });

  test('content that is noted with another size counts with that', async (t) => {
    const { index } = await make(t);
    await index.putContent(image, 1000, 1);
    await index.putContent(image, 10, 1);
    assert.deepEqual(await index.totals(), { contents: 1, sizeBytes: 10 });
  });

  test('content that is forgotten is not counted, and every link to it is gone', async (t) => {
    const { index } = await make(t);
    const debian = repositoryKey('docker.io', 'library/debian');
    await index.putContent(image, 1000, 1);
    await index.putContent(layer, 20, 1);
    for (const key of [alpine, debian]) {
      await index.link(key, image, manifestType, 1);
      await index.link(key, layer, undefined, 1);
    }
    await index.removeContent(image);
    assert.deepEqual(await index.totals(), { contents: 1, sizeBytes: 20 });
    for (const key of [alpine, debian]) {
      assert.equal(await index.getLink(key, image), undefined);
      assert.deepEqual(await index.getLink(key, layer), { mediaType: undefined, sizeBytes: 20 });
    }
    await index.removeContent(image);
    assert.deepEqual(await index.totals(), { contents: 1, sizeBytes: 20 });
  });

  test('a tag still stands for content that is forgotten, as upstream said so', async (t) => {
    const { index } = await make(t);
    await index.putContent(image, 1000, 1);
    await index.putTag(alpine, latest, entry);
    await index.removeContent(image);
    assert.deepEqual(await index.getTag(alpine, latest), entry);
  });

  test('a link may come before its content is stored, and goes with it all the same', async (t) => {
    const { index } = await make(t);
    await index.link(alpine, image, manifestType, 1);
    assert.deepEqual(await index.totals(), { contents: 0, sizeBytes: 0 });
    await index.removeContent(image);
    assert.equal(await index.getLink(alpine, image), undefined);
  });
}

function uses(make: MakeMetadataIndex): void {
  test('content counts as used when it was stored', async (t) => {
    const { index, readLastUse } = await make(t);
    await index.putContent(image, 1, 1_750_000_000_000);
    assert.equal(await readLastUse(image), 1_750_000_000_000);
  });

  test('many uses are noted at once', async (t) => {
    const { index, readLastUse } = await make(t);
    await index.putContent(image, 1, 100);
    await index.putContent(layer, 1, 100);
    await index.recordUses(
      new Map([
        [image, { atMs: 200, hits: 1 }],
        [layer, { atMs: 300, hits: 0 }],
      ]),
    );
    assert.equal(await readLastUse(image), 200);
    assert.equal(await readLastUse(layer), 300);
  });

  test('unknown digests are passed over, and become no content', async (t) => {
    const { index, readLastUse } = await make(t);
    await index.putContent(image, 1, 100);
    await index.recordUses(
      new Map([
        [layer, { atMs: 200, hits: 1 }],
        [image, { atMs: 200, hits: 1 }],
      ]),
    );
    assert.equal(await readLastUse(image), 200);
    assert.equal(await readLastUse(layer), undefined);
    assert.deepEqual(await index.totals(), { contents: 1, sizeBytes: 1 });
  });

  test('times never go back', async (t) => {
    const { index, readLastUse } = await make(t);
    await index.putContent(image, 1, 500);
    await index.recordUses(new Map([[image, { atMs: 400, hits: 1 }]]));
    assert.equal(await readLastUse(image), 500);
    await index.recordUses(new Map([[image, { atMs: 600, hits: 1 }]]));
    await index.putContent(image, 1, 550);
    assert.equal(await readLastUse(image), 600);
    await index.putContent(image, 1, 700);
    assert.equal(await readLastUse(image), 700);
  });

  test('no uses at all are no harm', async (t) => {
    const { index } = await make(t);
    await index.recordUses(new Map());
    assert.deepEqual(await index.totals(), { contents: 0, sizeBytes: 0 });
  });
}

function repositoryKey(registry: string, repository: string): RepositoryKey {
  return { registry, repository: parseRepository(repository) };
}

function kinds(make: MakeMetadataIndex): void {
  test('nobody knows of what kind a repository is until it is noted, and what is noted last counts', async (t) => {
    const { index } = await make(t);
    await index.link(alpine, layer, undefined, 1);
    assert.equal(await index.getKind(alpine), undefined);
    await index.putKind(alpine, 'open');
    assert.equal(await index.getKind(alpine), 'open');
    await index.putKind(alpine, 'guarded', { ifKnown: true });
    assert.equal(await index.getKind(alpine), 'guarded');
    assert.equal(await index.getKind(repositoryKey('ghcr.io', alpine.repository)), undefined);
  });

  test('of a repository that is not known nothing is noted when that is not wanted, and it is not listed', async (t) => {
    const { index } = await make(t);
    await index.putKind(alpine, 'guarded', { ifKnown: true });
    assert.equal(await index.getKind(alpine), undefined);
    await index.putKind(alpine, 'guarded');
    assert.equal(await index.getKind(alpine), 'guarded');
    assert.deepEqual(await index.listRepositories(undefined, {}), []);
  });

  test('all repositories of one registry become guarded', async (t) => {
    const { index } = await make(t);
    const [debian, elsewhere] = [repositoryKey('docker.io', 'debian'), repositoryKey('ghcr.io', 'debian')];
    await index.putKind(alpine, 'open');
    await index.link(debian, layer, undefined, 1);
    await index.putKind(elsewhere, 'open');
    await index.guardAll('docker.io');
    assert.equal(await index.getKind(alpine), 'guarded');
    assert.equal(await index.getKind(debian), 'guarded');
    assert.equal(await index.getKind(elsewhere), 'open');
  });

  test('content is everybody’s when a repository is linked to it that is known to be open', async (t) => {
    const { index } = await make(t);
    const guarded = repositoryKey('ghcr.io', 'secret');
    await index.putContent(layer, 1, 1);
    assert.equal(await index.hasOpenHolder(layer), false);
    await index.link(guarded, layer, undefined, 1);
    await index.putKind(guarded, 'guarded');
    await index.link(alpine, layer, undefined, 1);
    assert.equal(await index.hasOpenHolder(layer), false);
    await index.putKind(alpine, 'open');
    assert.equal(await index.hasOpenHolder(layer), true);
    await index.unlink(alpine, layer);
    assert.equal(await index.hasOpenHolder(layer), false);
  });
}
