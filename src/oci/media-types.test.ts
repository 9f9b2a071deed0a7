import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bareMediaType, manifestAccept, mediaTypes } from './media-types.ts';

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
