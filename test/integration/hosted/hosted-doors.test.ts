import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { makeImage, seededBytes, type TestImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { type PushAnswer, type SendOptions, sendRaw, ways } from '../../support/stages/push-door.ts';
import { repository } from '../../support/stages/stage.ts';
import { startTestCache, type TestCache, type TestCacheOptions } from '../../support/stages/test-cache.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

// The whole of Entrepot, with its real store and index: what is pushed by one door is pulled by all.

const image = makeImage({ seed: 'pushed', layers: [300_000, 20] });
const common = ways['the hosted door']!;

/** Starts Entrepot in front of a registry. */
async function setUp(t: TestContext, options: Partial<TestCacheOptions> = {}) {
  const data = tmpDir(t);
  const origin = await startTestRegistry();
  const start = () => startTestCache({ data, upstreams: [origin.url], graceMs: 0, ...options });
  let cache = await start();
  t.after(async () => {
    await cache.stop();
    await origin.close();
  });
  return {
    origin,
    cache: () => cache,
    async restart() {
      await cache.stop();
      cache = await start();
    },
  };
}

/** Sends a request to the hosted door, or by another way. */
function send({ hostedPort, port }: TestCache, method: string, rest: string, options: SendOptions = {}, way = common) {
  const [path, query] = rest.split('?', 2);
  const whole = `${way.root}${path}${way.query}${query === undefined ? '' : `${way.query === '' ? '?' : '&'}${query}`}`;
  const to = way.door === 'hosted' ? hostedPort : port;
  return sendRaw(to, method, whole, { host: way.host, ...options.headers }, options.body);
}

/** Pushes an image as clients do: each blob in one request, then the manifest. */
async function pushImage(cache: TestCache, pushed: TestImage, reference: string, way = common): Promise<PushAnswer> {
  for (const { bytes, digest } of pushed.blobs) {
    const { status } = await send(cache, 'POST', `team/app/blobs/uploads/?digest=${digest}`, { body: bytes }, way);
    assert.equal(status, 201);
  }
  const { bytes, mediaType } = pushed.manifest;
  const headers = { 'content-type': mediaType };
  return send(cache, 'PUT', `team/app/manifests/${reference}`, { headers, body: bytes }, way);
}

async function assertPulled(cache: TestCache, pulled: TestImage, way: (typeof ways)[string]): Promise<void> {
  const manifest = await send(cache, 'GET', 'team/app/manifests/latest', {}, way);
  assert.deepEqual([manifest.status, manifest.body], [200, pulled.manifest.bytes.toString()]);
  for (const { bytes, digest } of pulled.blobs) {
    const { status, body } = await send(cache, 'GET', `team/app/blobs/${digest}`, {}, way);
    assert.deepEqual([status, digestOf(Buffer.from(body, 'latin1'))], [200, digestOf(bytes)]);
  }
}

for (const [name, way] of Object.entries(ways)) {
  test(`what is pushed by ${name} is pulled by every way, also after a restart`, async (t) => {
    const { cache, restart, origin } = await setUp(t);
    assert.equal((await pushImage(cache(), image, 'latest', way)).status, 201);
    for (const other of Object.values(ways)) await assertPulled(cache(), image, other);
    await restart();
    for (const other of Object.values(ways)) await assertPulled(cache(), image, other);
    assert.deepEqual(origin.requests.lines(), []);
  });
}

test('what is pushed as the name of a public image is that nowhere but in the hosted registry', async (t) => {
  const { cache, origin } = await setUp(t);
  const theirs = makeImage({ seed: 'theirs', layers: [10] });
  origin.content.push('team/app', theirs, 'latest');
  await pushImage(cache(), image, 'latest');
  const { body } = await rawFetch(`${cache().url}/v2/team/app/manifests/latest`);
  assert.deepEqual(body, theirs.manifest.bytes);
  await assertPulled(cache(), image, common);
  const refused = await sendRaw(cache().port, 'PUT', '/v2/team/app/manifests/latest', { host: 'cache' }, '{}');
  assert.equal(refused.status, 405);
});

test('a layer that was pulled through the cache is not sent again by who pushes an image built on it', async (t) => {
  const { cache, origin } = await setUp(t);
  const base = makeImage({ seed: 'base', layers: [200_000] });
  origin.content.push(repository, base, 'latest');
  await rawFetch(`${cache().url}/v2/${repository}/manifests/latest`);
  const [, layer] = base.blobs as readonly { readonly digest: Digest; readonly bytes: Buffer }[];
  await rawFetch(`${cache().url}/v2/${repository}/blobs/${layer!.digest}`);
  await cache().event('blob stored');
  const head = await send(cache(), 'HEAD', `team/app/blobs/${layer!.digest}`);
  assert.deepEqual([head.status, head.headers['content-length']], [200, '200000']);
  const mounted = await send(cache(), 'POST', `team/two/blobs/uploads/?mount=${layer!.digest}`);
  assert.equal(mounted.status, 201);
  const { body } = await send(cache(), 'GET', `team/two/blobs/${layer!.digest}`);
  assert.ok(Buffer.from(body, 'latin1').equals(layer!.bytes));
});

test('an upload goes on where it was after a restart', async (t) => {
  const { cache, restart } = await setUp(t);
  const blob = seededBytes('upload', 500_000);
  const digest = digestOf(blob);
  const { headers } = await send(cache(), 'POST', 'team/app/blobs/uploads/');
  const session = String(headers['location']).slice('/v2/'.length);
  await send(cache(), 'PATCH', session, { body: [blob.subarray(0, 200_000)] });
  await restart();
  const { status, headers: after } = await send(cache(), 'GET', session);
  assert.deepEqual([status, after['range']], [204, '0-199999']);
  const rest = { body: blob.subarray(200_000), headers: { 'content-range': '200000-499999' } };
  assert.equal((await send(cache(), 'PUT', `${session}?digest=${digest}`, rest)).status, 201);
  const { body } = await send(cache(), 'GET', `team/app/blobs/${digest}`);
  assert.ok(Buffer.from(body, 'latin1').equals(blob));
});

test('the catalog of the registry door has what is pushed under its alias, and that of the hosted door by its name', async (t) => {
  const { cache } = await setUp(t);
  await pushImage(cache(), image, 'latest');
  const list = async (url: string) => JSON.parse((await rawFetch(url)).body.toString()).repositories;
  assert.deepEqual(await list(`${cache().url}/v2/_catalog`), ['hosted.entrepot/team/app']);
  assert.deepEqual(await list(`${cache().url}/v2/_catalog?ns=localhost:5001`), ['team/app']);
  assert.deepEqual(await list(`${cache().hostedUrl}/v2/_catalog`), ['team/app']);
});

test('limits of uploads are those of the configuration', async (t) => {
  const uploads = { maxAgeMs: 60_000, maxCount: 1, maxBytes: 1000 };
  const { cache } = await setUp(t, { hosted: { uploads, maxManifestBytes: 100 } });
  assert.equal((await send(cache(), 'POST', 'a/blobs/uploads/')).status, 202);
  const second = await send(cache(), 'POST', 'a/blobs/uploads/');
  assert.deepEqual([second.status, second.headers['retry-after']], [429, '60']);
  const headers = { 'content-type': 'application/json' };
  assert.equal((await send(cache(), 'PUT', 'a/manifests/v1', { headers, body: Buffer.alloc(101) })).status, 413);
  const { body } = await rawFetch(`${cache().url}/metrics`);
  assert.match(body.toString(), /^entrepot_uploads 1$/m);
  assert.match(body.toString(), /^entrepot_refused_pushes_total\{reason="count"\} 1$/m);
});

test('a door whose address is in use keeps Entrepot from starting, and the error names its key', async (t) => {
  const { cache } = await setUp(t);
  const listen = { host: '127.0.0.1', port: cache().hostedPort };
  const start = startTestCache({ data: tmpDir(t), upstreams: [], hostedDoor: { listen } });
  await assert.rejects(start, {
    code: 'EADDRINUSE',
    message: /EADDRINUSE.* \(doors\.hosted\.listen\); choose another with --set doors\.hosted\.listen=ADDR, or none/,
  });
});

test('without a hosted door the registry door takes what is pushed', async (t) => {
  const { cache } = await setUp(t, { hostedDoor: { listen: undefined } });
  assert.equal(cache().hostedPort, 0);
  assert.equal((await pushImage(cache(), image, 'latest', ways['ns'])).status, 201);
  await assertPulled(cache(), image, ways['the alias in the name']!);
});
