import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { partialBlobs, spooled, storedBlobs } from '../../support/disk/store-files.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { assertWhole, takeBytes } from '../../support/http/body-reader.ts';
import { rawFetch, rawRequest, readRest } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { startChildCache } from '../../support/stages/child-cache.ts';
import { repository } from '../../support/stages/stage.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const sizeBytes = 2_000_000;
async function setUp(t: TestContext) {
  const data = join(tmpDir(t, { assertClosed: true }), 'data');
  const origin = await startTestRegistry();
  t.after(() => origin.close());
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const path = `/v2/${repository}/blobs/${digest}`;
  const child = await startChildCache(t, data, origin);
  return {
    data,
    origin,
    digest,
    child,
    blobUrl: child.url + path,
    get: `GET /v2/${repository}/blobs/${shorten(digest)}`,
    /** Starts another cache on the data that the crash left. */
    async restart() {
      const cache = await startTestCache({ data, upstreams: [origin.url], retry: { rounds: 1 }, graceMs: 0 });
      t.after(() => cache.stop());
      return { cache, blobUrl: cache.url + path };
    },
  };
}

test('a process that dies in the middle of a blob leaves its bytes to the next, which goes on with them', async (t) => {
  const { data, origin, digest, child, blobUrl, get, restart } = await setUp(t);
  const gate = origin.faults.stallAfterBytes('GET blob', sizeBytes - 1);
  const message = await rawRequest(blobUrl);
  await takeBytes(message, sizeBytes - 1);
  await spooled(data, sizeBytes - 1);
  await child.kill();
  gate.release();
  assert.notEqual((await readRest(message)).broken, undefined);
  assert.deepEqual(storedBlobs(data), []);

  origin.requests.clear();
  const { cache, blobUrl: again } = await restart();
  assert.deepEqual(partialBlobs(data), [digest.slice('sha256:'.length)]);
  const answer = await rawFetch(again);
  assertWhole(answer, digest);
  assert.equal(answer.headers['cache-status'], 'Entrepot; fwd=miss; stored');
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', `${get} bytes=${sizeBytes - 1}-`]);
  await cache.event('blob stored');
  assert.deepEqual(storedBlobs(data), [digest.slice('sha256:'.length)]);
});

test('a process that dies after a blob was stored leaves all of it to the next, which needs no upstream', async (t) => {
  const { data, origin, digest, child, blobUrl, restart } = await setUp(t);
  assertWhole(await rawFetch(blobUrl), digest);
  await child.log.waitFor('blob stored');
  await child.kill();
  assert.deepEqual(storedBlobs(data), [digest.slice('sha256:'.length)]);

  origin.requests.clear();
  const { blobUrl: again } = await restart();
  const answer = await rawFetch(again);
  assertWhole(answer, digest);
  assert.equal(answer.headers['cache-status'], 'Entrepot; hit');
  assert.deepEqual(origin.requests.lines(), []);
});
