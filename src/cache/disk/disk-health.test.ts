import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLog } from '../../../test/support/event-log.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { DiskHealth } from './disk-health.ts';

const writing = { part: 'store', action: 'write' } as const;
const reading = { part: 'index', action: 'read' } as const;
const full = Object.assign(new Error('no space left'), { code: 'ENOSPC', errno: -28 });

function setUp() {
  const clock = new ManualClock();
  const log = new EventLog();
  return { clock, log, disk: new DiskHealth(log, clock) };
}

test('something fails from its failure until it works again; that something else works does not mend it', () => {
  const { clock, disk } = setUp();
  const sinceMs = clock.now();
  disk.failed(writing, full);
  clock.advance(5000);
  disk.failed(writing, full);
  disk.worked({ ...writing, action: 'read' });
  disk.worked(reading);
  assert.deepEqual(disk.troubles, [{ ...writing, code: 'ENOSPC', reason: 'no space left', sinceMs }]);
  disk.worked(writing);
  assert.deepEqual(disk.troubles, []);
});

test('failures are counted by what was tried, and by the code of the error', () => {
  const { disk } = setUp();
  const sqlite = (errcode: number) => Object.assign(new Error('it fails'), { code: 'ERR_SQLITE_ERROR', errcode });
  disk.failed(writing, full);
  disk.failed(writing, full);
  disk.failed(reading, sqlite(13));
  disk.failed(reading, sqlite(10 + 256 * 3)); // SQLITE_IOERR_WRITE
  disk.failed(reading, sqlite(99));
  disk.failed(reading, 'no error at all');
  disk.worked(writing);
  const counts = disk.failures.map(({ part, action, code, count }) => [part, action, code, count]);
  assert.deepEqual(counts, [
    ['store', 'write', 'ENOSPC', 2],
    ['index', 'read', 'SQLITE_FULL', 1],
    ['index', 'read', 'SQLITE_IOERR', 1],
    ['index', 'read', 'SQLITE_99', 1],
    ['index', 'read', 'unknown', 1],
  ]);
});

test('the log hears of it once a minute, however often it fails and works again', () => {
  const { clock, log, disk } = setUp();
  for (let second = 0; second < 120; second++) {
    disk.failed(writing, full);
    disk.failed(reading, full);
    if (second % 7 === 0) disk.worked(writing);
    clock.advance(1000);
  }
  assert.deepEqual(
    log.named('disk fails').map(({ level, facts }) => [level, facts['failures'], facts['code']]),
    [
      ['error', 1, 'ENOSPC'],
      ['error', 120, 'ENOSPC'],
    ],
  );
  assert.equal(log.named('disk works again').length, 2);
});

test('a clock that was set back does not silence it', () => {
  const { clock, log, disk } = setUp();
  disk.failed(writing, full);
  clock.advance(-24 * 60 * 60 * 1000);
  disk.failed(writing, full);
  assert.equal(log.named('disk fails').length, 2);
});
