import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { EventLog } from '../../../test/support/event-log.ts';
import { MemoryRecordStore } from '../../../test/support/memory/memory-record-store.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import type { Config } from '../../config/config.ts';
import { openSqliteIndex } from '../../index/sqlite/sqlite.ts';
import { digestOf } from '../../oci/digest.ts';
import { parseRepository } from '../../oci/reference.ts';
import { SharedLocks } from '../../util/locks/shared-locks.ts';
import type { Metrics } from '../../util/metrics/metrics.ts';
import type { Lifetime } from '../lifetime.ts';
import { type GarbageParts, openGarbageCollector } from './garbage.ts';

const app = parseRepository('team/app');
const everyMs = 1000;

test('what is let go and stays in the cache counts there at once, for which room is made', async (t) => {
  const clock = new ManualClock();
  const log = new EventLog();
  const index = openSqliteIndex(join(tmpDir(t), 'index.sqlite'));
  const digest = digestOf(Buffer.from('a base layer'));
  await index.addBlob(app, digest, 1000, clock.now());
  await index.link({ registry: 'docker.io', repository: parseRepository('library/alpine') }, digest, undefined, 0);
  const cachedBytes: number[] = [];
  const looks: Promise<void>[] = [];
  const space = {
    removeUnused: async () => [],
    refilled: () => void looks.push(index.totals().then(({ sizeBytes }) => void cachedBytes.push(sizeBytes))),
  };
  const count = { inc() {}, set() {} };
  const metrics = { garbageContents: count, garbageBytes: count, lastGarbage: count } as unknown as Metrics;
  const parts = { index, space, clock, log, metrics, records: new MemoryRecordStore(), locks: new SharedLocks() };
  const config = { hosted: { garbage: { everyMs, graceMs: everyMs, untagged: false } } } as Config;
  const lifetime: Lifetime = [];
  const collector = openGarbageCollector(config, parts as unknown as GarbageParts, lifetime);
  collector.start();
  for (let round = 0; round < 3; round++) {
    await clock.nextSleep((delayMs) => delayMs === everyMs);
    clock.advance(everyMs);
  }
  await log.waitFor('garbage collected');
  await collector.stop();
  await Promise.all(looks);
  assert.deepEqual(cachedBytes, [1000]);
  await index.close();
});
