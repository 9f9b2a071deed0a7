import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from './digest.ts';
import { isDigestReference, parseReference, parseRepository, parseTag } from './reference.ts';

const digest = digestOf(Buffer.from('content'));

const repositories = [
  'alpine',
  'library/alpine',
  '0',
  'a/b/c/d/e/f',
  'a.b_c__d-e--f---g',
  'manifests/manifests',
  'x'.repeat(255),
];

for (const name of repositories) {
  test(`parseRepository() takes "${name.slice(0, 40)}"`, () => assert.equal(parseRepository(name), name));
}

const notRepositories: Record<string, string> = {
  nothing: '',
  capitals: 'Library/alpine',
  'a slash at the beginning': '/alpine',
  'a slash at the end': 'alpine/',
  'two slashes in a row': 'library//alpine',
  'two dots in a row': 'a..b',
  'the way to the folder above': '../etc',
  'three underscores in a row': 'a___b',
  'two kinds of separators in a row': 'a.-b',
  'a separator at the beginning of a component': 'a/-b',
  'a separator at the end of a component': 'a_/b',
  'a tag behind it': 'alpine:latest',
  'a blank': 'al pine',
  'a line break at the end': 'alpine\n',
  'letters beyond ASCII': 'älpine',
  '256 characters': 'x'.repeat(256),
};

for (const [what, name] of Object.entries(notRepositories)) {
  test(`parseRepository() refuses ${what}`, () => {
    assert.throws(() => parseRepository(name), { name: 'RegistryError', code: 'NAME_INVALID', status: 400 });
  });
}

test('parseRepository() refuses a long name at once, where a pattern that backtracks would not come back', () => {
  assert.throws(() => parseRepository(`${'a-'.repeat(120)}!`), { code: 'NAME_INVALID' });
  assert.throws(() => parseRepository(`${'a'.repeat(250)}/`), { code: 'NAME_INVALID' });
});

for (const tag of ['latest', '3.20', '_', 'V1', 'a.b-c_d', '1'.repeat(128)]) {
  test(`parseTag() takes "${tag.slice(0, 40)}"`, () => assert.equal(parseTag(tag), tag));
}

for (const tag of ['', '.hidden', '-a', 'a/b', 'a b', 'a+b', 'latest\n', 'ä', '1'.repeat(129)]) {
  test(`parseTag() refuses ${JSON.stringify(tag.slice(0, 40))}`, () => {
    assert.throws(() => parseTag(tag), { name: 'RegistryError', code: 'TAG_INVALID', status: 400 });
  });
}

test('a reference with a colon is a digest, every other is a tag', () => {
  assert.ok(isDigestReference(parseReference(digest)));
  assert.equal(isDigestReference(parseReference('sha256')), false);
  assert.throws(() => parseReference('latest:1'), { code: 'DIGEST_INVALID' });
  assert.throws(() => parseReference('sha256:abc'), { code: 'DIGEST_INVALID' });
  assert.throws(() => parseReference(''), { code: 'TAG_INVALID' });
});
