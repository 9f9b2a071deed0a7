import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editDistance, nearest } from './nearest.ts';

const keys = ['maxBytes', 'tagTtl', 'listen', 'default', 'ca', 'key'];

test('nearest() finds the word that was meant', () => {
  assert.equal(nearest('maxByte', keys), 'maxBytes');
  assert.equal(nearest('MAXBYTES', keys), 'maxBytes');
  assert.equal(nearest('tagTTLs', keys), 'tagTtl');
  assert.equal(nearest('lisetn', keys), 'listen');
});

test('nearest() finds a word by how it begins', () => {
  assert.equal(nearest('user', ['url', 'password', 'username']), 'username');
  assert.equal(nearest('pa', ['password']), undefined);
});

test('nearest() finds nothing when no word comes near', () => {
  assert.equal(nearest('password', keys), undefined);
  assert.equal(nearest('qz', keys), undefined);
  assert.equal(nearest('', keys), undefined);
  assert.equal(nearest('anything', []), undefined);
});

test('nearest() takes the first of two that are as near', () => {
  assert.equal(nearest('bat', ['cat', 'hat']), 'cat');
});

test('editDistance() counts letters put in, taken out and replaced', () => {
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(editDistance('abc', ''), 3);
  assert.equal(editDistance('kitten', 'sitting'), 3);
  assert.equal(editDistance('same', 'same'), 0);
});
