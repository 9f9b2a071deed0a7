import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { tmpDir } from '../../../../test/support/disk/tmp.ts';
import { digestOf } from '../../../oci/digest.ts';
import { parseRepository } from '../../../oci/reference.ts';
import { openSqliteIndex } from '../sqlite.ts';
import { migrate, migrations } from '../sqlite-migration.ts';
import { readTotals } from './read-totals.ts';

test('the totals are those of the index, whether a server has it open or not, and the file stays as it is', async (t) => {
  const file = join(tmpDir(t), 'index-v1.sqlite');
  const index = openSqliteIndex(file);
  for (const [content, sizeBytes] of [
    ['a', 700],
    ['b', 55],
  ] as const) {
    await index.putContent(digestOf(Buffer.from(content), 'sha256'), sizeBytes, 1);
  }
  const totals = { contents: 2, sizeBytes: 755 };
  const app = parseRepository('team/app');
  await index.addBlob(app, digestOf(Buffer.from('c')), 3000, 1);
  await index.addBlob(app, digestOf(Buffer.from('d')), 9, 1);
  const hosted = { repositories: 1, contents: 2, sizeBytes: 3009 };
  assert.deepEqual(readTotals(file), { ...totals, hosted });
  assert.deepEqual([await index.totals(), await index.hostedTotals()], [totals, hosted]);
  await index.close();
  const before = readFileSync(file);
  assert.deepEqual(readTotals(file), { ...totals, hosted });
  assert.deepEqual(readFileSync(file), before);
});

test('where there is no index, none is made', (t) => {
  const file = join(tmpDir(t), 'index-v1.sqlite');
  assert.equal(readTotals(file), undefined);
  assert.equal(existsSync(file), false);
});

test('a damaged index is told of, and left where it is', (t) => {
  const file = join(tmpDir(t), 'index-v1.sqlite');
  const words = 'these are words and no database '.repeat(100);
  writeFileSync(file, words);
  assert.throws(() => readTotals(file), { code: 'INDEX_UNREADABLE', message: /^Cannot read the index ".*": / });
  assert.equal(readFileSync(file, 'utf8'), words);
});

test('the index of an older version, which knows of nothing that is hosted, is read, and left as it is', (t) => {
  const file = join(tmpDir(t), 'index-v1.sqlite');
  const database = new DatabaseSync(file);
  migrate(database, migrations.slice(0, 2));
  database.exec(`INSERT INTO contents (digest, size_bytes, used_at_ms) VALUES ('sha256:a', 7, 1)`);
  database.close();
  const before = readFileSync(file);
  const hosted = { repositories: 0, contents: 0, sizeBytes: 0 };
  assert.deepEqual(readTotals(file), { contents: 1, sizeBytes: 7, hosted });
  assert.deepEqual(readFileSync(file), before);
});
