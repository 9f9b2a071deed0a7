import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { rememberIndex } from '../../../src/cache/index/index-memory.ts';
import type { HostedIndex } from '../../../src/index/hosted-index.ts';
import type { MetadataIndex } from '../../../src/index/metadata-index.ts';
import { openSqliteIndex } from '../../../src/index/sqlite/sqlite.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { parseRepository, parseTag, type Tag } from '../../../src/oci/reference.ts';
import { tmpDir } from '../../support/disk/tmp.ts';

const key = { registry: 'docker.io', repository: parseRepository('library/alpine') };
const other = { registry: 'docker.io', repository: parseRepository('library/nginx') };
const digest = digestOf(Buffer.from('x'));

/** An index that counts how often it is asked for a link, behind one that remembers them. */
function setUp(t: TestContext) {
  const file = join(tmpDir(t), 'index.sqlite');
  const index = openSqliteIndex(file);
  t.after(() => index.close());
  const asked = { count: 0 };
  const counting: Partial<MetadataIndex> = {
    getLink(of, linked) {
      asked.count++;
      return index.getLink(of, linked);
    },
    getTag(of, tag) {
      asked.count++;
      return index.getTag(of, tag);
    },
    putTag: index.putTag.bind(index),
    removeTag: index.removeTag.bind(index),
    link: index.link.bind(index),
    unlink: index.unlink.bind(index),
    putContent: index.putContent.bind(index),
    removeContent: index.removeContent.bind(index),
    removeContents: index.removeContents.bind(index),
    changedElsewhere: index.changedElsewhere.bind(index),
  };
  return { index, file, asked, links: rememberIndex(counting as MetadataIndex & HostedIndex) };
}

test('a link that was found is not asked for again', async (t) => {
  const { links, asked } = setUp(t);
  await links.link(key, digest, 'type', 1);
  for (let i = 0; i < 3; i++)
    assert.deepEqual(await links.getLink(key, digest), { mediaType: 'type', sizeBytes: undefined });
  assert.equal(asked.count, 1);
});

test('a link that was not found is asked for every time', async (t) => {
  const { links, index } = setUp(t);
  assert.equal(await links.getLink(key, digest), undefined);
  await index.link(key, digest, undefined, 1); // as another process does
  assert.deepEqual(await links.getLink(key, digest), { mediaType: undefined, sizeBytes: undefined });
});

test('a link of one repository is none of another, nor of another registry', async (t) => {
  const { links } = setUp(t);
  await links.link(key, digest, undefined, 1);
  await links.getLink(key, digest);
  assert.equal(await links.getLink(other, digest), undefined);
  assert.equal(await links.getLink({ ...key, registry: 'ghcr.io' }, digest), undefined);
});

test('a link that is written, removed, or loses its content is not remembered as it was', async (t) => {
  const { links } = setUp(t);
  await links.link(key, digest, undefined, 1);
  await links.link(other, digest, undefined, 1);
  assert.deepEqual(await links.getLink(key, digest), { mediaType: undefined, sizeBytes: undefined });
  await links.link(key, digest, 'type', 2);
  assert.deepEqual(await links.getLink(key, digest), { mediaType: 'type', sizeBytes: undefined });
  assert.equal(await links.unlink(key, digest), true);
  assert.equal(await links.getLink(key, digest), undefined);
  assert.deepEqual(await links.getLink(other, digest), { mediaType: undefined, sizeBytes: undefined });
  await links.removeContent(digest);
  assert.equal(await links.getLink(other, digest), undefined);
});

test('a tag that was found is not asked for again, until it is written or removed', async (t) => {
  const { links: tags, asked } = setUp(t);
  const latest = parseTag('latest');
  const entry = { digest, mediaType: 'type', sizeBytes: 1, checkedAtMs: 1 };
  assert.equal(await tags.getTag(key, latest), undefined);
  await tags.putTag(key, latest, entry);
  asked.count = 0;
  for (let i = 0; i < 3; i++) assert.deepEqual(await tags.getTag(key, latest), entry);
  assert.equal(asked.count, 1);
  await tags.putTag(key, latest, { ...entry, checkedAtMs: 2 });
  assert.equal((await tags.getTag(key, latest))?.checkedAtMs, 2);
  assert.equal(await tags.getTag(other, latest), undefined);
  await tags.removeTag(key, latest);
  assert.equal(await tags.getTag(key, latest), undefined);
});

test('a remembered link never says a size that was, of any repository', async (t) => {
  const { links, index } = setUp(t);
  for (const each of [key, other]) await links.link(each, digest, undefined, 1);
  const sizes = async () =>
    Promise.all([key, other].map(async (of) => (await links.getLink(of, digest))?.sizeBytes ?? 'none'));
  assert.deepEqual(await sizes(), ['none', 'none']);
  await links.putContent(digest, 5, 1);
  assert.deepEqual(await sizes(), [5, 5]);
  await links.putContent(digest, 6, 1);
  assert.deepEqual(await sizes(), [6, 6]);
  await links.removeContents([digest]);
  assert.equal(await links.getLink(key, digest), undefined);
  assert.deepEqual(await index.totals(), { contents: 0, sizeBytes: 0 });
});

test('a link that was looked for while it was written is not remembered', async (t) => {
  const { index } = setUp(t);
  await index.link(key, digest, undefined, 1);
  const found = Promise.withResolvers<void>();
  const slow: Partial<MetadataIndex> = {
    async getLink(of, linked) {
      const link = await index.getLink(of, linked);
      await found.promise;
      return link;
    },
    putContent: index.putContent.bind(index),
  };
  const links = rememberIndex(slow as MetadataIndex & HostedIndex);
  const before = links.getLink(key, digest);
  await links.putContent(digest, 5, 1);
  found.resolve();
  assert.equal((await before)?.sizeBytes, undefined);
  assert.equal((await links.getLink(key, digest))?.sizeBytes, 5);
});

test('contents that are removed take what is remembered of their tags along', async (t) => {
  const { links, asked } = setUp(t);
  const [latest, stays] = ['latest', 'stays'].map(parseTag) as [Tag, Tag];
  const entry = { digest, mediaType: 'type', sizeBytes: 1, checkedAtMs: 1 };
  await links.putTag(key, latest, entry);
  await links.putTag(key, stays, { ...entry, digest: digestOf(Buffer.from('y')) });
  for (const tag of [latest, stays]) assert.ok(await links.getTag(key, tag));
  await links.removeContents([digest]);
  asked.count = 0;
  assert.equal(await links.getTag(key, latest), undefined);
  assert.ok(await links.getTag(key, stays));
  assert.equal(asked.count, 1);
});

test('what another process changed is remembered until it is asked for, and not after', async (t) => {
  const { links, file } = setUp(t);
  const elsewhere = openSqliteIndex(file);
  t.after(() => elsewhere.close());
  const latest = parseTag('latest');
  await links.link(key, digest, 'type', 1);
  await links.putTag(key, latest, { digest, mediaType: 'type', sizeBytes: 1, checkedAtMs: 1 });
  assert.ok(await links.getLink(key, digest));
  assert.ok(await links.getTag(key, latest));
  assert.equal(await links.changedElsewhere(), false);
  await elsewhere.removeContents([digest]);
  assert.ok(await links.getLink(key, digest));
  assert.equal(await links.changedElsewhere(), true);
  assert.equal(await links.getLink(key, digest), undefined);
  assert.equal(await links.getTag(key, latest), undefined);
});
