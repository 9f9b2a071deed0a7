import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { type Fresh, RenewedValue } from './renewed-value.ts';

const patient = new AbortController().signal;
const minuteMs = 60_000;

/** A value whose every loading ends when the test says so. */
function setUp(stopping: AbortSignal = patient) {
  const clock = new ManualClock();
  const loads: (PromiseWithResolvers<Fresh<object>> & { signal: AbortSignal })[] = [];
  const value = new RenewedValue<object>({
    clock,
    stopping,
    load: (signal) => {
      const load = { ...Promise.withResolvers<Fresh<object>>(), signal };
      signal.addEventListener('abort', () => load.reject(signal.reason));
      loads.push(load);
      return load.promise;
    },
  });
  /** Gets a value, which the next loading gives. */
  const getLoaded = (loaded: object, lifeMs: number | undefined) => {
    const got = value.get(patient);
    loads.at(-1)!.resolve({ value: loaded, lifeMs });
    return got;
  };
  const get = () => value.get(patient);
  return { clock, loads, value, get, getLoaded };
}

const [first, second] = [{ name: 'first' }, { name: 'second' }];

describe('a value', () => {
  test('is loaded once for any number of waiters, and then for nobody', async () => {
    const { loads, get } = setUp();
    const waiters = Array.from({ length: 20 }, get);
    loads[0]!.resolve({ value: first, lifeMs: minuteMs });
    assert.deepEqual(new Set(await Promise.all(waiters)), new Set([first]));
    assert.equal(await get(), first);
    assert.equal(loads.length, 1);
  });

  test('is renewed behind those who use it while a fifth of its life is left', async () => {
    const { clock, loads, get, getLoaded } = setUp();
    await getLoaded(first, 10 * minuteMs);
    clock.advance(8 * minuteMs - 1);
    assert.equal(await get(), first);
    assert.equal(loads.length, 1);
    clock.advance(1);
    assert.deepEqual(await Promise.all([get(), get()]), [first, first]);
    assert.equal(loads.length, 2);
    loads[1]!.resolve({ value: second, lifeMs: 10 * minuteMs });
    await loads[1]!.promise;
    assert.equal(await get(), second);
    assert.equal(loads.length, 2);
  });

  test('that has ended is waited for', async () => {
    const { clock, loads, get, getLoaded } = setUp();
    await getLoaded(first, 10 * minuteMs);
    clock.advance(10 * minuteMs);
    const waiting = get();
    loads[1]!.resolve({ value: second, lifeMs: minuteMs });
    assert.equal(await waiting, second);
  });

  test('that is good is used on while renewing fails; another try is made after five seconds', async () => {
    const { clock, loads, get, getLoaded } = setUp();
    await getLoaded(first, 10 * minuteMs);
    clock.advance(9 * minuteMs);
    assert.equal(await get(), first);
    loads[1]!.reject(new Error('no'));
    await assert.rejects(loads[1]!.promise);
    assert.equal(await get(), first);
    clock.advance(4_999);
    assert.equal(await get(), first);
    assert.equal(loads.length, 2);
    clock.advance(1);
    assert.equal(await get(), first);
    assert.equal(loads.length, 3);
  });

  test('that has ended is not used, when no newer one can be had', async () => {
    const { clock, loads, get, getLoaded } = setUp();
    await getLoaded(first, 10 * minuteMs);
    clock.advance(10 * minuteMs);
    const waiting = get();
    loads[1]!.reject(new Error('no'));
    await assert.rejects(waiting, { message: 'no' });
  });

  test('whose life is unknown is renewed after minutes, and used on while that fails', async () => {
    const { clock, loads, get, getLoaded } = setUp();
    await getLoaded(first, undefined);
    clock.advance(4 * minuteMs - 1);
    assert.equal(await get(), first);
    assert.equal(loads.length, 1);
    clock.advance(60 * minuteMs);
    const waiting = get();
    loads[1]!.reject(new Error('no'));
    assert.equal(await waiting, first);
  });

  test('that says it ends at once is not loaded for every request', async () => {
    const { clock, loads, get, getLoaded } = setUp();
    await getLoaded(first, 1);
    clock.advance(7_999);
    assert.equal(await get(), first);
    assert.equal(loads.length, 1);
  });
});

describe('a value that was refused', () => {
  test('is loaded anew by the next who asks', async () => {
    const { clock, loads, value, get, getLoaded } = setUp();
    await getLoaded(first, 10 * minuteMs);
    clock.advance(30_000);
    value.refused(first);
    const waiting = get();
    loads[1]!.resolve({ value: second, lifeMs: 10 * minuteMs });
    assert.equal(await waiting, second);
  });

  test('is kept when it is new, so that who is refused for good does not load it each time', async () => {
    const { clock, loads, value, get, getLoaded } = setUp();
    await getLoaded(first, 10 * minuteMs);
    clock.advance(29_999);
    value.refused(first);
    assert.equal(await get(), first);
    assert.equal(loads.length, 1);
  });

  test('is kept while no newer one can be had: who refuses one request may take another', async () => {
    const { clock, loads, value, get, getLoaded } = setUp();
    await getLoaded(first, 10 * minuteMs);
    clock.advance(minuteMs);
    value.refused(first);
    const waiting = get();
    loads[1]!.reject(new Error('no'));
    assert.equal(await waiting, first);
  });

  test('and has been replaced already changes nothing', async () => {
    const { clock, loads, value, get, getLoaded } = setUp();
    await getLoaded(first, minuteMs);
    clock.advance(minuteMs);
    await getLoaded(second, 10 * minuteMs);
    clock.advance(minuteMs);
    value.refused(first);
    assert.equal(await get(), second);
    assert.equal(loads.length, 2);
  });
});

describe('a loading that fails', () => {
  test('is not tried again for five seconds: all get its error', async () => {
    const { clock, loads, get } = setUp();
    const waiting = [get(), get()];
    loads[0]!.reject(new Error('no'));
    for (const waiter of waiting) await assert.rejects(waiter, { message: 'no' });
    clock.advance(4_999);
    await assert.rejects(get(), { message: 'no' });
    assert.equal(loads.length, 1);
    clock.advance(1);
    const next = get();
    loads[1]!.resolve({ value: second, lifeMs: minuteMs });
    assert.equal(await next, second);
  });

  test('is tried again at once when the clock was set back since', async () => {
    const { clock, loads, get } = setUp();
    const failing = get();
    loads[0]!.reject(new Error('no'));
    await assert.rejects(failing, { message: 'no' });
    clock.advance(-60 * minuteMs);
    const waiting = get();
    loads[1]?.resolve({ value: first, lifeMs: minuteMs });
    assert.equal(await waiting, first);
  });
});

describe('a loading', () => {
  test('goes on while one of its waiters is left, and ends with the last', async () => {
    const { loads, value } = setUp();
    const [one, other] = [new AbortController(), new AbortController()];
    const waiting = [value.get(one.signal), value.get(other.signal)];
    one.abort(new Error('left'));
    await assert.rejects(waiting[0]!, { message: 'left' });
    assert.equal(loads[0]!.signal.aborted, false);
    other.abort(new Error('left, too'));
    await assert.rejects(waiting[1]!, { message: 'left, too' });
    assert.equal(loads[0]!.signal.aborted, true);
  });

  test('that was left says nothing of the next', async () => {
    const { loads, value, get } = setUp();
    const leaving = new AbortController();
    const left = value.get(leaving.signal);
    leaving.abort(new Error('left'));
    await assert.rejects(left);
    const next = get();
    loads[1]!.resolve({ value: first, lifeMs: minuteMs });
    assert.equal(await next, first);
  });

  test('behind everybody’s back ends when everything ends', async () => {
    const stopping = new AbortController();
    const { clock, loads, get, getLoaded } = setUp(stopping.signal);
    await getLoaded(first, 10 * minuteMs);
    clock.advance(9 * minuteMs);
    await get();
    assert.equal(loads[1]!.signal.aborted, false);
    stopping.abort(new Error('stopped'));
    await assert.rejects(loads[1]!.promise, { message: 'stopped' });
  });
});
