import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { turns } from '../../../test/support/upstream/scripted-server.ts';
import { Places } from './places.ts';

const patient = new AbortController().signal;

/** Takes places in the order of their names, and notes who got one. */
function setUp(count: number) {
  const places = new Places(count);
  const inside: string[] = [];
  const leave = new Map<string, () => void>();
  const take = async (name: string, signal = patient) => {
    const left = await places.take(signal);
    inside.push(name);
    leave.set(name, left);
  };
  return { places, inside, take, leave: (name: string) => leave.get(name)!() };
}

test('as many as there are places get one, and the others in the order in which they came', async () => {
  const { places, inside, take, leave } = setUp(2);
  const all = ['a', 'b', 'c', 'd', 'e'].map((name) => take(name));
  await turns();
  assert.deepEqual(inside, ['a', 'b']);
  assert.equal(places.waiting, 3);
  leave('b');
  leave('a');
  await turns();
  assert.deepEqual(inside, ['a', 'b', 'c', 'd']);
  leave('c');
  await Promise.all(all);
  assert.deepEqual(inside, ['a', 'b', 'c', 'd', 'e']);
});

test('a place that is left twice is free once', async () => {
  const { places, inside, take, leave } = setUp(1);
  await take('a');
  leave('a');
  leave('a');
  void take('b');
  void take('c');
  await turns();
  assert.deepEqual(inside, ['a', 'b']);
  assert.equal(places.waiting, 1);
});

test('who leaves the line is not let in later, and those behind move up', async () => {
  const { places, inside, take, leave } = setUp(1);
  await take('a');
  const leaving = new AbortController();
  const left = take('b', leaving.signal);
  void take('c');
  leaving.abort(new Error('left'));
  await assert.rejects(left, { message: 'left' });
  assert.equal(places.waiting, 1);
  leave('a');
  await turns();
  assert.deepEqual(inside, ['a', 'c']);
});

test('who has left before takes no place', async () => {
  const places = new Places(1);
  await assert.rejects(places.take(AbortSignal.abort(new Error('left'))), { message: 'left' });
  assert.notEqual(places.tryTake(), undefined);
});

test('a signal that fires when its place is taken changes nothing', async () => {
  const { places, take, leave } = setUp(1);
  const leaving = new AbortController();
  await take('a');
  const second = take('b', leaving.signal);
  leave('a');
  leaving.abort(new Error('too late'));
  await second;
  assert.equal(places.tryTake(), undefined);
});

test('who waits for too long is told so, and those behind move up', async () => {
  const clock = new ManualClock();
  const places = new Places(1, { clock, maxWaitMs: 100, tooLate: () => new Error('too late') });
  const leave = await places.take(patient);
  const first = places.take(patient);
  clock.advance(60);
  const second = places.take(patient);
  clock.advance(40);
  await assert.rejects(first, { message: 'too late' });
  assert.equal(places.waiting, 1);
  leave();
  (await second)();
  assert.equal(clock.sleeping, 0);
});
