import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertOwnFolder, refusalOf } from './foreign-folder.ts';

test('root is kept from writing to the folder of another user, and told by whom it is to be done', () => {
  const refusal = refusalOf('/var/lib/entrepot', 0, 996);

  assert.match(refusal ?? '', /^Cannot write to "\/var\/lib\/entrepot" as root: it belongs to user 996, .*'#996'$/);
});

test('whoever writes to a folder of his own, and another user than root, is let', () => {
  assert.equal(refusalOf('data', 0, 0), undefined);
  assert.equal(refusalOf('data', 996, 996), undefined);
  assert.equal(refusalOf('data', 996, 0), undefined);
  assert.equal(refusalOf('data', undefined, 996), undefined);
});

test('a folder of this user, and one that is not there yet, may be written to', (t) => {
  const data = mkdtempSync(join(tmpdir(), 'entrepot-own-'));
  t.after(() => rmSync(data, { recursive: true }));

  assertOwnFolder(data);
  assertOwnFolder(join(data, 'none'));
});
