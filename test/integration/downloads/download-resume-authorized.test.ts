import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertWhole } from '../../support/http/body-reader.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';

const sizeBytes = 1024 * 1024 + 5;
const token = `GET /token?scope=repository:${repository}:pull`;

function linesOf(digest: string) {
  const short = shorten(digest);
  return {
    get: (from?: number) => `GET /v2/${repository}/blobs/${short}${from === undefined ? '' : ` bytes=${from}-`}`,
    cdn: (from?: number) => `GET /cdn/${short}${from === undefined ? '' : ` bytes=${from}-`}`,
  };
}

/** What the CDN was sent beside the signature: never a credential. */
function cdnAuthorizations({ origin }: Stage): (string | undefined)[] {
  return origin.requests.matching(({ origin: server }) => server === 'cdn').map(({ headers }) => headers.authorization);
}

test('a transfer whose token ends in the middle goes on with a new one', async (t) => {
  const clock = new ManualClock();
  const stage = await setStage(t, { registry: { auth: { kind: 'bearer' } }, cache: { clock, download: {} } });
  const { origin } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const { get } = linesOf(digest);
  origin.faults.resetAfterBytes('GET blob', 500_000);
  const pulled = rawFetch(stage.blobUrl(digest));
  const { delayMs } = await clock.nextSleep();
  origin.expireTokens();
  clock.advance(Math.ceil(delayMs));
  assertWhole(await pulled, digest);
  // The old token is refused, and exactly one new one is fetched.
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', token, get(), get(500_000), token, get(500_000)]);
  assert.equal(origin.tokensIssued, 2);
});

test('a transfer does not use a token that it knows to have ended', async (t) => {
  const clock = new ManualClock();
  const stage = await setStage(t, {
    registry: { auth: { kind: 'bearer', tokenLifetimeMs: 60_000 }, clock },
    cache: { clock, download: {} },
  });
  const { origin } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const { get } = linesOf(digest);
  origin.faults.resetAfterBytes('GET blob', 500_000);
  const pulled = rawFetch(stage.blobUrl(digest));
  await clock.nextSleep();
  clock.advance(60_000);
  assertWhole(await pulled, digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', token, get(), token, get(500_000)]);
});

test('a transfer that is redirected to a URL for one use asks the registry for another whenever it goes on', async (t) => {
  const stage = await setStage(t, {
    registry: { auth: { kind: 'bearer' }, quirks: { redirectBlobs: { to: 'absolute', maxUses: 1 } } },
  });
  const { origin } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const { get, cdn } = linesOf(digest);
  origin.faults.resetAfterBytes('GET cdn', 300_000);
  origin.faults.endAfterBytes('GET cdn', 300_000);
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  assert.deepEqual(origin.requests.lines(), [
    'GET /v2/',
    token,
    ...[get(), cdn()],
    ...[get(300_000), cdn(300_000)],
    ...[get(600_000), cdn(600_000)],
  ]);
  assert.deepEqual(cdnAuthorizations(stage), [undefined, undefined, undefined]);
  for (const { status } of origin.requests.matching(/^GET .cdn/)) assert.ok(status === 200 || status === 206);
});

test('a transfer goes on when the signed URL, the token and the connection have all ended', async (t) => {
  const clock = new ManualClock();
  const stage = await setStage(t, {
    registry: {
      auth: { kind: 'bearer' },
      quirks: { redirectBlobs: { to: 'absolute', lifetimeMs: 10_000 } },
      clock,
    },
    cache: { clock, download: {} },
  });
  const { origin } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const { get, cdn } = linesOf(digest);
  origin.faults.resetAfterBytes('GET cdn', 300_000);
  const pulled = rawFetch(stage.blobUrl(digest));
  await clock.nextSleep();
  origin.expireTokens();
  clock.advance(10_000);
  assertWhole(await pulled, digest);
  assert.deepEqual(origin.requests.lines(), [
    'GET /v2/',
    token,
    ...[get(), cdn()],
    ...[get(300_000), token],
    ...[get(300_000), cdn(300_000)],
  ]);
  assert.deepEqual(cdnAuthorizations(stage), [undefined, undefined]);
});

test('a signed URL that ends before it is used is asked for again', async (t) => {
  const stage = await setStage(t, {
    registry: { quirks: { redirectBlobs: { to: 'absolute', maxUses: 1 } } },
  });
  const { origin } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const { get, cdn } = linesOf(digest);
  // A CDN in trouble answers 503 for the only use; the next try must not reuse the URL.
  origin.faults.answer('GET cdn', { status: 503 });
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', ...[get(), cdn()], ...[get(), cdn()]]);
});
