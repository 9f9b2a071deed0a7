import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { rememberIndex } from '../../src/cache/index/index-memory.ts';
import { openSqliteIndex } from '../../src/index/sqlite/sqlite.ts';
import { tmpDir } from '../support/disk/tmp.ts';
import { hostedIndexContract } from './hosted-index-contract.ts';
import { metadataIndexContract } from './metadata-index-contract.ts';

function open(t: TestContext): { index: ReturnType<typeof openSqliteIndex>; file: string } {
  const file = join(tmpDir(t), 'index.sqlite');
  const index = openSqliteIndex(file);
  t.after(() => index.close());
  return { index, file };
}

metadataIndexContract('rememberIndex()', async (t) => {
  const { index, file } = open(t);
  return {
    index: rememberIndex(index),
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

hostedIndexContract('rememberIndex()', async (t) => rememberIndex(open(t).index));
