import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { storedBlobs } from '../../support/disk/store-files.ts';
import { assertWhole } from '../../support/http/body-reader.ts';
import { rawFetch, readRest } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const sizeBytes = 3 * 1024 * 1024 + 7;
const miss = 'Entrepot; fwd=miss; stored';
const collapsed = 'Entrepot; fwd=miss; stored; collapsed';

/** Every way to ask the one door for a blob of the test registry, whose name is `origin.test`. */
function doorUrls({ url }: Stage, digest: string): string[] {
  return [
    `${url}/v2/${repository}/blobs/${digest}`,
    `${url}/v2/origin.test/${repository}/blobs/${digest}`,
    `${url}/origin.test/v2/${repository}/blobs/${digest}`,
    `${url}/v2/${repository}/blobs/${digest}?ns=origin.test`,
  ];
}

/** Two registries that both hold a blob, and a cache in front of them; the second is `second.test`. */
async function setTwoRegistries(t: TestContext) {
  const second = await startTestRegistry();
  t.after(() => second.close());
  const origin = await startTestRegistry();
  t.after(() => origin.close());
  const upstreams = [
    { name: 'origin.test', urls: [new URL(origin.url)] },
    { name: 'second.test', urls: [new URL(second.url)] },
  ];
  const stage = await setStage(t, { cache: { upstreams } });
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const secondUrl = `${stage.url}/v2/second.test/${repository}/blobs/${digest}`;
  return { stage, origin, second, digest, secondUrl };
}

test('32 clients at every door that ask for one cold blob cost one ping, one token and one GET', async (t) => {
  const stage = await setStage(t, { registry: { auth: { kind: 'bearer' } } });
  const { origin } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const gate = origin.faults.stallAfterBytes('GET blob', 1);
  const urls = doorUrls(stage, digest);
  const messages = await Promise.all(Array.from({ length: 32 }, (_, i) => stage.request(urls[i % urls.length]!)));
  gate.release();
  const answers = await Promise.all(messages.map(readRest));
  for (const answer of answers) assertWhole(answer, digest);
  assert.deepEqual(origin.requests.lines(), [
    'GET /v2/',
    `GET /token?scope=repository:${repository}:pull`,
    `GET /v2/${repository}/blobs/${shorten(digest)}`,
  ]);
  assert.equal(origin.tokensIssued, 1);
  const statuses = answers.map(({ headers }) => headers['cache-status']).sort();
  assert.deepEqual(statuses, [miss, ...new Array<string>(31).fill(collapsed)]);
  for (const { headers } of answers) assert.equal(headers['content-length'], `${sizeBytes}`);
  assert.deepEqual(
    stage.log.named('blob download initiated').map(({ facts }) => facts['digest']),
    [digest],
  );
});

test('what came through one door is a hit at every other, and is asked for no more', async (t) => {
  const stage = await setStage(t);
  const { origin, log, data } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const [first, ...others] = doorUrls(stage, digest);
  assertWhole(await rawFetch(first!), digest);
  await log.waitFor('blob stored');
  origin.requests.clear();
  for (const url of [first!, ...others]) {
    const answer = await rawFetch(url);
    assertWhole(answer, digest);
    assert.equal(answer.headers['cache-status'], 'Entrepot; hit');
  }
  assert.deepEqual(origin.requests.lines(), []);
  assert.deepEqual(storedBlobs(data), [digest.slice('sha256:'.length)]);
});

test('two blobs at a time are two transfers, each with its own bytes', async (t) => {
  const stage = await setStage(t);
  const { origin } = stage;
  const digests = ['one', 'two'].map((seed) => origin.content.putGenerated(repository, seed, sizeBytes));
  const answers = await Promise.all(
    [...digests, ...digests].map(async (digest) => ({ digest, answer: await rawFetch(stage.blobUrl(digest)) })),
  );
  for (const { digest, answer } of answers) assertWhole(answer, digest);
  const gets = digests.map((digest) => `GET /v2/${repository}/blobs/${shorten(digest)}`);
  assert.deepEqual(origin.requests.lines().sort(), ['GET /v2/', ...gets].sort());
});

test('a blob of a sha512 digest comes whole, and is kept under it', async (t) => {
  const stage = await setStage(t);
  const { origin, log, data } = stage;
  const digest = origin.content.putBlob(repository, Buffer.alloc(sizeBytes, 'sha512'), 'sha512');
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  await log.waitFor('blob stored');
  assert.deepEqual(storedBlobs(data), [digest.slice('sha512:'.length)]);
});

test('HEAD of a blob in flight knows its size, and asks upstream nothing', async (t) => {
  const stage = await setStage(t);
  const { origin } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const gate = origin.faults.stallAfterBytes('GET blob', 1);
  const first = await stage.request(stage.blobUrl(digest));
  const before = origin.requests.lines();
  const head = await rawFetch(stage.blobUrl(digest), { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length']], [200, `${sizeBytes}`]);
  assert.equal(head.headers['cache-status'], collapsed);
  assert.deepEqual(origin.requests.lines(), before);
  gate.release();
  assertWhole(await readRest(first), digest);
});

test('clients of another repository join a transfer after one HEAD there', async (t) => {
  const stage = await setStage(t);
  const { origin } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  origin.content.putGenerated('lib/other', 'layer', sizeBytes);
  const gate = origin.faults.stallAfterBytes('GET blob', 1);
  const held = origin.faults.holdHeaders('HEAD blob');
  const first = await stage.request(stage.blobUrl(digest));
  const asking = Array.from({ length: 4 }, () => stage.request(stage.blobUrl(digest, 'lib/other')));
  await held.reached;
  held.release();
  const others = await Promise.all(asking);
  gate.release();
  for (const answer of await Promise.all([first, ...others].map(readRest))) assertWhole(answer, digest);
  for (const { headers } of others) assert.equal(headers['cache-status'], collapsed);
  assert.deepEqual(origin.requests.lines(), [
    'GET /v2/',
    `GET /v2/${repository}/blobs/${shorten(digest)}`,
    `HEAD /v2/lib/other/blobs/${shorten(digest)}`,
  ]);
});

test('a blob that is here is a hit for another repository after one HEAD there, then without', async (t) => {
  const stage = await setStage(t);
  const { origin, log } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  origin.content.putGenerated('lib/other', 'layer', sizeBytes);
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  await log.waitFor('blob stored');
  origin.requests.clear();
  const statuses = [];
  for (let i = 0; i < 2; i++) {
    const answer = await rawFetch(stage.blobUrl(digest, 'lib/other'));
    assertWhole(answer, digest);
    statuses.push(answer.headers['cache-status']);
  }
  assert.deepEqual(statuses, ['Entrepot; fwd=stale; fwd-status=200; detail=revalidated', 'Entrepot; hit']);
  assert.deepEqual(origin.requests.lines(), [`HEAD /v2/lib/other/blobs/${shorten(digest)}`]);
});

test('a blob that upstream does not have in a repository is 404 there, whether here or on its way', async (t) => {
  const stage = await setStage(t, { cache: { negativeTtlMs: 0 } });
  const { origin, log } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const gate = origin.faults.stallAfterBytes('GET blob', 1);
  const first = await stage.request(stage.blobUrl(digest));
  const refuse = async () => {
    const answer = await rawFetch(stage.blobUrl(digest, 'lib/other'));
    assert.equal(answer.status, 404);
    assert.match(answer.body.toString(), /BLOB_UNKNOWN/);
    assert.equal((await rawFetch(stage.blobUrl(digest, 'lib/other'), { method: 'HEAD' })).status, 404);
  };
  await refuse();
  gate.release();
  assertWhole(await readRest(first), digest);
  await log.waitFor('blob stored');
  await refuse();
  const head = `HEAD /v2/lib/other/blobs/${shorten(digest)}`;
  assert.deepEqual(origin.requests.lines().slice(2), [head, head, head, head]);
});

test('clients of another registry join a transfer after a HEAD there', async (t) => {
  const { stage, origin, second, digest, secondUrl } = await setTwoRegistries(t);
  second.content.putGenerated(repository, 'layer', sizeBytes);
  const gate = origin.faults.stallAfterBytes('GET blob', 1);
  const first = await stage.request(stage.blobUrl(digest));
  const other = await stage.request(secondUrl);
  assert.equal(other.headers['cache-status'], collapsed);
  gate.release();
  for (const answer of await Promise.all([first, other].map(readRest))) assertWhole(answer, digest);
  await stage.log.waitFor('blob stored');
  assert.equal((await rawFetch(secondUrl)).headers['cache-status'], 'Entrepot; hit');
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', `GET /v2/${repository}/blobs/${shorten(digest)}`]);
  assert.deepEqual(second.requests.lines(), ['GET /v2/', `HEAD /v2/${repository}/blobs/${shorten(digest)}`]);
});

test('a blob that another registry does not have is 404 there', async (t) => {
  const { stage, second, digest, secondUrl } = await setTwoRegistries(t);
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  await stage.log.waitFor('blob stored');
  assert.equal((await rawFetch(secondUrl)).status, 404);
  assert.deepEqual(second.requests.lines(), ['GET /v2/', `HEAD /v2/${repository}/blobs/${shorten(digest)}`]);
});

test('a cold blob that upstream does not have is 404, and nothing is kept of it', async (t) => {
  const stage = await setStage(t);
  const { origin, data } = stage;
  const digest = origin.content.putGenerated('lib/other', 'layer', 1000);
  for (let i = 0; i < 2; i++) assert.equal((await rawFetch(stage.blobUrl(digest))).status, 404);
  const get = `GET /v2/${repository}/blobs/${shorten(digest)}`;
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);
  assert.deepEqual(storedBlobs(data), []);
});
