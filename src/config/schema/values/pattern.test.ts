import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseImageGlob, parseRepositoryGlob, parseTagPattern } from './pattern.ts';

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

test('parseImageGlob() matches a registry and a repository, and knows whether it is about one registry', () => {
  const table: readonly [glob: string, registry: string | undefined, matching: string[], others: string[]][] = [
    [
      'docker.io/library/*',
      'docker.io',
      ['docker.io/library/alpine'],
      ['docker.io/library/a/b', 'dockerxio/library/a'],
    ],
    ['hosted.entrepot/team/**', 'hosted.entrepot', ['hosted.entrepot/team/a/b'], ['hosted.entrepot/team']],
    ['registry.corp:5443/**', 'registry.corp:5443', ['registry.corp:5443/a'], ['registry.corp/a']],
    ['*/library/alpine', undefined, ['docker.io/library/alpine'], ['docker.io/x/library/alpine']],
    ['*.corp/**', undefined, ['a.corp/x/y'], ['a.corp.net/x']],
    ['**', undefined, ['docker.io/library/alpine', 'registry.corp:5443/a/b'], []],
  ];
  for (const [glob, registry, matching, others] of table) {
    const parsed = parseImageGlob(glob);
    assert.equal(parsed.registry, registry, glob);
    const matched = [...matching, ...others].filter((name) => parsed.pattern.test(name));
    assert.deepEqual(matched, matching, glob);
  }
});

test('parseImageGlob() refuses a pattern without a registry in front', () => {
  for (const text of [
    '',
    'team/**',
    'library/alpine',
    'docker.io',
    'docker.io/',
    '/team',
    'Docker.io/a',
    'docker.io/A',
  ]) {
    assert.throws(() => parseImageGlob(text), /expected a registry and a repository, such as docker\.io/, text);
  }
});

/** Whether a glob matches, found out letter by letter. */
function matchesSlowly(glob: string, name: string): boolean {
  if (glob === '') return name === '';
  const stars = /^\*+/.exec(glob)?.[0];
  if (stars === undefined) return glob[0] === name[0] && matchesSlowly(glob.slice(1), name.slice(1));
  if (matchesSlowly(glob.slice(stars.length), name)) return true;
  return name !== '' && (stars.length > 1 || name[0] !== '/') && matchesSlowly(glob, name.slice(1));
}

test('a glob matches exactly what it matches letter by letter', () => {
  const letters = (...unit: string[]) => fc.string({ unit: fc.constantFrom(...unit), maxLength: 8 });
  const glob = fc.tuple(letters('a', 'b', '.', '*'), letters('a', 'b', '/', '.', '-', '*'));
  const name = letters('a', 'b', '/', '.', '-', ':');
  fc.assert(
    fc.property(glob, name, ([registry, repository], tail) => {
      const text = `${registry}*/${repository}*`;
      const { pattern } = parseImageGlob(text);
      for (const candidate of [`a/${tail}`, tail, text.replaceAll('*', 'a'), text.replaceAll('*', '')]) {
        assert.equal(pattern.test(candidate), matchesSlowly(text, candidate), `${text} on ${candidate}`);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('parseTagPattern() is a regular expression as it stands, and says what is wrong with one', () => {
  assert.deepEqual(parseTagPattern('^v\\d+$'), /^v\d+$/);
  assert.ok(parseTagPattern('rc').test('v1-rc2'));
  assert.throws(() => parseTagPattern('a)'), /^Error: expected a regular expression, such as .* \(Unmatched '\)'\)$/);
});
