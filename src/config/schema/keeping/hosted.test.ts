import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifestSize } from './hosted.ts';

test('the size of manifests is a size that readers take, too', () => {
  assert.equal(parseManifestSize('4MiB'), 4 * 1024 * 1024);
  assert.equal(parseManifestSize('8MiB'), 8 * 1024 * 1024);
  assert.throws(() => parseManifestSize('8.1MiB'), /8MiB at most/);
  assert.throws(() => parseManifestSize('0'), /above zero/);
});
