import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { seededBytes } from '../content/images.ts';
import { rawFetch, rawRequest } from '../http/raw-http.ts';
import { ManualClock } from '../time/clock.ts';
import { certificates } from '../tls/certs.ts';
import { startTestRegistry, type TestRegistryOptions } from '../upstream/test-registry.ts';
import { shorten } from './recorder.ts';

const sizeBytes = 1024 * 1024;
const bytes = seededBytes('blob', sizeBytes);

async function setUp(t: TestContext, options: TestRegistryOptions = {}) {
  const registry = await startTestRegistry(options);
  t.after(() => registry.close());
  const digest = registry.content.putGenerated('library/app', 'blob', sizeBytes);
  const path = `/v2/library/app/blobs/${digest}`;
  return { registry, blobUrl: registry.url + path, blobLine: `GET ${shorten(path)}` };
}

test('resetAfterBytes() lets exactly so many bytes arrive, then resets, and strikes once', async (t) => {
  const { registry, blobUrl, blobLine } = await setUp(t);
  for (let round = 0; round < 20; round++) {
    registry.requests.clear();
    registry.faults.resetAfterBytes('GET blob', 300_001);
    const torn = await rawFetch(blobUrl);
    assert.equal(torn.status, 200);
    assert.equal(torn.broken, 'ECONNRESET');
    assert.equal(torn.headers['content-length'], `${sizeBytes}`);
    assert.ok(torn.body.equals(bytes.subarray(0, 300_001)), `${torn.body.length} bytes arrived`);
    const rest = await rawFetch(blobUrl, { headers: { range: 'bytes=300001-' } });
    assert.ok(rest.broken === undefined && rest.body.equals(bytes.subarray(300_001)));
    assert.deepEqual(registry.requests.lines(), [blobLine, `${blobLine} bytes=300001-`]);
    assert.deepEqual(await Promise.all(registry.requests.all.map((seen) => seen.ended)), ['broken', 'whole']);
  }
});

test('resetAfterBytes() resets below TLS, too', async (t) => {
  const { ca, server } = certificates();
  const { registry, blobUrl } = await setUp(t, { tls: server });
  registry.faults.resetAfterBytes('GET blob', 300_001);
  const torn = await rawFetch(blobUrl, { ca: ca.cert });
  assert.equal(torn.broken, 'ECONNRESET');
  assert.ok(torn.body.equals(bytes.subarray(0, 300_001)), `${torn.body.length} bytes arrived`);
  assert.ok((await rawFetch(blobUrl, { ca: ca.cert })).body.equals(bytes));
});

test('resetAfterBytes() after no byte sends the headers alone', async (t) => {
  const { registry, blobUrl } = await setUp(t);
  registry.faults.resetAfterBytes('GET blob', 0);
  const torn = await rawFetch(blobUrl);
  assert.deepEqual([torn.status, torn.body.length, torn.broken], [200, 0, 'ECONNRESET']);
});

test('endAfterBytes() ends the connection early under the full length', async (t) => {
  const { registry, blobUrl } = await setUp(t);
  registry.faults.endAfterBytes('GET blob', 5);
  const short = await rawFetch(blobUrl);
  assert.equal(short.headers['content-length'], `${sizeBytes}`);
  assert.equal(short.broken, 'ECONNRESET'); // Node's code for a body that ends before its length, too
  assert.ok(short.body.equals(bytes.subarray(0, 5)));
});

test('stallAfterBytes() sends so many bytes, and the rest when it is released', async (t) => {
  const { registry, blobUrl } = await setUp(t);
  const gate = registry.faults.stallAfterBytes('GET blob', 70_000);
  const message = await rawRequest(blobUrl);
  let received = 0;
  for (; received < 70_000; received += (message.read() as Buffer | null)?.length ?? 0) await once(message, 'readable');
  await gate.reached;
  assert.equal(received, 70_000);
  assert.equal(registry.requests.all[0]?.bodyBytes, 70_000);
  gate.release();
  const rest = Buffer.concat(await message.toArray());
  assert.ok(rest.equals(bytes.subarray(70_000)));
});

test('holdHeaders() answers nothing until it is released', async (t) => {
  const { registry, blobUrl } = await setUp(t);
  const gate = registry.faults.holdHeaders('blob');
  let isAnswered = false;
  const answer = rawFetch(blobUrl).finally(() => {
    isAnswered = true;
  });
  await gate.reached;
  assert.equal((await rawFetch(`${registry.url}/v2/`)).status, 200); // a whole exchange later, there is still no answer
  assert.equal(isAnswered, false);
  assert.equal(registry.requests.all[0]?.status, undefined);
  gate.release();
  assert.ok((await answer).body.equals(bytes));
});

test('a client that leaves in mid-stall is noticed, and close() waits for nobody', async (t) => {
  const { registry, blobUrl } = await setUp(t);
  registry.faults.stallAfterBytes('GET blob', 10, { times: 2 });
  const message = await rawRequest(blobUrl);
  message.destroy();
  assert.equal(await registry.requests.all[0]?.ended, 'broken');
  const held = await rawRequest(blobUrl);
  const isBroken = once(held, 'error');
  await registry.close();
  await isBroken;
});

test('throttle() sends piece by piece as the clock goes', async (t) => {
  const clock = new ManualClock();
  const { registry, blobUrl } = await setUp(t, { clock });
  registry.faults.throttle('GET blob', 400_000, 1000);
  const answer = rawFetch(blobUrl);
  for (const bodyBytes of [400_000, 800_000, sizeBytes]) {
    assert.equal((await clock.nextSleep()).delayMs, 1000);
    assert.equal(registry.requests.all[0]?.bodyBytes, bodyBytes);
    clock.advance(1000);
  }
  assert.ok((await answer).body.equals(bytes));
});

test('faults of one route strike one after the other, each as often as it says', async (t) => {
  const { registry, blobUrl } = await setUp(t);
  registry.faults.answer('blob', { status: 503 }, { times: 2 });
  registry.faults.none('blob');
  registry.faults.tooManyRequests('GET blob', '7');
  registry.faults.closeWithoutAnswer('any');
  assert.equal(registry.faults.unused, 4);
  const answers = [];
  for (let i = 0; i < 4; i++) answers.push(await rawFetch(blobUrl));
  assert.deepEqual(
    answers.map(({ status, headers }) => [status, headers['retry-after']]),
    [
      [503, undefined],
      [503, undefined],
      [200, undefined],
      [429, '7'],
    ],
  );
  await assert.rejects(rawFetch(blobUrl), { code: 'ECONNRESET' });
  assert.equal((await rawFetch(blobUrl)).status, 200);
  assert.equal(registry.faults.unused, 0);
});

test('a fault by predicate strikes only what it is meant for, with quirks of its own', async (t) => {
  const { registry, blobUrl } = await setUp(t);
  registry.faults.none(({ headers }) => headers.range !== undefined, { quirks: { ignoresRange: true } });
  const headers = { range: 'bytes=10-19' };
  assert.equal((await rawFetch(blobUrl)).status, 200);
  const ignored = await rawFetch(blobUrl, { headers });
  assert.deepEqual([ignored.status, ignored.body.length], [200, sizeBytes]);
  assert.equal((await rawFetch(blobUrl, { headers })).status, 206);
});

test('a fault that makes no sense for the body fails at close()', async () => {
  const registry = await startTestRegistry();
  registry.faults.resetAfterBytes('ping', 1000);
  await assert.rejects(rawFetch(`${registry.url}/v2/`));
  await assert.rejects(registry.close(), (error) => error instanceof AggregateError && error.errors.length === 1);
});

test('a slow reader holds the sender back', async (t) => {
  const { registry } = await setUp(t);
  const hugeBytes = 64 * 1024 * 1024; // more than the kernel holds for two sockets
  const digest = registry.content.putGenerated('library/app', 'huge', hugeBytes);
  const message = await rawRequest(`${registry.url}/v2/library/app/blobs/${digest}`);
  await once(message, 'readable');
  await rawFetch(`${registry.url}/v2/`); // a whole exchange: time enough to send on, if it did
  const [sent] = registry.requests.all;
  assert.ok(sent !== undefined && sent.bodyBytes > 0 && sent.bodyBytes < hugeBytes);
  message.destroy();
  assert.equal(await sent.ended, 'broken');
});

test('waitFor() tells of a request that came and of one to come, and connections are counted', async (t) => {
  const { registry, blobUrl, blobLine } = await setUp(t);
  const second = registry.requests.waitFor(blobLine, 2);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  for (let i = 0; i < 2; i++) {
    const [message] = await once(request(blobUrl, { agent, headers: { 'x-nth': `${i}` } }).end(), 'response');
    await message.toArray();
  }
  assert.equal((await second).headers['x-nth'], '1');
  assert.equal((await registry.requests.waitFor(/blobs/)).headers['x-nth'], '0');
  assert.equal(registry.connectionsOpened, 1);
  assert.equal(registry.connectionsOpen, 1);
});
