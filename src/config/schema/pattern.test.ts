import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRepositoryGlob, parseTagPattern } from './pattern.ts';

test('parseRepositoryGlob() matches whole names: * within a component, ** over several', () => {
  const table: readonly [glob: string, matching: string[], others: string[]][] = [
    ['library/alpine', ['library/alpine'], ['library/alpine2', 'my/library/alpine', 'library/alpin']],
    ['library/*', ['library/alpine', 'library/a.b'], ['library/a/b', 'library', 'xlibrary/a']],
    ['*/app', ['owner/app'], ['app', 'a/b/app']],
    ['owner/**', ['owner/app', 'owner/team/app'], ['owner', 'other/owner/app']],
    ['**/nginx', ['a/nginx', 'a/b/nginx'], ['nginx', 'a/nginx2']],
    ['**', ['a', 'a/b/c'], []],
    ['a.b/*', ['a.b/c'], ['axb/c']],
    ['team-*/app_1', ['team-/app_1', 'team-x/app_1'], ['team/app_1']],
  ];
  for (const [glob, matching, others] of table) {
    const pattern = parseRepositoryGlob(glob);
    assert.deepEqual(
      [...matching, ...others].filter((name) => pattern.test(name)),
      matching,
      glob,
    );
  }
});

test('parseRepositoryGlob() refuses what matches no repository', () => {
  for (const text of ['', 'Library/*', 'a b', 'a:b', '[a]', 'a?']) {
    assert.throws(() => parseRepositoryGlob(text), /expected the lower-case name of a repository/, text);
  }
});

test('parseTagPattern() is a regular expression as it stands, and says what is wrong with one', () => {
  assert.deepEqual(parseTagPattern('^v\\d+$'), /^v\d+$/);
  assert.ok(parseTagPattern('rc').test('v1-rc2'));
  assert.throws(() => parseTagPattern('a)'), /^Error: expected a regular expression, such as .* \(Unmatched '\)'\)$/);
});
