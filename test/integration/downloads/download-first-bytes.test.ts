import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededBytes } from '../../support/content/images.ts';
import { assertWhole, takeBytes } from '../../support/http/body-reader.ts';
import { readRest } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, setStage } from '../../support/stages/stage.ts';

const sizeBytes = 300_000;

test('the head of a cold blob reaches the client while upstream has sent its head alone', async (t) => {
  const { origin, ...stage } = await setStage(t);
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const gate = origin.faults.stallAfterBytes('GET blob', 0);
  const message = await stage.request(stage.blobUrl(digest));
  assert.equal(message.statusCode, 200);
  assert.equal(message.headers['content-length'], `${sizeBytes}`);
  assert.equal(message.headers['docker-content-digest'], digest);
  assert.equal(message.headers['cache-status'], 'Entrepot; fwd=miss; stored');
  assert.equal(origin.requests.all.at(-1)?.bodyBytes, 0);
  gate.release();
  assertWhole(await readRest(message), digest);
});

test('the first byte of a cold blob reaches every client while upstream has sent one byte', async (t) => {
  const { origin, ...stage } = await setStage(t);
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const gate = origin.faults.stallAfterBytes('GET blob', 1);
  const messages = [];
  for (let i = 0; i < 3; i++) {
    const message = await stage.request(stage.blobUrl(digest));
    assert.deepEqual(await takeBytes(message, 1), seededBytes('layer', 1));
    messages.push(message);
  }
  assert.equal(origin.requests.all.at(-1)?.bodyBytes, 1);
  gate.release();
  for (const message of messages) {
    const { body, broken } = await readRest(message);
    assert.equal(broken, undefined);
    assert.deepEqual(body, seededBytes('layer', sizeBytes).subarray(1));
  }
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', `GET /v2/${repository}/blobs/${shorten(digest)}`]);
});

test('a client follows upstream piece by piece, and one that comes later gets at once what has come', async (t) => {
  const { origin, ...stage } = await setStage(t);
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const gate = origin.faults.stallAfterBytes('GET blob', 200_000);
  const first = await stage.request(stage.blobUrl(digest));
  assert.deepEqual(await takeBytes(first, 200_000), seededBytes('layer', 200_000));
  const later = await stage.request(stage.blobUrl(digest));
  assert.deepEqual(await takeBytes(later, 200_000), seededBytes('layer', 200_000));
  gate.release();
  for (const message of [first, later]) {
    const { body, broken } = await readRest(message);
    assert.equal(broken, undefined);
    assert.deepEqual(body, seededBytes('layer', sizeBytes).subarray(200_000));
  }
});
