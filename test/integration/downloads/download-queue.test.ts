import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maxWaitMs } from '../../../src/cache/download/download-queue.ts';
import { assertWhole } from '../../support/http/body-reader.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { rawFetch, readRest } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, setStage } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';

test('a download beyond the limit waits, is 503 when that takes too long, and is served when there is room', async (t) => {
  const clock = new ManualClock();
  const stage = await setStage(t, { cache: { clock, space: { maxDownloads: 1 } } });
  const { origin, url } = stage;
  const put = (seed: string) => origin.content.putGenerated(repository, seed, 500_000);
  const [first, late, second] = [put('first'), put('late'), put('second')];
  const gate = origin.faults.stallAfterBytes('GET blob', 1000);
  const message = await stage.request(stage.blobUrl(first));

  const waiting = rawFetch(stage.blobUrl(late));
  await clock.nextSleep((delayMs) => delayMs === maxWaitMs);
  const scrape = parsePrometheusText((await rawFetch(`${url}/metrics`)).body.toString());
  assert.equal(scrape.value('entrepot_downloads_in_flight'), 1);
  assert.equal(scrape.value('entrepot_downloads_waiting'), 1);
  clock.advance(maxWaitMs);
  const tooLate = await waiting;
  assert.deepEqual([tooLate.status, tooLate.headers['retry-after']], [503, '5']);
  assert.equal(JSON.parse(tooLate.body.toString()).errors[0].code, 'UNAVAILABLE');

  const next = rawFetch(stage.blobUrl(second));
  await clock.nextSleep((delayMs) => delayMs === maxWaitMs);
  gate.release();
  assertWhole(await readRest(message), first);
  assertWhole(await next, second);
  const gets = [first, second].map((digest) => `GET /v2/${repository}/blobs/${shorten(digest)}`);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', ...gets]);
});
