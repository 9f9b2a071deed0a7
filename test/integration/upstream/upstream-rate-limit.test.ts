import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { UpstreamConfig } from '../../../src/config/config.ts';
import { makeImage, makeIndex, type TestImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import type { PullLimitQuirk } from '../../support/registry/quirks.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { ManualClock } from '../../support/time/clock.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const ttlMs = 60_000;
const platforms = ['amd64', 'arm64'].map((architecture) =>
  makeImage({ seed: architecture, layers: [100], architecture }),
);
const image = makeIndex(platforms);
const renewed = makeImage({ seed: 'renewed', layers: [100] });
const repository = 'lib/app';
const stale = 'Entrepot; hit; detail=stale';

async function setUp(t: TestContext, pullLimit: PullLimitQuirk, reserve?: UpstreamConfig['rateLimitReserve']) {
  const clock = new ManualClock();
  const origin = await startTestRegistry({ quirks: { pullLimit } });
  t.after(() => origin.close());
  origin.content.push(repository, image, 'latest');
  const cache = await startTestCache({
    data: tmpDir(t),
    upstreams: [
      {
        name: 'origin.test',
        urls: [new URL(origin.url)],
        ...(reserve === undefined ? {} : { rateLimitReserve: reserve }),
      },
    ],
    clock,
    tagTtlMs: ttlMs,
  });
  t.after(() => cache.stop());
  const ask = (reference: string, method: 'GET' | 'HEAD' = 'GET') =>
    rawFetch(`${cache.url}/v2/${repository}/manifests/${reference}`, { method });
  const remaining = async () =>
    parsePrometheusText((await rawFetch(`${cache.url}/metrics`)).body.toString()).value(
      'entrepot_upstream_ratelimit_remaining',
      { upstream: 'origin.test' },
    );
  return { clock, origin, cache, ask, remaining };
}

function line(method: 'GET' | 'HEAD', reference: string): string {
  return `${method} /v2/${repository}/manifests/${shorten(reference)}`;
}

/** Asks as docker and containerd do: HEAD and GET of the tag, then the manifest of the platform by its digest. */
async function pullAsClients(
  ask: (reference: string, method?: 'GET' | 'HEAD') => Promise<{ status: number | undefined }>,
  platform: TestImage,
): Promise<void> {
  for (const [reference, method] of [
    ['latest', 'HEAD'],
    ['latest', 'GET'],
    [image.manifest.digest, 'GET'],
    [platform.manifest.digest, 'HEAD'],
    [platform.manifest.digest, 'GET'],
  ] as const) {
    assert.equal((await ask(reference, method)).status, 200, `${method} ${reference}`);
  }
}

test('a cold pull costs one GET for each manifest, pulls after it none, also of a tag that is asked for again', async (t) => {
  const { clock, origin, ask, remaining } = await setUp(t, { limit: 100 });
  const [amd, arm] = platforms as [TestImage, TestImage];
  const ofImage = line('GET', image.manifest.digest);
  const ofPlatform = ({ manifest }: TestImage) => [line('HEAD', manifest.digest), line('GET', manifest.digest)];
  await pullAsClients(ask, amd);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', line('HEAD', 'latest'), ofImage, ...ofPlatform(amd)]);
  assert.equal(await remaining(), 98);

  origin.requests.clear();
  await pullAsClients(ask, amd);
  assert.deepEqual(origin.requests.lines(), []);

  clock.advance(ttlMs);
  await pullAsClients(ask, amd);
  assert.deepEqual(origin.requests.lines(), [line('HEAD', 'latest')]);

  origin.requests.clear();
  await pullAsClients(ask, arm);
  assert.deepEqual(origin.requests.lines(), ofPlatform(arm));
  assert.equal(await remaining(), 97);
});

test('a cold pull of ten clients at once costs no more than that of one', async (t) => {
  const { origin, ask } = await setUp(t, { limit: 100 });
  await Promise.all(new Array(10).fill(platforms[0]).map((platform: TestImage) => pullAsClients(ask, platform)));
  const counted = origin.requests.matching(({ method, route }) => method === 'GET' && route === 'manifest');
  assert.deepEqual(
    counted.map((request) => request.line),
    [image, platforms[0]!].map(({ manifest }) => line('GET', manifest.digest)),
  );
});

test('when the pulls are used up, nobody sees a 429, and upstream is asked for no manifest until Retry-After', async (t) => {
  const { clock, origin, ask } = await setUp(t, { limit: 1, retryAfter: '1800' });
  assert.equal((await ask('latest')).status, 200);
  origin.requests.clear();
  const limited = await ask(platforms[0]!.manifest.digest);
  assert.deepEqual([limited.status, limited.headers['retry-after']], [503, '1800']);
  assert.match(limited.body.toString(), /TOOMANYREQUESTS.*wait, or give the upstream origin\.test credentials/);
  assert.equal(origin.requests.all.length, 1);
  for (const platform of platforms) {
    const { status, headers, body } = await ask(platform.manifest.digest);
    assert.deepEqual([status, headers['retry-after']], [503, '1800']);
    assert.match(body.toString(), /Cannot ask upstream origin\.test before 2026-01-01T00:30:00.000Z/);
  }
  assert.equal(origin.requests.all.length, 1);

  // What is here is served as it is: a tag that moved could not be fetched.
  clock.advance(ttlMs);
  const old = await ask('latest');
  assert.deepEqual([old.status, old.headers['cache-status']], [200, stale]);
  assert.equal(origin.requests.all.length, 1);

  origin.setQuirks({});
  clock.advance(1_800_000 - ttlMs);
  assert.equal((await ask(platforms[0]!.manifest.digest)).status, 200);
});

test('with less than the reserve left, tags that are here are served unasked, and what is not here is fetched', async (t) => {
  const { clock, origin, ask, remaining } = await setUp(t, { limit: 10, windowSeconds: 3600 }, { count: 9 });
  assert.equal((await ask('latest')).status, 200);
  assert.equal(await remaining(), 9);
  clock.advance(ttlMs);
  assert.match(String((await ask('latest')).headers['cache-status']), /revalidated/);
  assert.equal((await ask(platforms[0]!.manifest.digest)).status, 200);
  assert.equal(await remaining(), 8);

  origin.content.push(repository, renewed, 'latest');
  origin.requests.clear();
  clock.advance(ttlMs);
  for (const method of ['GET', 'HEAD'] as const) {
    const { status, headers } = await ask('latest', method);
    assert.deepEqual(
      [status, headers['docker-content-digest'], headers['cache-status']],
      [200, image.manifest.digest, stale],
    );
    assert.match(String(headers['warning']), /origin\.test has 8 of 10 pulls left, 9 are kept for what is not here/);
  }
  assert.deepEqual(origin.requests.lines(), []);
  assert.equal((await ask(platforms[1]!.manifest.digest)).status, 200);
  assert.equal(await remaining(), 7);

  clock.advance(3_600_000);
  const current = await ask('latest');
  assert.equal(current.headers['docker-content-digest'], renewed.manifest.digest);
  assert.equal(await remaining(), 6);
});
