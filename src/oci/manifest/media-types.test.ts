import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bareMediaType, isMediaType, manifestAccept, mediaTypes } from './media-types.ts';

test('the Accept that goes upstream names every type of manifest once, and takes any other', () => {
  const accepted = manifestAccept.split(', ');
  assert.deepEqual([...accepted].sort(), [...Object.values(mediaTypes), '*/*'].sort());
});

test('a bare media type has no parameters, no blanks around it and no capitals', () => {
  assert.equal(bareMediaType('text/plain'), 'text/plain');
  assert.equal(bareMediaType(' Text/Plain ; charset=utf-8; q=1'), 'text/plain');
  assert.equal(bareMediaType(''), '');
  assert.equal(bareMediaType(';charset=utf-8'), '');
});

test('a media type is two words with a slash between', () => {
  for (const text of [...Object.values(mediaTypes), 'text/plain', 'a/b']) assert.ok(isMediaType(text), text);
  for (const text of ['', 'text', '/b', 'a/', 'a/b/c', 'a/b;c', 'a/b\r\nc', 'a /b', `a/${'b'.repeat(128)}`]) {
    assert.ok(!isMediaType(text), JSON.stringify(text));
  }
});
