import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerStatus, UpstreamStatus } from '../../util/status.ts';
import { formatTime, statusText, storeText } from './status-text.ts';

const at = '2026-01-01T00:00:00.000Z';
const until = '2026-01-01T00:01:00.000Z';
const well = { state: 'closed', failures: 0 } as const;

function textOf(upstreams: UpstreamStatus[], rest: Partial<ServerStatus> = {}): string[] {
  const store = { contents: 1234, sizeBytes: 12.5e9, maxBytes: 50e9 };
  const status = {
    version: '1.2.3',
    startedAt: at,
    uptimeSeconds: 90_061,
    store,
    hosted: { repositories: 2, contents: 1, sizeBytes: 5e9 },
    downloads: { running: 2, waiting: 3 },
  };
  return statusText({ ...status, upstreams, ...rest }, 'http://127.0.0.1:5000').split('\n');
}

test('the status is told in few lines, and of upstreams only what there is to tell', () => {
  const quiet: UpstreamStatus[] = ['ghcr.io', 'quay.io'].map((name) => ({ name, circuit: well }));
  const rateLimit = { limit: 100, remaining: 76, windowSeconds: 21_600, source: '192.0.2.1', at, reserved: 10 };
  assert.deepEqual(textOf([{ name: 'docker.io', circuit: well, rateLimit }, ...quiet]), [
    'Entrepot 1.2.3 at http://127.0.0.1:5000, up for 1d 1h',
    'Stored: 1234 blobs and manifests, 12.5 GB of 50 GB (25%)',
    'Hosted: 2 repositories, 1 blob or manifest, 5 GB',
    'Downloads: 2, 3 wait for their turn',
    'Upstream docker.io:',
    `  pulls left: 76 of 100 in 6h 0m, 10 kept for what is not here, counted for 192.0.2.1, at ${at}`,
    'Upstreams of which there is nothing to tell: 2',
  ]);
});

test('what of the disk fails is told', () => {
  const lines = textOf([], { troubles: ['the store cannot be written since then', 'the index cannot be read'] });
  assert.deepEqual(lines.slice(3, 5), [
    'In trouble: the store cannot be written since then',
    'In trouble: the index cannot be read',
  ]);
});

test('what is wrong with an upstream is told, and until when', () => {
  const lastError = { at, code: 'CONNECT_FAILED' };
  const cases: [UpstreamStatus, string[]][] = [
    [
      { name: 'a', circuit: { state: 'open', failures: 5, until }, lastError },
      [`left alone until ${until}, as it fails`, 'failures in a row: 5', `last error: CONNECT_FAILED, at ${at}`],
    ],
    [
      { name: 'a', circuit: { state: 'probing', failures: 6, until: at } },
      ['left alone, as it fails; one request finds out whether it still does', 'failures in a row: 6'],
    ],
    [
      { name: 'a', circuit: well, waits: { countedUntil: until }, saving: 'a has 0 of 9 pulls left' },
      [
        `no manifests are fetched until ${until}, as it asked`,
        'tags that are here are served without asking: a has 0 of 9 pulls left',
      ],
    ],
    [{ name: 'a', circuit: well, requests: { waiting: 3 } }, ['requests that wait in line: 3']],
    [
      { name: 'a', circuit: well, waits: { countedUntil: until, allUntil: until } },
      [`asked to be left alone until ${until}`],
    ],
    [
      { name: 'a', circuit: well, rateLimit: { limit: 9, remaining: 8, at, reserved: 0 } },
      [`pulls left: 8 of 9, at ${at}`],
    ],
  ];
  for (const [upstream, facts] of cases) {
    assert.deepEqual(textOf([upstream]).slice(4), ['Upstream a:', ...facts.map((fact) => `  ${fact}`)]);
  }
});

test('a store that cannot be asked is told of', () => {
  const status: ServerStatus = {
    version: '1',
    startedAt: at,
    uptimeSeconds: 0,
    downloads: { running: 0, waiting: 0 },
    upstreams: [],
  };
  assert.equal(statusText(status, 'u').split('\n')[1], 'Stored: unknown, as the index fails; its log says why');
  assert.equal(storeText({ contents: 1, sizeBytes: 7, maxBytes: 1000 }), '1 blob or manifest, 7 B of 1 kB (1%)');
});

test('a time is told in its two largest units', () => {
  const times: [number, string][] = [
    [0, '0s'],
    [59, '59s'],
    [61, '1m 1s'],
    [3_600, '1h 0m'],
    [86_399, '23h 59m'],
    [86_400 * 400, '400d 0h'],
  ];
  for (const [seconds, text] of times) assert.equal(formatTime(seconds), text);
});
