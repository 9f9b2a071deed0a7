import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configKeys, nameOfPath } from '../schema/keys.ts';
import { likelyPlace } from './likely-places.ts';

const guesses = ['port', 'tls', 'mirrors', 'remoteurl', 'username', 'ttl', 'datadir', 'http', 'storage'];

test('the keys that a guess is answered with are there', () => {
  const known = new Set(configKeys.flatMap(({ path }) => path.map((_, at) => nameOfPath(path.slice(0, at + 1)))));
  const ofUpstreams = ['upstreams', 'url', 'username', 'passwordFile', ':5000'];
  for (const guess of guesses) {
    const named = [...(likelyPlace(guess) ?? '').matchAll(/"([^"]+)"/g)].map(([, name = '']) => name);
    assert.ok(named.length > 0, guess);
    for (const name of named) assert.ok(known.has(name) || ofUpstreams.includes(name), `${guess}: ${name}`);
  }
});

test('a key that there is, is no guess', () => {
  for (const { path } of configKeys) assert.equal(likelyPlace(nameOfPath(path)), undefined, nameOfPath(path));
});
