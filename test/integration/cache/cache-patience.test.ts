import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage } from '../../support/content/images.ts';
import { assertWhole } from '../../support/http/body-reader.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { repository, setStage } from '../../support/stages/stage.ts';

const image = makeImage({ seed: 'patience', layers: [200_000] });
const layer = image.blobs[1]!;
const other = 'lib/other';
const cache = { patienceMs: 300 };

function assertTooLate({ status, headers, body }: Awaited<ReturnType<typeof rawFetch>>): void {
  assert.deepEqual([status, headers['retry-after']], [503, '5']);
  assert.match(JSON.parse(body.toString()).errors[0].message, /^Cannot answer within 0.3 s/);
}

test('a blob whose head takes too long is 503, but its download goes on, and the next request has it', async (t) => {
  const stage = await setStage(t, { cache });
  stage.origin.content.push(repository, image);
  const gate = stage.origin.faults.holdHeaders('GET blob');
  assertTooLate(await rawFetch(stage.blobUrl(layer.digest)));
  gate.release();
  await stage.log.waitFor('blob stored');
  const answer = await rawFetch(stage.blobUrl(layer.digest));
  assertWhole(answer, layer.digest);
  assert.equal(answer.headers['cache-status'], 'Entrepot; hit');
});

test('a manifest that takes too long is 503, by tag and by digest, by GET and HEAD', async (t) => {
  const stage = await setStage(t, { cache });
  stage.origin.content.push(repository, image, 'latest');
  const gate = stage.origin.faults.holdHeaders('manifest', { times: Number.POSITIVE_INFINITY });
  for (const reference of ['latest', image.manifest.digest]) {
    assertTooLate(await rawFetch(stage.manifestUrl(reference)));
    assert.equal((await rawFetch(stage.manifestUrl(reference), { method: 'HEAD' })).status, 503);
  }
  gate.release();
});

test('a manifest that takes too long is fetched all the same, as it was counted: the next request has it', async (t) => {
  const stage = await setStage(t, { cache });
  stage.origin.content.push(repository, image, 'latest');
  const gate = stage.origin.faults.holdHeaders('manifest');
  assertTooLate(await rawFetch(stage.manifestUrl('latest')));
  const again = rawFetch(stage.manifestUrl('latest'));
  await gate.reached;
  gate.release();
  assert.deepEqual((await again).body, image.manifest.bytes);
  assert.equal((await rawFetch(stage.manifestUrl('latest'))).headers['cache-status'], 'Entrepot; hit');
  assert.equal(stage.origin.requests.matching(/manifests/).length, 1);
});

test('a blob that is here is served when upstream takes too long to say whether another repository has it', async (t) => {
  const stage = await setStage(t, { cache });
  for (const name of [repository, other]) stage.origin.content.push(name, image);
  assertWhole(await rawFetch(stage.blobUrl(layer.digest)), layer.digest);
  await stage.log.waitFor('blob stored');
  const gate = stage.origin.faults.holdHeaders('HEAD blob', { times: Number.POSITIVE_INFINITY });
  for (const method of ['HEAD', 'GET']) {
    const answer = await rawFetch(stage.blobUrl(layer.digest, other), { method });
    assert.equal(answer.status, 200);
    assert.match(answer.headers['warning'] ?? '', /^299 .*Cannot answer within/);
  }
  gate.release();
});
