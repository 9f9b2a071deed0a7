import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import { type Digest, digestOf, hexOf } from '../../../src/oci/digest.ts';
import type { BlobContent } from '../../../src/oci/registry.ts';
import { ByteRate } from '../../../src/upstream/limits/byte-rate.ts';
import { RequestLimit } from '../../../src/upstream/limits/request-limit.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { ManualClock } from '../../support/time/clock.ts';
import { turns } from '../../support/upstream/scripted-server.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';
import { makeClient, patient, repository, skipSleeps, startUpstream } from '../../support/upstream/upstream-client.ts';

const mebibyte = 1024 * 1024;

/** Reads a blob to its end, and checks it. */
async function assertWhole(content: BlobContent, digest: Digest): Promise<void> {
  const hash = createHash('sha256');
  for (let chunk = await content.next(); chunk; chunk = await content.next()) {
    hash.update(chunk.bytes);
    chunk.release();
  }
  assert.equal(hash.digest('hex'), hexOf(digest));
}

describe('no more requests at a time than maxConcurrent', () => {
  async function setUp(t: TestContext, maxConcurrent: number, blobs = 6) {
    const clock = new ManualClock();
    const requestLimit = new RequestLimit({ upstream: 'origin.test', maxConcurrent, clock });
    const upstream = await startUpstream(t, {}, { clock, requestLimit });
    const digests = Array.from({ length: blobs }, (_, index) =>
      upstream.server.content.putGenerated(repository, `blob ${index}`, 300_000),
    );
    const get = (digest: Digest, signal = patient) => upstream.registry.getBlob(repository, digest, undefined, signal);
    const pull = async (digest: Digest) => assertWhole(await get(digest), digest);
    const lines = digests.map((digest) => `GET /v2/${repository}/blobs/${shorten(digest)}`);
    /** Those of the blobs that the origin was asked for, by number, after the ping. */
    const asked = () => upstream.server.requests.lines(/blobs/).map((line) => lines.indexOf(line));
    return { ...upstream, requestLimit, digests, get, pull, lines, asked };
  }

  test('reach the origin, and the others in the order in which they came', async (t) => {
    const { server, requestLimit, digests, pull, asked } = await setUp(t, 2, 12);
    const gate = server.faults.holdHeaders('GET blob', { times: 2 });
    const all = digests.map(pull);
    await server.requests.waitFor(/blobs/, 2);
    await turns();
    assert.deepEqual(asked(), [0, 1]);
    assert.equal(requestLimit.waiting, 10);
    gate.release();
    await Promise.all(all);
    // The first two go together, and so may any two beside each other after them.
    for (const [place, index] of asked().entries()) assert.ok(Math.abs(place - index) <= 1, asked().join());
    assert.equal(asked().length, 12);
    // On a connection there is one request at a time, and no other connection was ever opened.
    assert.ok(server.connectionsOpened <= 2, `${server.connectionsOpened} connections`);
    assert.equal(requestLimit.waiting, 0);
  });

  test('one after the other, when there is one place', async (t) => {
    const { server, digests, pull, asked } = await setUp(t, 1);
    await Promise.all(digests.map(pull));
    assert.deepEqual(asked(), [0, 1, 2, 3, 4, 5]);
    assert.equal(server.connectionsOpened, 1);
  });

  test('until the last byte of an answer has come', async (t) => {
    const { server, requestLimit, digests, get, pull, asked } = await setUp(t, 1);
    const gate = server.faults.stallAfterBytes('GET blob', 200_000);
    const first = await get(digests[0]!);
    const second = pull(digests[1]!);
    await gate.reached;
    await turns();
    assert.deepEqual([asked(), requestLimit.waiting], [[0], 1]);
    gate.release();
    await Promise.all([assertWhole(first, digests[0]!), second]);
    assert.deepEqual(asked(), [0, 1]);
  });

  test('and who leaves the line is never asked for', async (t) => {
    const { server, requestLimit, digests, get, pull, asked } = await setUp(t, 1);
    const gate = server.faults.holdHeaders('GET blob');
    const first = pull(digests[0]!);
    await gate.reached;
    const leaving = new AbortController();
    const left = get(digests[1]!, leaving.signal);
    const third = pull(digests[2]!);
    leaving.abort(new Error('left'));
    await assert.rejects(left, { message: 'left' });
    assert.equal(requestLimit.waiting, 1);
    gate.release();
    await Promise.all([first, third]);
    assert.deepEqual(asked(), [0, 2]);
  });

  test('and every way to end makes room: closed, left, broken, refused, asked by HEAD', async (t) => {
    const { server, registry, digests, get, pull, asked } = await setUp(t, 1);
    (await get(digests[0]!)).close();

    const gate = server.faults.stallAfterBytes('GET blob', 100_000);
    const leaving = new AbortController();
    const stalled = await get(digests[1]!, leaving.signal);
    await gate.reached;
    leaving.abort(new Error('left'));
    await assert.rejects(assertWhole(stalled, digests[1]!), { message: 'left' });
    stalled.close();
    gate.release();

    server.faults.resetAfterBytes('GET blob', 100_000);
    const broken = await get(digests[2]!);
    await assert.rejects(assertWhole(broken, digests[2]!), { code: 'UNAVAILABLE' });

    await assert.rejects(get(digestOf(Buffer.from('nobody has this'), 'sha256')), { code: 'BLOB_UNKNOWN' });
    server.faults.answer('GET blob', { status: 403 });
    await assert.rejects(get(digests[3]!), { code: 'DENIED' });
    assert.deepEqual(await registry.statBlob(repository, digests[4]!, patient), { sizeBytes: 300_000 });
    await pull(digests[5]!);
    assert.equal(asked().at(-1), 5);
  });

  test('and who found no place for 20 s is told so, while the upstream is not to blame', async (t) => {
    const { server, clock, digests, get, pull, requestLimit, asked } = await setUp(t, 1);
    const gate = server.faults.holdHeaders('GET blob');
    const first = pull(digests[0]!);
    await gate.reached;
    const late = assert.rejects(get(digests[1]!), {
      code: 'UNAVAILABLE',
      status: 503,
      message: /^Cannot ask upstream origin\.test: as many requests are under way as its maxConcurrent allows \(1\)/,
      notAskedUntilMs: clock.now() + 20_000,
    });
    await clock.nextSleep((delayMs) => delayMs === 20_000);
    clock.advance(20_000);
    await late;
    assert.equal(requestLimit.waiting, 0);
    gate.release();
    await first;
    assert.deepEqual(asked(), [0]);
    assert.equal(clock.sleeping, 0);
  });
});

describe('maxBytesPerSecond', () => {
  test('is what the blobs of an upstream come by, all together', async (t) => {
    const clock = new ManualClock();
    const byteRate = new ByteRate(mebibyte, clock);
    const { server, registry } = await startUpstream(t, {}, { clock, byteRate });
    const digests = ['a', 'b', 'c'].map((seed) => server.content.putGenerated(repository, seed, 16 * mebibyte));
    const startMs = clock.now();
    skipSleeps(clock);
    await Promise.all(
      digests.map(async (digest) => {
        await assertWhole(await registry.getBlob(repository, digest, undefined, patient), digest);
      }),
    );
    const seconds = (clock.now() - startMs) / 1000;
    assert.ok(seconds >= 48 - 1.2 && seconds <= 48.1, `${seconds} s`); // the last chunk, of 1 MiB at most, waits for nobody
  });

  test('pauses the server, and not only the reader', async (t) => {
    const clock = new ManualClock();
    const byteRate = new ByteRate(1_000, clock);
    const { server, registry } = await startUpstream(t, {}, { clock, byteRate });
    const free = makeClient(t, [server.url]);
    const [slow, fast] = ['slow', 'fast'].map((seed) => server.content.putGenerated(repository, seed, 64 * mebibyte));
    const content = await registry.getBlob(repository, slow!, undefined, patient);
    (await content.next())?.release();
    const waiting = content.next();
    await clock.nextSleep();
    // In which time the other would have come, too.
    await assertWhole(await free.registry.getBlob(repository, fast!, undefined, patient), fast!);
    const [request] = server.requests.matching(`GET /v2/${repository}/blobs/${shorten(slow!)}`);
    assert.ok(request!.bodyBytes <= 32 * mebibyte, `${request!.bodyBytes} bytes`); // our blocks and the system's buffers
    const refused = assert.rejects(waiting, { code: 'UNAVAILABLE' });
    content.close();
    await refused;
    assert.equal(clock.sleeping, 0);
  });

  test('does not hold up whoever comes after one who left', async (t) => {
    const clock = new ManualClock();
    const byteRate = new ByteRate(1_000, clock);
    const { server, registry } = await startUpstream(t, {}, { clock, byteRate });
    const [one, other] = ['one', 'other'].map((seed) => server.content.putGenerated(repository, seed, 8 * mebibyte));
    const leaving = new AbortController();
    const content = await registry.getBlob(repository, one!, undefined, leaving.signal);
    (await content.next())?.release();
    const waiting = content.next();
    await clock.nextSleep();
    const left = assert.rejects(waiting, { message: 'left' });
    leaving.abort(new Error('left'));
    await left;
    skipSleeps(clock);
    await assertWhole(await registry.getBlob(repository, other!, undefined, patient), other!);
  });
});

test('the whole cache keeps to the limits of its configuration, and tells of the requests that wait', async (t) => {
  const origin = await startTestRegistry();
  const digests = ['a', 'b'].map((seed) => origin.content.putGenerated(repository, seed, 300_000));
  const cache = await startTestCache({
    data: tmpDir(t),
    upstreams: [{ name: 'origin.test', urls: [new URL(origin.url)], maxConcurrent: 1, maxBytesPerSecond: 1e9 }],
  });
  t.after(() => Promise.all([cache.stop(), origin.close()]));
  const waiting = async () =>
    parsePrometheusText((await rawFetch(`${cache.url}/metrics`)).body.toString()).value(
      'entrepot_upstream_waiting_requests',
      { upstream: 'origin.test' },
    );
  assert.equal(await waiting(), 0);
  const gate = origin.faults.stallAfterBytes('GET blob', 100_000);
  const pulls = [rawFetch(`${cache.url}/v2/${repository}/blobs/${digests[0]}`)];
  await gate.reached;
  pulls.push(rawFetch(`${cache.url}/v2/${repository}/blobs/${digests[1]}`));
  while ((await waiting()) !== 1) await turns();
  assert.equal(origin.requests.lines(/blobs/).length, 1);
  gate.release();
  for (const { status, body } of await Promise.all(pulls)) assert.deepEqual([status, body.length], [200, 300_000]);
  assert.equal(await waiting(), 0);
});
