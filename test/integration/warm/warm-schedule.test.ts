import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusText } from '../../../src/cli/server/status-text.ts';
import type { ServerStatus } from '../../../src/util/status.ts';
import { makeImage } from '../../support/content/images.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { type Stage, setStage } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';
import { turns } from '../../support/upstream/scripted-server.ts';

const before = makeImage({ seed: 'before', layers: [40_000] });
const after = makeImage({ seed: 'after', layers: [40_000] });
const hourMs = 3_600_000;
const list = {
  images: ['lib/app:1.0', 'lib/gone:1.0'],
  ...{ everyMs: 6 * hourMs, platforms: undefined, concurrency: 2 },
};

/** Lets time pass, and waits until so many lists were looked at. */
async function passTime(clock: ManualClock, stage: Stage, ms: number, runs: number): Promise<void> {
  clock.advance(ms);
  await stage.log.waitFor('images warmed', runs);
}

test('a list in the configuration is kept fresh: what its tags stand for by now is here, and nothing is fetched twice', async (t) => {
  const clock = new ManualClock();
  const stage = await setStage(t, { cache: { clock, warm: [list] } });
  const { origin } = stage;
  origin.content.push('lib/app', before, '1.0');
  await clock.nextSleep((ms) => ms >= 30_000 && ms <= 60_000);
  await passTime(clock, stage, 60_000, 1);
  const asked = [before.manifest, ...before.blobs].map(({ digest }) => digest);
  assert.equal(origin.requests.lines(/GET .*app\/(?:blobs|manifests)/).length, asked.length);
  const failed = await stage.log.waitFor('image cannot be warmed');
  assert.equal(failed.facts['image'], 'origin.test/lib/gone:1.0');
  origin.requests.clear();
  const served = await rawFetch(stage.blobUrl(before.blobs[1]!.digest));
  assert.deepEqual([served.status, origin.requests.lines()], [200, []]);
  origin.content.push('lib/app', after, '1.0');
  await passTime(clock, stage, 7 * hourMs, 2);
  assert.equal(origin.requests.lines(/GET .*app\/blobs/).length, after.blobs.length);
  await passTime(clock, stage, 7 * hourMs, 3);
  assert.equal(origin.requests.lines(/GET .*app\/blobs/).length, after.blobs.length, 'what is here is not fetched');
  const status = JSON.parse((await rawFetch(`${stage.url}/status`)).body.toString()) as ServerStatus;
  assert.deepEqual([status.warm?.[0]?.images, status.warm?.[0]?.failed], [2, 1]);
  assert.match(
    statusText(status, 'u'),
    /\nKept warm: 2 images, every 6h.*: 1 failed at .*\n {2}origin\.test\/lib\/gone:1\.0: /,
  );
  const metrics = parsePrometheusText((await rawFetch(`${stage.url}/metrics`)).body.toString());
  assert.deepEqual(
    ['warm', 'failed'].map((result) => metrics.value('entrepot_warmed_images_total', { result })),
    [3, 3],
  );
  assert.equal(metrics.value('entrepot_warm_failing_images'), 1, 'as long as it fails, however seldom it is looked at');
});

test('warming waits while clients wait for downloads', async (t) => {
  const clock = new ManualClock();
  const stage = await setStage(t, {
    cache: { clock, warm: [{ ...list, images: ['lib/app:1.0'] }], space: { maxDownloads: 1 } },
  });
  const { origin } = stage;
  origin.content.push('lib/app', before, '1.0');
  origin.content.push('lib/busy', after, '1.0');
  const gate = origin.faults.holdHeaders(({ url }) => url.includes('busy/blobs'));
  const busy = stage.request(stage.blobUrl(after.blobs[1]!.digest, 'lib/busy'));
  await gate.reached;
  await clock.nextSleep((ms) => ms >= 30_000 && ms <= 60_000);
  clock.advance(60_000);
  await clock.nextSleep((ms) => ms === 1_000);
  assert.deepEqual(origin.requests.lines(/app\/blobs/), []);
  gate.release();
  assert.equal((await busy).statusCode, 200);
  let isOver = false;
  const over = stage.log.waitFor('images warmed').then((): undefined => {
    isOver = true;
  });
  clock.advance(1_000);
  // Time passes only while somebody waits for it: what is under way has limits, too.
  while (!isOver) {
    const sleep = await Promise.race([over, clock.nextSleep((ms) => ms <= 1_000)]);
    clock.advance(sleep?.delayMs ?? 0);
    await turns(); // what is waited for needs them
  }
  assert.equal(origin.requests.lines(/app\/blobs/).length, before.blobs.length);
});
