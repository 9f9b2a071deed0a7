import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { rememberLinks } from '../../src/cache/link-memory.ts';
import type { MetadataIndex } from '../../src/index/metadata-index.ts';
import { openSqliteIndex } from '../../src/index/sqlite.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { tmpDir } from '../support/tmp.ts';
import { metadataIndexContract } from './metadata-index-contract.ts';

function open(t: TestContext): { index: MetadataIndex; file: string } {
  const file = join(tmpDir(t), 'index.sqlite');
  const index = openSqliteIndex(file);
  t.after(() => index.close());
  return { index, file };
}

metadataIndexContract('rememberLinks()', async (t) => {
  const { index, file } = open(t);
  return {
    index: rememberLinks(index),
    async readLastUse(digest) {
      const database = new DatabaseSync(file, { readOnly: true });
      try {
        const row = database.prepare('SELECT used_at_ms FROM contents WHERE digest = ?').get(digest);
        return row && Number(row['used_at_ms']);
      } finally {
        database.close();
      }
    },
  };
});

test('rememberLinks() asks the index for a link once, and again when it may have changed', async (t) => {
  const { index } = open(t);
  let asked = 0;
  const getLink: MetadataIndex['getLink'] = (...args) => {
    asked++;
    return index.getLink(...args);
  };
  const counting: MetadataIndex = Object.create(index, {
    getLink: { value: getLink },
    link: { value: index.link.bind(index) },
    removeContent: { value: index.removeContent.bind(index) },
  });
  const links = rememberLinks(counting);
  const key = { registry: 'docker.io', repository: parseRepository('library/alpine') };
  const digest = digestOf(Buffer.from('a layer'));
  assert.equal(await links.getLink(key, digest), undefined);
  await links.link(key, digest, undefined, 1);
  asked = 0;
  for (let i = 0; i < 3; i++) assert.ok(await links.getLink(key, digest));
  assert.equal(asked, 1);
  await links.link(key, digest, 'text/plain', 2);
  assert.deepEqual(await links.getLink(key, digest), { mediaType: 'text/plain' });
  await links.removeContent(digest);
  assert.equal(await links.getLink(key, digest), undefined);
});
