import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { digestOf } from '../../oci/digest.ts';
import { describeWarmed, showWarmProgress } from './warm-progress.ts';

const digest = digestOf(Buffer.from('layer'));
const warmed = { name: 'nginx:1', digest, platforms: [], contents: 2, fetchedBytes: 0, presentBytes: 0 };

function setUp(isWatched: boolean) {
  const clock = new ManualClock();
  const said = { error: '', lines: [] as string[] };
  const terminal = {
    ...{ env: {}, isWatched, writeOut() {} },
    writeError: (text: string) => {
      said.error += text;
    },
  };
  const progress = showWarmProgress(terminal, (line) => said.lines.push(line), clock);
  const tick = async (ms: number) => {
    const { delayMs } = await clock.nextSleep();
    assert.equal(delayMs, ms);
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { said, progress, clock, tick };
}

test('on a terminal each blob has a bar, and all have one, which are written anew', async () => {
  const { said, progress, clock, tick } = setUp(true);
  const blobs = [4_000_000, 8_000_000].map((sizeBytes) => ({ image: 'nginx:1', digest, sizeBytes }));
  progress.planned(12_000_000);
  for (const blob of blobs) progress.began(blob);
  progress.progressed(blobs[0]!, 1_000_000);
  await tick(200);
  const short = digest.slice(0, 19);
  assert.match(
    said.error,
    new RegExp(`^${short} \\[######-+\\] 1 MB of 4 MB.*\n${short} \\[-+\\] 0 B of 8 MB.*\nIn all .*1 MB of 12 MB`),
  );
  said.error = '';
  progress.ended(blobs[0]!, 'fetched');
  await tick(200);
  assert.match(said.error, new RegExp(`^\x1b\\[3A\x1b\\[J${short} .*\nIn all .* 4 MB of 12 MB`));
  said.error = '';
  progress.finished({ ...warmed, presentBytes: 4_000_000 });
  assert.deepEqual([said.error, said.lines], ['\x1b[2A\x1b[J', ['Warm nginx:1: 4 MB were here']]);
  progress.end();
  assert.equal(clock.sleeping, 0, 'nothing is written afterwards');
});

test('where nobody watches there is a line now and then, and no other character than text', async () => {
  const { said, progress, tick } = setUp(false);
  progress.planned(10_000_000);
  await tick(10_000);
  await tick(10_000);
  progress.end();
  assert.equal(said.error.split('\n').length, 3);
  assert.ok(!said.error.includes('\x1b') && !said.error.includes('\r'));
});

test('what became of an image is a line', () => {
  const name = 'nginx:1';
  assert.equal(
    describeWarmed({ ...warmed, platforms: ['linux/amd64', 'linux/arm64'], fetchedBytes: 2_000, presentBytes: 3_000 }),
    'Warm nginx:1 (linux/amd64, linux/arm64): 2 kB fetched, 3 kB were here',
  );
  assert.match(
    describeWarmed({ ...warmed, name, stale: 'timeout' }),
    /: 0 B were here; its tag may have moved.*: timeout$/,
  );
  assert.equal(describeWarmed({ ...warmed, error: 'it is not there' }), 'Failed nginx:1: it is not there');
  const hostile = { ...warmed, name: 'a\n\x1b[2J', platforms: ['linux/\x1b]0;x\x07'] };
  for (const image of [hostile, { ...hostile, error: 'upstream says \x1b[2J' }]) {
    assert.doesNotMatch(describeWarmed(image), /\p{Cc}/u);
  }
});
