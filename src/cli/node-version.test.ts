import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { nodeVersionProblem } from './node-version.ts';

test('Node.js from 24.15 on runs us, and an older one is told what we need', () => {
  for (const version of ['24.15.0', '24.21.0', '25.0.0', '26.1.0-nightly']) {
    assert.equal(nodeVersionProblem(version), undefined, version);
  }
  for (const version of ['18.0.0', '20.20.2', '24.14.9', '22.99.0']) {
    assert.match(nodeVersionProblem(version) ?? '', /needs 24\.15 or newer/, version);
  }
});

test('the oldest Node.js is the one that package.json asks for', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  assert.match(nodeVersionProblem('1.0.0') ?? '', new RegExp(`needs ${manifest.engines.node.slice(2)} or newer`));
});
