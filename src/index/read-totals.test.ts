import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tmpDir } from '../../test/support/tmp.ts';
import { digestOf } from '../oci/digest.ts';
import { readTotals } from './read-totals.ts';
import { openSqliteIndex } from './sqlite.ts';

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
  assert.deepEqual(readTotals(file), totals);
  assert.deepEqual(await index.totals(), totals);
  await index.close();
  const before = readFileSync(file);
  assert.deepEqual(readTotals(file), totals);
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
