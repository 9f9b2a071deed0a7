import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sideAt } from '../../../test/support/stages/measure-side.ts';
import { parseDigest } from '../../oci/digest.ts';
import { parseTag } from '../../oci/reference.ts';
import type { Puller } from '../pullers/puller.ts';
import { summarize } from '../statistics.ts';
import type { BenchLeg, BenchPlan, BenchResult } from './bench.ts';
import { benchJson, measuredText, planText, summaryText } from './bench-text.ts';

const docker = { name: 'docker 20.10.24', keepsImages: true } as Puller;
const plan: BenchPlan = {
  ...{ upstream: sideAt('upstream', 'https://registry-1.docker.io'), cache: sideAt('cache', 'http://cache.test:5000') },
  ...{ tag: parseTag('latest'), puller: docker, pulls: 3, pruneBetween: false, platform: 'linux/amd64' },
};
const blob = { digest: parseDigest(`sha256:${'b'.repeat(64)}`), sizeBytes: 41_000_000 };
const image = { digest: parseDigest(`sha256:${'a'.repeat(64)}`), blobs: [blob] };

function leg(kind: BenchLeg['kind'], from: BenchLeg['from'], figures: number[], failures: string[] = []): BenchLeg {
  return { kind, from, figures, summary: summarize(figures), failures };
}

const result: BenchResult = {
  ...{ image, blob, isBrokenOff: false },
  legs: [
    leg('pull by tag', 'upstream', [12.5, 11.5, 18]),
    leg('pull by tag', 'cache', [2, 1.25, 1.75]),
    leg('pull by digest', 'upstream', [], ['no route to host', 'no route to host', 'no route to host']),
    leg('pull by digest', 'cache', [1.5, 1.25], ['unexpected EOF']),
    leg('blob download', 'upstream', [4_100_000]),
    leg('blob download', 'cache', [82_000_000]),
  ],
  removed: ['docker.io/library/nginx:latest', 'cache.test:5000/library/nginx:latest'],
  left: ['cache.test:5000/library/nginx@sha256:aa: it is being used'],
};

const summary = `[summary]
pull by tag, upstream:    avg 14.0 s  median 12.5 s  p95 18.0 s  min 11.5 s  max 18.0 s
pull by tag, cache:       avg 1.667 s  median 1.750 s  p95 2.000 s  min 1.250 s  max 2.000 s
pull by digest, upstream: no figure  failed 3
pull by digest, cache:    avg 1.375 s  median 1.375 s  p95 1.500 s  min 1.250 s  max 1.500 s  failed 1
blob download, upstream:  avg 4.1 MB/s  median 4.1 MB/s  p95 4.1 MB/s  min 4.1 MB/s  max 4.1 MB/s
blob download, cache:     avg 82.0 MB/s  median 82.0 MB/s  p95 82.0 MB/s  min 82.0 MB/s  max 82.0 MB/s

pull by tag, median
  upstream  ########################################  12.5 s
  cache     ######                                    1.750 s

pull by digest, median
  cache  ########################################  1.375 s

blob download, median (more is better)
  upstream  ##                                        4.1 MB/s
  cache     ########################################  82.0 MB/s

Removed from docker 20.10.24: docker.io/library/nginx:latest, cache.test:5000/library/nginx:latest
Cannot remove from docker 20.10.24 what was pulled: cache.test:5000/library/nginx@sha256:aa: it is being used
`;

test('what was measured is summed up in figures and a chart, with what failed, went and stayed', () => {
  assert.equal(summaryText(result, plan, 'letters'), summary);
});

test('on a terminal the bars are finer, and everything else is the same', () => {
  const drawn = summaryText(result, plan, 'blocks');
  assert.match(drawn, /^ {2}cache {5}█{5}▋ {34} {2}1\.750 s$/m);
  const withoutBars = (text: string) => text.replace(/ +[#█▏▎▍▌▋▊▉]+ +/g, ' ');
  assert.equal(withoutBars(drawn), withoutBars(summary));
});

test('what is going to be measured is said first, with what has to be known', () => {
  assert.equal(
    planText(plan, ['docker pulls through a mirror']),
    `docker.io/library/nginx:latest from upstream, and cache.test:5000/library/nginx:latest from the cache
Pulled by docker 20.10.24, 3 times each way. The image is removed from it before the first pull of each kind; the others find it there, and ask whether it is still the right one.
What the cache does not have yet, it fetches for the first pull.
Note: docker pulls through a mirror.
`,
  );
  assert.match(
    planText({ ...plan, pruneBetween: true, pulls: 1 }, []),
    /once each way\. .* removed from it before every pull\./,
  );
  const builtIn = { ...docker, name: 'the built-in client', keepsImages: false };
  assert.match(planText({ ...plan, puller: builtIn }, []), /^Pulled by the built-in client, 3 times each way\.$/m);
});

test('each measurement is a line, with what is odd about it', () => {
  const event = { kind: 'pull by tag', from: 'cache', round: 2, rounds: 3 } as const;
  assert.equal(
    measuredText({ ...event, result: { ms: 1234.5, layersHeld: 0 } }, 41e6),
    '[pull by tag] cache 2/3: 1.234 s\n',
  );
  assert.equal(
    measuredText({ ...event, result: { ms: 100, layersHeld: 2 } }, 41e6),
    '[pull by tag] cache 2/3: 0.100 s, with 2 layers that another image has: not a whole pull\n',
  );
  assert.equal(
    measuredText({ ...event, kind: 'blob download', result: { ms: 500, layersHeld: 0 } }, 41e6),
    '[blob download] cache 2/3: 0.500 s, 82.0 MB/s\n',
  );
  assert.equal(
    measuredText({ ...event, result: { failure: 'no route to host' } }, 41e6),
    '[pull by tag] cache 2/3: failed: no route to host\n',
  );
});

test('JSON has the figures as they are, with their unit', () => {
  const { measured, ...rest } = benchJson(result, plan);
  assert.deepEqual(rest, {
    client: 'docker 20.10.24',
    upstream: 'docker.io/library/nginx:latest',
    cache: 'cache.test:5000/library/nginx:latest',
    digest: image.digest,
    blob,
    pulls: 3,
    pruneBetween: false,
    removed: result.removed,
    left: result.left,
    isBrokenOff: false,
  });
  assert.deepEqual(measured[2], {
    ...{ kind: 'pull by digest', from: 'upstream', unit: 'seconds', figures: [] },
    failures: ['no route to host', 'no route to host', 'no route to host'],
  });
  assert.deepEqual(measured[5], {
    ...{ kind: 'blob download', from: 'cache', unit: 'bytesPerSecond', figures: [82_000_000] },
    summary: { count: 1, avg: 82e6, median: 82e6, p95: 82e6, min: 82e6, max: 82e6 },
    failures: [],
  });
});
