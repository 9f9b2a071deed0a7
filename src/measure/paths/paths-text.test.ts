import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PathsPlan, PathsResult } from './compare-paths.ts';
import { interpretPaths } from './interpret.ts';
import { type MeasuredPath, pathShapes } from './path-shapes.ts';
import { pathsEventText, pathsJson, pathsSummaryText } from './paths-text.ts';

const mbit = 1e6 / 8;
const [single, parallel, reverse] = pathShapes;
const path: MeasuredPath = {
  by: 'iperf3',
  figures: [
    { shape: single!, result: { bytesPerSecond: 930 * mbit } },
    { shape: parallel!, result: { failure: 'the server is busy' } },
    { shape: reverse!, result: { bytesPerSecond: 940 * mbit } },
  ],
  notes: [],
};
const result: PathsResult = {
  path,
  cache: { figures: [200 * mbit, 220 * mbit], average: 210 * mbit, failures: [] },
  cdn: { figures: [], average: undefined, failures: ['cdn.test answered 404'] },
  findings: interpretPaths({ path: 940 * mbit, cache: 210 * mbit, cdn: undefined }),
  isBrokenOff: false,
};
const plan = {
  ...{ cdnName: 'https://cdn.test/file', runs: 2, blob: { digest: 'sha256:b', sizeBytes: 1 } },
  cache: { host: 'cache.test:5000' },
} as unknown as PathsPlan;

test('what was measured is a line each, and what could not be says why', () => {
  assert.equal(
    pathsEventText({ kind: 'path', path }),
    `[path] to the cache, 1 connection, by iperf3: 930.0 Mbit/s
[path] to the cache, 4 connections, by iperf3: failed: the server is busy
[path] from the cache, 4 connections, by iperf3: 940.0 Mbit/s
`,
  );
  const nothing = { by: undefined, figures: [], notes: ['iperf3 does not measure: it is not on this machine'] };
  assert.equal(
    pathsEventText({ kind: 'path', path: nothing }),
    '[path] iperf3 does not measure: it is not on this machine\n',
  );
  const event = { kind: 'download', from: 'CDN', run: 1, runs: 2 } as const;
  assert.equal(
    pathsEventText({ ...event, result: { bytesPerSecond: 200 * mbit } }),
    '[download] CDN 1/2: 200.0 Mbit/s (25.0 MB/s)\n',
  );
  assert.equal(
    pathsEventText({ ...event, result: { failure: 'cdn.test answered 404' } }),
    '[download] CDN 1/2: failed: cdn.test answered 404\n',
  );
});

test('the figures are summed up, and every rule is answered', () => {
  assert.equal(
    pathsSummaryText(result, plan),
    `[summary]
cache: avg 210.0 Mbit/s (26.3 MB/s)
CDN (https://cdn.test/file): no figure, failed 1

[interpretation]
- the path is the limit? no: the cache sends 210.0 Mbit/s, and the path carries 940.0 Mbit/s: the path could carry more
- the cache’s machine is the limit? yes: the cache sends 22 % of what the path carries: look at its network card, cable, switch, processor and disk
- the path is likely the bottleneck? unknown: cannot be told without a figure of the CDN
`,
  );
});

test('JSON has each way that the path was measured, and leaves the path out when it was not', () => {
  const json = pathsJson(result, plan);
  assert.deepEqual(json.path?.figures?.[1], { ...parallel, failure: 'the server is busy' });
  assert.deepEqual(json.path?.figures?.[2], { ...reverse, bytesPerSecond: 940 * mbit });
  assert.deepEqual(json.downloads, { cache: result.cache, cdn: result.cdn });
  assert.equal('path' in pathsJson({ ...result, path: undefined }, plan), false);
});
