import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import { singleFlight, unlessAborted } from './single-flight.ts';

const patient = new AbortController().signal;

/** Work that ends when the test says so, and counts how often it was begun. */
function heldWork() {
  const begun: { signal: AbortSignal; end: (value: string) => void; fail: (error: Error) => void }[] = [];
  const work = (signal: AbortSignal) =>
    new Promise<string>((end, fail) => {
      begun.push({ signal, end, fail });
      signal.addEventListener('abort', () => fail(signal.reason));
    });
  return { begun, work };
}

describe('singleFlight()', () => {
  test('callers of the same key share one run, those of another have their own', async () => {
    const { begun, work } = heldWork();
    const flights = singleFlight<string>();
    const runs = ['a', 'a', 'b', 'a'].map((key) => flights.run(key, patient, work));
    assert.equal(begun.length, 2);
    begun[0]!.end('of a');
    begun[1]!.end('of b');
    assert.deepEqual(await Promise.all(runs), ['of a', 'of a', 'of b', 'of a']);
  });

  test('whoever comes after the end begins anew', async () => {
    let runs = 0;
    const flights = singleFlight<number>();
    const work = async () => ++runs;
    assert.deepEqual([await flights.run('a', patient, work), await flights.run('a', patient, work)], [1, 2]);
  });

  test('a failure is everybody’s who waited, and nobody’s after', async () => {
    const { begun, work } = heldWork();
    const flights = singleFlight<string>();
    const runs = [flights.run('a', patient, work), flights.run('a', patient, work)];
    const failure = new Error('no');
    begun[0]!.fail(failure);
    for (const run of runs) await assert.rejects(run, failure);
    assert.equal(await flights.run('a', patient, async () => 'yes'), 'yes');
  });

  test('work that throws before it began is a failure like any other', async () => {
    const flights = singleFlight<string>();
    const broken = (): Promise<string> => {
      throw new Error('at once');
    };
    await assert.rejects(flights.run('a', patient, broken), /at once/);
    assert.equal(await flights.run('a', patient, async () => 'yes'), 'yes');
  });

  test('a caller that leaves gets its own reason, and the others their value', async () => {
    const { begun, work } = heldWork();
    const flights = singleFlight<string>();
    const leaver = new AbortController();
    const left = flights.run('a', leaver.signal, work); // the one that began it
    const stayed = flights.run('a', patient, work);
    const reason = new Error('client gone');
    leaver.abort(reason);
    await assert.rejects(left, reason);
    assert.equal(begun[0]!.signal.aborted, false);
    begun[0]!.end('value');
    assert.equal(await stayed, 'value');
    assert.equal(begun.length, 1);
  });

  test('when the last caller has left, the work is ended with its reason, and the next begins anew', async () => {
    const { begun, work } = heldWork();
    const flights = singleFlight<string>();
    const leavers = [new AbortController(), new AbortController()];
    const runs = leavers.map(({ signal }) => flights.run('a', signal, work));
    leavers[0]!.abort(new Error('first'));
    await assert.rejects(runs[0]!, /first/);
    const reason = new Error('last');
    leavers[1]!.abort(reason);
    await assert.rejects(runs[1]!, reason);
    assert.equal(begun[0]!.signal.reason, reason);
    const next = flights.run('a', patient, work);
    assert.equal(begun.length, 2);
    begun[1]!.end('second');
    assert.equal(await next, 'second');
  });

  test('a caller whose signal has fired already begins nothing', async () => {
    const { begun, work } = heldWork();
    const reason = new Error('too late');
    await assert.rejects(singleFlight<string>().run('a', AbortSignal.abort(reason), work), reason);
    assert.equal(begun.length, 0);
  });
});

describe('unlessAborted()', () => {
  test('gives the promise’s outcome when it comes first, and lets go of the signal', async () => {
    const { signal } = new AbortController();
    assert.equal(await unlessAborted(Promise.resolve(5), signal), 5);
    await assert.rejects(unlessAborted(Promise.reject(new Error('no')), signal), /no/);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  test('gives the signal’s reason when that fires first, or has fired', async () => {
    const never = new Promise<never>(() => {});
    const controller = new AbortController();
    const waiting = unlessAborted(never, controller.signal);
    controller.abort('any reason');
    await assert.rejects(waiting, (error) => error === 'any reason');
    await assert.rejects(unlessAborted(never, controller.signal), (error) => error === 'any reason');
  });
});
