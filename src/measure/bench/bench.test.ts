import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type FakePullerOptions, fakePuller } from '../../../test/support/command/fake-puller.ts';
import { makeImage, makeIndex } from '../../../test/support/content/images.ts';
import { sideAt } from '../../../test/support/stages/measure-side.ts';
import type { ManualTime } from '../../../test/support/time/manual-time.ts';
import { startTestRegistry } from '../../../test/support/upstream/test-registry.ts';
import { parseTag } from '../../oci/reference.ts';
import { type BenchPlan, findImage, type Measured, runBench } from './bench.ts';

const patient = new AbortController().signal;
const image = makeImage({ seed: 'bench', layers: [1_000, 90_000], architecture: 'arm64' });
const index = makeIndex([makeImage({ seed: 'other', layers: [5_000_000], architecture: 'amd64' }), image]);
const { digest } = index.manifest;
const names = {
  upstream: { tag: 'docker.io/library/nginx:latest', digest: `docker.io/library/nginx@${digest}` },
  cache: { tag: 'cache.test:5000/library/nginx:latest', digest: `cache.test:5000/library/nginx@${digest}` },
};

async function setUp(t: TestContext, options: Partial<FakePullerOptions> = {}) {
  const upstream = await startTestRegistry();
  const cache = await startTestRegistry();
  t.after(() => Promise.all([upstream.close(), cache.close()]));
  for (const { content } of [upstream, cache]) content.push('library/nginx', index, 'latest');
  const time: ManualTime = { nowMs: 0 };
  const puller = fakePuller({ pulls: [], ...options, time });
  const plan: BenchPlan = {
    ...{ upstream: sideAt('upstream', upstream.url), cache: sideAt('cache', cache.url) },
    ...{ tag: parseTag('latest'), puller, pulls: 2, pruneBetween: false, platform: 'linux/arm64' },
  };
  const measured: Measured[] = [];
  const run = async (given: Partial<BenchPlan> = {}, signal: AbortSignal = patient) => {
    const whole = { ...plan, ...given };
    // Reading the time is what takes it, so that downloads have figures that are known.
    const nowMs = () => ++time.nowMs;
    const found = await findImage(whole, patient);
    return runBench(whole, found, { nowMs, measured: (event) => measured.push(event) }, signal);
  };
  return { upstream, cache, puller, plan, measured, run, time };
}

test('each kind is measured from upstream and from the cache, and summed up', async (t) => {
  const { run, measured } = await setUp(t, { pulls: [1000, 3000, 500, 100, 9, 19, 29, 39] });
  const { legs, image: found, blob } = await run();
  assert.deepEqual(
    legs.map(({ kind, from, figures }) => [kind, from, figures]),
    [
      ['pull by tag', 'upstream', [1.001, 3.001]],
      ['pull by tag', 'cache', [0.501, 0.101]],
      ['pull by digest', 'upstream', [0.01, 0.02]],
      ['pull by digest', 'cache', [0.03, 0.04]],
      ['blob download', 'upstream', [90_000_000, 90_000_000]],
      ['blob download', 'cache', [90_000_000, 90_000_000]],
    ],
  );
  assert.deepEqual(legs[0]?.summary, { count: 2, avg: 2.001, median: 2.001, p95: 3.001, min: 1.001, max: 3.001 });
  assert.equal(found.digest, digest);
  assert.equal(blob.sizeBytes, 90_000);
  assert.equal(measured.length, 12);
});

test('what was pulled is removed before each kind and at the end, and nothing else', async (t) => {
  const { run, puller } = await setUp(t);
  puller.images.add('docker.io/library/redis:7');
  const { removed } = await run();
  const { upstream, cache } = names;
  assert.deepEqual(puller.done, [
    ...[`pull ${upstream.tag}`, `pull ${upstream.tag}`, `remove ${upstream.tag}`],
    ...[`pull ${cache.tag}`, `pull ${cache.tag}`, `remove ${cache.tag}`],
    ...[`pull ${upstream.digest}`, `pull ${upstream.digest}`, `remove ${upstream.digest}`],
    ...[`pull ${cache.digest}`, `pull ${cache.digest}`, `remove ${cache.digest}`],
    'close',
  ]);
  assert.deepEqual([...puller.images], ['docker.io/library/redis:7']);
  assert.deepEqual(removed, [upstream.tag, cache.tag, upstream.digest, cache.digest]);
});

test('with pruning between pulls, what was pulled is removed before every one', async (t) => {
  const { run, puller } = await setUp(t);
  await run({ pruneBetween: true });
  const { upstream } = names;
  assert.deepEqual(puller.done.slice(0, 4), [
    ...[`pull ${upstream.tag}`, `remove ${upstream.tag}`],
    ...[`pull ${upstream.tag}`, `remove ${upstream.tag}`],
  ]);
  assert.equal(puller.done.filter((what) => what.startsWith('remove')).length, 8);
});

test('a pull that fails is counted and said, and the others go on', async (t) => {
  const { run, measured } = await setUp(t, { pulls: ['no route to host', 1000] });
  const { legs } = await run();
  assert.deepEqual(legs[0]?.figures, [1.001]);
  assert.deepEqual(legs[0]?.failures, ['no route to host']);
  assert.deepEqual(measured[0]?.result, { failure: 'no route to host' });
  assert.equal(legs.length, 6);
});

test('a download that breaks, or is other bytes, is a failure, and not tried again until it looks well', async (t) => {
  const { run, upstream, measured } = await setUp(t);
  upstream.faults.answer('GET blob', { status: 503 });
  const { legs } = await run();
  const downloads = legs.filter(({ kind }) => kind === 'blob download');
  assert.deepEqual(
    downloads.map(({ figures, failures }) => [figures.length, failures.length]),
    [
      [1, 1],
      [2, 0],
    ],
  );
  assert.match(downloads[0]?.failures[0] ?? '', /503/);
  assert.equal(measured.filter(({ result }) => 'failure' in result).length, 1);
});

test('Ctrl-C ends it with what was measured until then, and removes what was pulled', async (t) => {
  const stopping = new AbortController();
  const { run, puller } = await setUp(t, {
    pulling: (name) => {
      if (name === names.cache.tag) stopping.abort(new Error('Ctrl-C'));
    },
  });
  const { legs, removed, isBrokenOff } = await run({}, stopping.signal);
  assert.equal(isBrokenOff, true);
  assert.deepEqual(
    legs.map(({ kind, from }) => [kind, from]),
    [['pull by tag', 'upstream']],
  );
  assert.deepEqual(removed, [names.upstream.tag]);
  assert.deepEqual([...puller.images], []);
  assert.equal(puller.done.at(-1), 'close');
});

test('what cannot be removed is said, and no pull is measured that would not be whole', async (t) => {
  const { run, puller } = await setUp(t, { stuck: [names.upstream.tag] });
  const { legs, left } = await run();
  assert.deepEqual(left, [`${names.upstream.tag}: it is being used`]);
  assert.deepEqual(legs[1]?.failures, ['it is being used']);
  assert.equal(legs[1]?.figures.length, 1);
  assert.deepEqual([...puller.images], [names.upstream.tag]);
});

test('where upstream cannot say what the tag stands for, the cache does; where neither can, both are quoted', async (t) => {
  const { plan, upstream } = await setUp(t);
  upstream.faults.answer('any', { status: 503 }, { times: 2 });
  assert.equal((await findImage(plan, patient)).digest, digest);
  const missing = { ...plan, tag: parseTag('none') };
  await assert.rejects(findImage(missing, patient), (error: Error) => {
    assert.match(
      error.message,
      /^Cannot find library\/nginx:none, neither upstream nor in the cache\n {2}docker\.io: /,
    );
    assert.match(error.message, /\n {2}cache\.test:5000: /);
    return true;
  });
});
