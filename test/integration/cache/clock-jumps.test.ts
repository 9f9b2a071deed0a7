import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makeImage } from '../../support/content/images.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';

// The clock of a machine jumps: it is set after the start, by hand, or because a virtual machine was asleep. Whatever
// was noted before must then hold for no longer than it was meant to.

const yearMs = 365 * 24 * 3_600_000;
const head = `HEAD /v2/${repository}/manifests/latest`;
const image = makeImage({ seed: 'app', layers: [1000] });

interface Jumping {
  readonly stage: Stage;
  readonly clock: ManualClock;
  /** Asks for the tag; the `Cache-Status` of the answer. */
  pull(): Promise<string>;
}

async function setClockStage(t: TestContext, auth: 'none' | 'bearer' = 'none'): Promise<Jumping> {
  const clock = new ManualClock();
  const registry = auth === 'none' ? { clock } : { clock, auth: { kind: auth } as const };
  const stage = await setStage(t, { registry, cache: { clock, tagTtlMs: 60_000, retry: { rounds: 1 } } });
  stage.origin.content.push(repository, image, 'latest');
  const pull = async () => {
    const answer = await rawFetch(stage.manifestUrl('latest'));
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body, image.manifest.bytes);
    return String(answer.headers['cache-status']);
  };
  await pull();
  return { stage, clock, pull };
}

for (const [which, jumpMs] of [
  ['forward', yearMs],
  ['back', -yearMs],
] as const) {
  test(`a clock that jumps ${which} has a tag asked for once, and then it is fresh again`, async (t) => {
    const { stage, clock, pull } = await setClockStage(t);
    assert.equal(await pull(), 'Entrepot; hit');
    const before = stage.origin.requests.lines().length;
    clock.advance(jumpMs);
    await pull();
    assert.equal(await pull(), 'Entrepot; hit');
    assert.deepEqual(stage.origin.requests.lines().slice(before), [head]);
    clock.advance(60_000);
    await pull();
    assert.deepEqual(stage.origin.requests.lines().slice(before), [head, head]);
  });

  test(`a clock that jumps ${which} while upstream is in trouble holds it in trouble no longer`, async (t) => {
    const { stage, clock, pull } = await setClockStage(t);
    clock.advance(60_000);
    stage.origin.faults.answer('any', { status: 503 });
    assert.match(await pull(), /detail=stale/);
    assert.match(await pull(), /detail=stale/);
    clock.advance(jumpMs);
    assert.match(await pull(), /detail=revalidated$/);
    assert.equal(await pull(), 'Entrepot; hit');
  });

  test(`a clock that jumps ${which} makes a token be fetched anew before it is used again`, async (t) => {
    const { stage, clock, pull } = await setClockStage(t, 'bearer');
    assert.equal(stage.origin.tokensIssued, 1);
    clock.advance(jumpMs);
    stage.origin.expireTokens();
    const refused = stage.origin.requests.all.filter(({ status }) => status === 401).length;
    await pull();
    assert.equal(stage.origin.tokensIssued, 2);
    assert.equal(stage.origin.requests.all.filter(({ status }) => status === 401).length, refused);
  });

  test(`a clock that jumps ${which} over a restart loses nothing that is stored`, async (t) => {
    const { stage, clock, pull } = await setClockStage(t);
    for (const { digest } of image.blobs) await rawFetch(stage.blobUrl(digest));
    await stage.log.waitFor('blob stored', image.blobs.length);
    await stage.restart(() => clock.advance(jumpMs));
    await pull();
    const before = stage.origin.requests.lines().length;
    for (const { digest, bytes } of image.blobs) {
      assert.deepEqual((await rawFetch(stage.blobUrl(digest))).body, bytes);
    }
    assert.equal(await pull(), 'Entrepot; hit');
    assert.equal(stage.origin.requests.lines().length, before);
  });
}
