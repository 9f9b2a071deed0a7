import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { makeImage, seededBytes } from '../content/images.ts';
import { rawFetch } from '../http/raw-http.ts';
import { ManualClock } from '../time/clock.ts';
import { certificates } from '../tls/certs.ts';
import { startTestRegistry, type TestRegistryOptions } from '../upstream/test-registry.ts';
import { shorten } from './recorder.ts';

const sizeBytes = 200_000;
const bytes = seededBytes('blob', sizeBytes);
const image = makeImage({ seed: 'image', layers: [10, 20] });

async function setUp(t: TestContext, options: TestRegistryOptions = {}) {
  const registry = await startTestRegistry(options);
  t.after(() => registry.close());
  const digest = registry.content.putBlob('library/app', bytes);
  registry.content.push('library/app', image, 'latest');
  const manifests = `${registry.url}/v2/library/app/manifests`;
  return { registry, digest, blobUrl: `${registry.url}/v2/library/app/blobs/${digest}`, manifests };
}

const range = (value: string) => ({ headers: { range: `bytes=${value}` } });

test('a good registry answers as the spec says', async (t) => {
  const { registry, blobUrl, digest, manifests } = await setUp(t);
  const ping = await rawFetch(`${registry.url}/v2/`);
  assert.deepEqual([ping.status, ping.body.toString()], [200, '{}']);
  assert.equal(ping.headers['docker-distribution-api-version'], 'registry/2.0');
  const head = await rawFetch(blobUrl, { method: 'HEAD' });
  assert.deepEqual([head.headers['docker-content-digest'], head.headers['content-length']], [digest, `${sizeBytes}`]);
  const part = await rawFetch(blobUrl, range('5-9'));
  assert.deepEqual([part.status, part.headers['content-range']], [206, `bytes 5-9/${sizeBytes}`]);
  const beyond = await rawFetch(blobUrl, range(`${sizeBytes}-`));
  assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, `bytes */${sizeBytes}`]);
  assert.equal((await rawFetch(`${manifests}/latest`, { method: 'DELETE' })).status, 405);
  assert.equal((await rawFetch(`${registry.url}/`)).status, 404);
  const unknown = JSON.parse((await rawFetch(`${manifests}/absent`)).body.toString());
  assert.equal(unknown.errors[0].code, 'MANIFEST_UNKNOWN');
});

test('requests are recorded in order, in short, with their headers', async (t) => {
  const { registry, blobUrl, digest, manifests } = await setUp(t);
  await rawFetch(`${registry.url}/v2/`);
  await rawFetch(`${manifests}/latest`, { method: 'HEAD', headers: { accept: 'a/b', 'accept-encoding': 'identity' } });
  await rawFetch(blobUrl, range('100-'));
  await rawFetch(`${registry.url}/v2/library/app/tags/list?n=2&last=a`);
  await rawFetch(`${registry.url}/token?service=s&scope=repository%3Alibrary%2Fapp%3Apull`);
  const expected = [
    'GET /v2/',
    'HEAD /v2/library/app/manifests/latest',
    `GET /v2/library/app/blobs/${shorten(digest)} bytes=100-`,
    'GET /v2/library/app/tags/list?n=2&last=a',
    'GET /token?scope=repository:library/app:pull',
  ];
  assert.deepEqual(registry.requests.lines(), expected);
  assert.match(expected[2]!, /sha256:[0-9a-f]{8}… /);
  assert.equal(registry.requests.all[1]?.headers['accept'], 'a/b');
  assert.ok(registry.requests.all[1]?.rawHeaders.includes('identity'));
  assert.deepEqual(registry.requests.lines(/^HEAD/), [expected[1]]);
});

test('digests are withheld by noDigestOnTagGet and noDigestHeader', async (t) => {
  const { registry, blobUrl, manifests } = await setUp(t, { quirks: { noDigestOnTagGet: true } });
  const digestHeader = async (url: string) => (await rawFetch(url)).headers['docker-content-digest'];
  const byDigest = `${manifests}/${image.manifest.digest}`;
  assert.equal(await digestHeader(`${manifests}/latest`), undefined);
  assert.equal(await digestHeader(byDigest), image.manifest.digest);
  registry.setQuirks({ noDigestHeader: true });
  for (const url of [`${manifests}/latest`, byDigest, blobUrl]) assert.equal(await digestHeader(url), undefined);
});

test('manifests are odd by head405, plainTextManifests and wrongManifest', async (t) => {
  const { registry, manifests } = await setUp(t, { quirks: { head405: true, plainTextManifests: true } });
  assert.equal((await rawFetch(`${manifests}/latest`, { method: 'HEAD' })).status, 405);
  assert.match(String((await rawFetch(`${manifests}/latest`)).headers['content-type']), /^text\/plain/);
  registry.setQuirks({ wrongManifest: true });
  const wrong = await rawFetch(`${manifests}/latest`);
  assert.equal(wrong.headers['docker-content-digest'], image.manifest.digest);
  assert.equal(wrong.body.length, image.manifest.bytes.length + 1);
});

test('lists are odd by noLinkHeader and noReferrers', async (t) => {
  const { registry } = await setUp(t, { quirks: { noLinkHeader: true, maxPageSize: 1, noReferrers: true } });
  registry.content.tag('library/app', 'v1', image.manifest.digest);
  const tags = await rawFetch(`${registry.url}/v2/library/app/tags/list?n=100`);
  assert.deepEqual(JSON.parse(tags.body.toString()), { name: 'library/app', tags: ['latest'] });
  assert.equal(tags.headers['link'], undefined);
  assert.equal((await rawFetch(`${registry.url}/v2/library/app/referrers/${image.manifest.digest}`)).status, 404);
});

test('bodies are odd by endsShort, wrongContentLength and noContentLength', async (t) => {
  const { registry, blobUrl } = await setUp(t, { quirks: { endsShort: 100 } });
  const short = await rawFetch(blobUrl);
  assert.ok(short.broken !== undefined && short.body.equals(bytes.subarray(0, -100)));
  assert.equal(short.headers['content-length'], `${sizeBytes}`);
  registry.setQuirks({ wrongContentLength: -7 });
  const cut = await rawFetch(blobUrl);
  assert.ok(cut.broken === undefined && cut.body.equals(bytes.subarray(0, -7)));
  registry.setQuirks({ wrongContentLength: 7 });
  const missing = await rawFetch(blobUrl);
  assert.ok(missing.broken !== undefined && missing.body.equals(bytes));
  assert.equal(missing.headers['content-length'], `${sizeBytes + 7}`);
  registry.setQuirks({ noContentLength: true });
  const chunked = await rawFetch(blobUrl);
  assert.deepEqual([chunked.headers['content-length'], chunked.headers['transfer-encoding']], [undefined, 'chunked']);
  assert.ok(chunked.broken === undefined && chunked.body.equals(bytes));
});

test('bodies are odd by gzipForced, ignoresRange and wrongBytes', async (t) => {
  const { registry, blobUrl, manifests } = await setUp(t, { quirks: { gzipForced: true } });
  for (const [url, expected] of [
    [blobUrl, bytes],
    [`${manifests}/latest`, image.manifest.bytes],
  ] as const) {
    const zipped = await rawFetch(url, { headers: { 'accept-encoding': 'identity' } });
    assert.equal(zipped.headers['content-encoding'], 'gzip');
    assert.ok(gunzipSync(zipped.body).equals(expected));
  }
  registry.setQuirks({ ignoresRange: true });
  const whole = await rawFetch(blobUrl, range('5-9'));
  assert.deepEqual([whole.status, whole.body.length], [200, sizeBytes]);
  registry.setQuirks({ wrongBytes: { at: -1 } });
  const wrong = await rawFetch(blobUrl);
  assert.ok(wrong.body.subarray(0, -1).equals(bytes.subarray(0, -1)));
  assert.notEqual(wrong.body.at(-1), bytes.at(-1));
});

test('answers are huge by hugeErrorBody and hugeHeaders', async (t) => {
  const { manifests } = await setUp(t, { quirks: { hugeErrorBody: 5_000_000, hugeHeaders: 100_000 } });
  const answer = await rawFetch(`${manifests}/absent`, { maxHeaderSize: 200_000 });
  assert.deepEqual([answer.status, answer.body.length], [404, 5_000_000]);
  assert.equal(String(answer.headers['x-filler']).length, 100_000);
  assert.equal((await rawFetch(`${manifests}/latest`, { maxHeaderSize: 200_000 })).status, 200);
  await assert.rejects(rawFetch(`${manifests}/latest`), { code: 'HPE_HEADER_OVERFLOW' });
});

test('pulls are counted by pullLimit: GET counts, HEAD does not', async (t) => {
  const { registry, manifests } = await setUp(t, { quirks: { pullLimit: { limit: 2 } } });
  const remaining = async (method: string) => {
    const { status, headers } = await rawFetch(`${manifests}/latest`, { method });
    return [status, headers['ratelimit-remaining'], headers['retry-after']];
  };
  assert.deepEqual(await remaining('HEAD'), [200, '2;w=21600', undefined]);
  assert.deepEqual(await remaining('GET'), [200, '1;w=21600', undefined]);
  assert.deepEqual(await remaining('GET'), [200, '0;w=21600', undefined]);
  assert.deepEqual(await remaining('GET'), [429, undefined, undefined]);
  assert.deepEqual(await remaining('HEAD'), [200, '0;w=21600', undefined]);
  registry.setQuirks({ pullLimit: { limit: 0, retryAfter: '60' } });
  assert.deepEqual(await remaining('GET'), [429, undefined, '60']);
});

test('blobs are redirected to another origin, which refuses credentials', async (t) => {
  const { registry, blobUrl, digest } = await setUp(t, { quirks: { redirectBlobs: { to: 'absolute' } } });
  const redirect = await rawFetch(blobUrl);
  const location = String(redirect.headers['location']);
  assert.equal(redirect.status, 307);
  assert.equal(new URL(location).origin, registry.cdnUrl);
  assert.notEqual(registry.cdnUrl, registry.url);
  const part = await rawFetch(location, range('10-'));
  assert.ok(part.status === 206 && part.body.equals(bytes.subarray(10)));
  assert.equal((await rawFetch(location, { headers: { authorization: 'Bearer x' } })).status, 400);
  const cdnLine = `GET /cdn/${shorten(digest)}`;
  assert.deepEqual(registry.requests.lines(/cdn/), [`${cdnLine} bytes=10-`, cdnLine]);
  assert.equal(registry.requests.matching(cdnLine)[0]?.headers.authorization, 'Bearer x');
  assert.equal((await rawFetch(`${registry.cdnUrl}/v2/`)).status, 404);
});

test('signed URLs expire by use and by time, and may be relative', async (t) => {
  const clock = new ManualClock();
  const { registry, blobUrl } = await setUp(t, { clock });
  const locationOf = async () => String((await rawFetch(blobUrl)).headers['location']);
  registry.setQuirks({ redirectBlobs: { to: 'absolute', maxUses: 1, status: 302 } });
  assert.equal((await rawFetch(blobUrl)).status, 302);
  const once = await locationOf();
  assert.deepEqual([(await rawFetch(once)).status, (await rawFetch(once)).status], [200, 403]);
  registry.setQuirks({ redirectBlobs: { to: 'relative', lifetimeMs: 1000 } });
  const relative = await locationOf();
  assert.ok(relative.startsWith('/cdn/'));
  assert.ok((await rawFetch(registry.url + relative)).body.equals(bytes));
  clock.advance(1000);
  assert.equal((await rawFetch(registry.url + relative)).status, 403);
});

test('HTTPS is for those who trust the authority, and for those with a certificate where one is asked for', async (t) => {
  const { ca, server } = certificates();
  const { registry } = await setUp(t, { tls: server });
  assert.equal((await rawFetch(`${registry.url}/v2/`, { ca: ca.cert })).status, 200);
  await assert.rejects(rawFetch(`${registry.url}/v2/`), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
  const strict = await setUp(t, { tls: { ...server, clientCa: ca.cert } });
  await assert.rejects(rawFetch(`${strict.registry.url}/v2/`, { ca: ca.cert }));
});
