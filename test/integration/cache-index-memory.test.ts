import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { rememberIndex } from '../../src/cache/index-memory.ts';
import type { MetadataIndex } from '../../src/index/metadata-index.ts';
import { openSqliteIndex } from '../../src/index/sqlite.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { parseRepository, parseTag } from '../../src/oci/reference.ts';
import { tmpDir } from '../support/tmp.ts';

const key = { registry: 'docker.io', repository: parseRepository('library/alpine') };
const other = { registry: 'docker.io', repository: parseRepository('library/nginx') };
const digest = digestOf(Buffer.from('x'));

/** An index that counts how often it is asked for a link, behind one that remembers them. */
function setUp(t: TestContext) {
  const index = openSqliteIndex(join(tmpDir(t), 'index.sqlite'));
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
    removeContent: index.removeContent.bind(index),
  };
  return { index, asked, links: rememberIndex(counting as MetadataIndex) };
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
