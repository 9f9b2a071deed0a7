import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerStatus } from '../../util/status.ts';
import { parseStatus } from './parse-status.ts';

const at = '2026-01-01T00:00:00.000Z';
const whole: ServerStatus = {
  version: '1.2.3',
  startedAt: at,
  uptimeSeconds: 5,
  store: { contents: 1, sizeBytes: 2, maxBytes: 3 },
  hosted: { repositories: 1, contents: 4, sizeBytes: 5 },
  troubles: ['the store cannot be written'],
  downloads: { running: 0, waiting: 0 },
  upstreams: [
    {
      name: 'docker.io',
      circuit: { state: 'open', failures: 5, until: at },
      rateLimit: { limit: 100, remaining: 76, windowSeconds: 21_600, source: '192.0.2.1', at, reserved: 10 },
      waits: { countedUntil: at, allUntil: at },
      saving: 'little is left',
      lastError: { at, code: '503' },
    },
    { name: 'ghcr.io', circuit: { state: 'closed', failures: 0 } },
  ],
};

test('a status is read as it was written, and with keys of a newer version', () => {
  assert.deepEqual(parseStatus(JSON.stringify(whole)), whole);
  const newer = { ...whole, mood: 'good' };
  assert.deepEqual(parseStatus(JSON.stringify(newer)), newer);
});

test('what is no status is refused, with its first wrong place', () => {
  const { version: _, ...without } = whole;
  const cases: [string, string][] = [
    ['<html>', 'it is not JSON'],
    ['null', 'status is not what it should be'],
    ['[]', 'status is not what it should be'],
    [JSON.stringify(without), 'status.version is not what it should be'],
    [JSON.stringify({ ...whole, store: { contents: 1 } }), 'status.store.sizeBytes is not what it should be'],
    [JSON.stringify({ ...whole, upstreams: {} }), 'status.upstreams is not what it should be'],
    [
      JSON.stringify({ ...whole, upstreams: [whole.upstreams[1], { name: 'x' }] }),
      'status.upstreams[1].circuit is not what it should be',
    ],
  ];
  for (const [text, message] of cases) assert.throws(() => parseStatus(text), { message }, text);
});
