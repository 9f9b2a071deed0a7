import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage } from '../../test/support/content/images.ts';
import { EventLog } from '../../test/support/event-log.ts';
import { ManualClock } from '../../test/support/time/clock.ts';
import { RegistryError } from '../oci/errors.ts';
import { parseRepository, parseTag } from '../oci/reference.ts';
import type { BlobContent, Manifest } from '../oci/registry.ts';
import { WarmSchedule } from './schedule.ts';
import type { WarmedImage } from './warm-images.ts';
import type { WarmRegistry } from './warm-registry.ts';

const image = makeImage({ seed: 'listed', layers: [100] });
const hit = { kind: 'hit' } as const;
const hourMs = 3_600_000;

/** A cache that has everything, unless it is told what it fails with. */
function cacheOfAll() {
  const state = {
    failure: undefined as Error | undefined,
    gate: undefined as Promise<void> | undefined,
    asked: [] as string[],
  };
  const registry: WarmRegistry = {
    async getManifest(repository, _, signal): Promise<Manifest> {
      signal.throwIfAborted();
      state.asked.push(repository);
      await state.gate;
      if (state.failure) throw state.failure;
      const { bytes, digest, mediaType } = image.manifest;
      return { bytes, digest, mediaType, sizeBytes: bytes.length, outcome: hit };
    },
    async getBlob(): Promise<BlobContent> {
      return { sizeBytes: 1, start: 0, end: 1, outcome: hit, next: async () => undefined, close() {} };
    },
    statBlob: async () => ({ sizeBytes: 1, outcome: hit }),
  };
  return { registry, state };
}

function setUp(names: readonly (readonly string[])[]) {
  const { registry, state } = cacheOfAll();
  const clock = new ManualClock();
  const log = new EventLog();
  const warmed: WarmedImage[] = [];
  const lists = names.map((list) => ({
    images: list.map((name) => ({
      ...{ name, registry: 'r.test', repository: parseRepository(name), reference: parseTag('1') },
    })),
    ...{ everyMs: hourMs, platforms: 'all' as const, concurrency: 2 },
  }));
  const schedule = new WarmSchedule(lists, {
    ...{ clock, log, random: () => 0.5, warmed: (one) => void warmed.push(one) },
    registryOf: (name) => (name === 'r.test' ? registry : undefined),
  });
  /** Lets the next run of a list happen, and waits for its end. */
  const turn = async (runs: number) => {
    const { delayMs } = await clock.nextSleep(() => true);
    clock.advance(delayMs);
    await log.waitFor('images warmed', runs);
    return delayMs;
  };
  return { schedule, state, clock, log, warmed, turn };
}

test('a list is looked at soon after the start, and then again and again', async (t) => {
  const { schedule, state, clock, warmed, turn } = setUp([['app', 'db']]);
  schedule.start();
  t.after(() => schedule.stop());
  assert.deepEqual([await turn(1), await turn(2), await turn(3)], [45_000, hourMs, hourMs]);
  assert.deepEqual(state.asked.toSorted(), ['app', 'app', 'app', 'db', 'db', 'db']);
  assert.equal(warmed.filter(({ error }) => error === undefined).length, 6);
  const { delayMs } = await clock.nextSleep(() => true);
  assert.equal(delayMs, hourMs);
  assert.deepEqual(schedule.status(), [
    {
      ...{ images: 2, everySeconds: 3600, running: false, failed: 0, stale: 0, fetchedBytes: 0, failures: [] },
      lastAt: new Date(clock.now()).toISOString(),
      nextAt: new Date(clock.now() + hourMs).toISOString(),
    },
  ]);
});

test('what fails is told once, tried again the next time, and told when it is well again', async (t) => {
  const { schedule, state, log, turn } = setUp([['app']]);
  state.failure = new RegistryError('DENIED', 'not for you');
  schedule.start();
  t.after(() => schedule.stop());
  await turn(1);
  assert.deepEqual(schedule.status()[0]?.failures, [{ image: 'app', reason: 'not for you' }]);
  await turn(2);
  assert.equal(log.named('image cannot be warmed').length, 1);
  state.failure = new RegistryError('MANIFEST_UNKNOWN', 'gone');
  await turn(3);
  assert.deepEqual(
    log.named('image cannot be warmed').map(({ facts }) => facts['reason']),
    ['not for you', 'gone'],
  );
  state.failure = undefined;
  await turn(4);
  assert.equal(log.named('image warm again').length, 1);
  assert.deepEqual(schedule.status()[0]?.failures, []);
});

test('one list is looked at at a time', async (t) => {
  const { schedule, state, clock, log } = setUp([['one'], ['two']]);
  const gate = Promise.withResolvers<void>();
  state.gate = gate.promise;
  schedule.start();
  t.after(() => schedule.stop());
  for (let list = 0; list < 2; list++) await clock.nextSleep(() => true);
  clock.advance(45_000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    schedule.status().map(({ running }) => running),
    [true, false],
  );
  assert.deepEqual(state.asked, ['one']);
  gate.resolve();
  await log.waitFor('images warmed', 2);
  assert.deepEqual(state.asked, ['one', 'two']);
});

test('stopping ends what is under way, and begins nothing more', async () => {
  const { schedule, clock } = setUp([['app'], ['db']]);
  schedule.start();
  await clock.nextSleep(() => true);
  await schedule.stop();
  assert.equal(clock.sleeping, 0);
});
