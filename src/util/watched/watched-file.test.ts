import assert from 'node:assert/strict';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { WatchedFile } from './watched-file.ts';

const patient = new AbortController().signal;

/** A watched file whose text is a number in words of its own: what it holds, and how often it was parsed. */
function setUp(t: TestContext, text?: string) {
  const path = join(tmpDir(t), 'file');
  if (text !== undefined) writeFileSync(path, text);
  const clock = new ManualClock();
  const failures: string[] = [];
  const parsed: string[] = [];
  const file = new WatchedFile({
    path,
    clock,
    parse: (content) => {
      if (content.startsWith('bad')) throw new Error('it is no good');
      parsed.push(content);
      return { content };
    },
    failed: (reason) => failures.push(reason),
  });
  const read = async () => (await file.read(patient)).content;
  return { path, clock, failures, parsed, file, read };
}

test('a file is read once while it stays as it is, and gives the same value', async (t) => {
  const { file, clock, parsed } = setUp(t, 'one');
  const [first, second] = await Promise.all([file.read(patient), file.read(patient)]);
  clock.advance(10_000);
  assert.equal(first, second);
  assert.equal(await file.read(patient), first);
  assert.deepEqual(parsed, ['one']);
});

test('a change is seen two seconds after the last look, and not by every reader before', async (t) => {
  const { path, clock, read } = setUp(t, 'one');
  assert.equal(await read(), 'one');
  writeFileSync(path, 'other');
  clock.advance(1_999);
  assert.equal(await read(), 'one');
  clock.advance(1);
  assert.equal(await read(), 'other');
});

test('a file that another takes the place of, as Kubernetes does it, is read again', async (t) => {
  const { path, clock, read } = setUp(t, 'one');
  await read();
  writeFileSync(`${path}.new`, 'two');
  renameSync(`${path}.new`, path);
  clock.advance(2_000);
  assert.equal(await read(), 'two');
});

test('a clock that is set back does not keep a change from being seen', async (t) => {
  const { path, clock, read } = setUp(t, 'one');
  await read();
  writeFileSync(path, 'other');
  clock.advance(-3_600_000);
  assert.equal(await read(), 'other');
});

test('a file that has expired is read at once; the same text gives the same value', async (t) => {
  const { path, file, read } = setUp(t, 'one');
  const first = await file.read(patient);
  file.expire();
  assert.equal(await file.read(patient), first);
  writeFileSync(path, 'two');
  file.expire();
  assert.equal(await read(), 'two');
});

test('while a file is missing or no good, what it said last counts, and every new reason is told once', async (t) => {
  const { path, clock, failures, read } = setUp(t, 'one');
  await read();
  writeFileSync(path, 'bad text');
  for (let look = 0; look < 3; look++) {
    clock.advance(2_000);
    assert.equal(await read(), 'one');
  }
  rmSync(path);
  clock.advance(2_000);
  assert.equal(await read(), 'one');
  assert.deepEqual(failures, ['it is no good', 'ENOENT']);
  writeFileSync(path, 'two');
  clock.advance(2_000);
  assert.equal(await read(), 'two');
});

test('a file that could never be read is an error, until it can', async (t) => {
  const { path, clock, read } = setUp(t);
  await assert.rejects(read(), { message: 'ENOENT' });
  await assert.rejects(read(), { message: 'ENOENT' });
  writeFileSync(path, 'one');
  clock.advance(2_000);
  assert.equal(await read(), 'one');
});

test('a file that is far too large is not taken', async (t) => {
  const { read } = setUp(t, 'x'.repeat(1024 * 1024 + 1));
  await assert.rejects(read(), { message: /exceeds 1048576 bytes/ });
});

test('whoever has left already gets the reason of the signal', async (t) => {
  const { file } = setUp(t, 'one');
  const reason = new Error('left');
  await assert.rejects(file.read(AbortSignal.abort(reason)), reason);
});
