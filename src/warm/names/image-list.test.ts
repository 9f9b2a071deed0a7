import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readImageList } from './image-list.ts';

test('a list has one name on a line, and comments', () => {
  const text = '\u{feff}# all of them\r\nnginx:1.27\n\n   ghcr.io/a/b@sha256:00  # pinned\n\tredis#7\n  # end';
  assert.deepEqual(readImageList(text), ['nginx:1.27', 'ghcr.io/a/b@sha256:00', 'redis#7']);
});

test('whatever a list is, its names are neither empty nor with a line break or blanks around', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const name of readImageList(text)) assert.ok(name !== '' && name === name.trim() && !/[\r\n]/.test(name));
    }),
  );
});
