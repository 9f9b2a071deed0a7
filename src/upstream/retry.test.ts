import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { ManualClock } from '../../test/support/time/clock.ts';
import { answerOf } from '../../test/support/upstream/upstream-answer.ts';
import { RegistryError } from '../oci/errors.ts';
import { defaultRetryPolicy, Retrier, type RetryPolicy, type Server } from './retry.ts';
import type { Answer } from './transport/connection.ts';
import { TransportError, type TransportErrorCode } from './transport/errors.ts';

const patient = new AbortController().signal;

type Outcome = number | TransportErrorCode | Error | ((signal: AbortSignal) => Promise<Answer>);

/** Servers that answer so in turn, the last for ever; and a retrier whose waits are over when they begin. */
function setUp(outcomes: Readonly<Record<string, readonly Outcome[]>>, policy: Partial<RetryPolicy> = {}, random = 1) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const sleeps: number[] = [];
  const clockThatSkips = {
    now: () => clock.now(),
    sleep: async (delayMs: number) => {
      sleeps.push(delayMs);
      clock.advance(delayMs);
    },
  };
  const retrier = new Retrier({ ...defaultRetryPolicy, ...policy }, { clock: clockThatSkips, random: () => random });
  const servers = Object.entries(outcomes).map(([host, list]): Server => {
    const left = [...list];
    return {
      host,
      send: async (signal) => {
        asked.push(host);
        return settle(left.length > 1 ? left.shift()! : left[0]!, signal);
      },
    };
  });
  const run = async () => (await retrier.run(servers, patient)).head.status;
  return { clock, asked, sleeps, retrier, servers, run };
}

async function settle(outcome: Outcome, signal: AbortSignal): Promise<Answer> {
  if (typeof outcome === 'number') return answerOf(outcome, { 'content-length': '0' });
  if (typeof outcome === 'function') return outcome(signal);
  throw typeof outcome === 'string' ? new TransportError(outcome, `failed by ${outcome}`) : outcome;
}

/** A server that answers nothing until its signal fires. */
function hang(signal: AbortSignal): Promise<Answer> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}

describe('the order of the servers', () => {
  test('is that of the configuration; the first that answers is the last that is asked', async () => {
    const { run, asked } = setUp({ a: [200], b: [200] });
    assert.equal(await run(), 200);
    assert.deepEqual(asked, ['a']);
  });

  test('when one fails the next is asked at once', async () => {
    const { run, asked, sleeps } = setUp({ a: ['CONNECT_FAILED'], b: [503], c: [200] });
    assert.equal(await run(), 200);
    assert.deepEqual(asked, ['a', 'b', 'c']);
    assert.deepEqual(sleeps, []);
  });

  test('a server that failed rests: for 30 s it is asked after the others', async () => {
    const { run, asked, clock } = setUp({ a: ['CONNECT_FAILED', 200], b: [200] });
    await run();
    asked.length = 0;
    clock.advance(29_999);
    await run();
    assert.deepEqual(asked, ['b']);
    clock.advance(1);
    await run();
    assert.deepEqual(asked, ['b', 'a']);
  });

  test('one that rests is asked all the same when the others fail', async () => {
    const { run, asked } = setUp({ a: [500, 200], b: [200, 'CUT_OFF'] });
    await run();
    asked.length = 0;
    assert.equal(await run(), 200);
    assert.deepEqual(asked, ['b', 'a']);
  });

  test('when all rest it is that of the configuration again', async () => {
    const { run, asked } = setUp({ a: [503], b: [503] }, { rounds: 2 });
    assert.equal(await run(), 503);
    assert.deepEqual(asked, ['a', 'b', 'a', 'b']);
  });
});

describe('what is tried again', () => {
  for (const outcome of [500, 502, 503, 504] as const) {
    test(`a ${outcome}; when no try does better it is the answer`, async () => {
      const { run, asked } = setUp({ a: [outcome] });
      assert.equal(await run(), outcome);
      assert.equal(asked.length, 3);
      assert.equal(await setUp({ a: [outcome, outcome, 200] }).run(), 200);
    });
  }

  for (const code of ['CONNECT_FAILED', 'CONNECT_TIMEOUT', 'FIRST_BYTE_TIMEOUT', 'IDLE_TIMEOUT', 'CUT_OFF'] as const) {
    test(`${code}; when no try does better upstream is unavailable, and the failure is the cause`, async () => {
      const { run, asked } = setUp({ a: [code] });
      await assert.rejects(run(), (error) => {
        assert.ok(error instanceof RegistryError && error.cause instanceof TransportError);
        assert.deepEqual([error.code, error.cause.code], ['UNAVAILABLE', code]);
        assert.match(error.message, new RegExp(`failed by ${code}`));
        return true;
      });
      assert.equal(asked.length, 3);
      assert.equal(await setUp({ a: [code, code, 200] }).run(), 200);
    });
  }

  test('the body of an answer that is not the last is given up, that of the last is not', async () => {
    const answers: ReturnType<typeof answerOf>[] = [];
    const failing = async () => {
      const answer = answerOf(503, { 'content-length': '5' }, 'abcde');
      answers.push(answer);
      return answer;
    };
    const { retrier, servers } = setUp({ a: [failing] }, { rounds: 2 });
    const last = await retrier.run(servers, patient);
    assert.equal(last, answers[1]);
    assert.equal(await answers[0]!.body.next().then(Boolean, () => 'closed'), 'closed');
    assert.equal(Buffer.from((await last.body.next())!.bytes).toString(), 'abcde');
  });
});

describe('what is not tried again', () => {
  for (const status of [200, 206, 301, 400, 401, 403, 404, 405, 416, 429, 501]) {
    test(`a ${status}`, async () => {
      const { run, asked, sleeps } = setUp({ a: [status], b: [200] });
      assert.equal(await run(), status);
      assert.deepEqual([asked, sleeps], [['a'], []]);
    });
  }

  test('an answer that is not HTTP', async () => {
    const { run, asked } = setUp({ a: ['PROTOCOL'], b: [200] });
    await assert.rejects(run(), { name: 'RegistryError', code: 'UNAVAILABLE' });
    assert.deepEqual(asked, ['a']);
  });

  test('what a server itself refuses, which is thrown as it is', async () => {
    for (const failure of [new RegistryError('DENIED', 'no'), new TypeError('a mistake of ours')]) {
      const { run, asked } = setUp({ a: [failure], b: [200] });
      await assert.rejects(run(), (error) => error === failure);
      assert.deepEqual(asked, ['a']);
    }
  });
});

describe('the waits between the rounds', () => {
  const policy = { rounds: 6, firstDelayMs: 200, maxDelayMs: 1_000 };

  test('double up to the longest', async () => {
    const { run, sleeps } = setUp({ a: [503], b: ['CUT_OFF'] }, policy, 1);
    await assert.rejects(run());
    assert.deepEqual(sleeps, [200, 400, 800, 1_000, 1_000]);
  });

  test('are spread by chance, and half as long at the least', async () => {
    const { run, sleeps } = setUp({ a: [503] }, policy, 0);
    assert.equal(await run(), 503);
    assert.deepEqual(sleeps, [100, 200, 400, 500, 500]);
  });

  test('by default leave headers within the 30 s that containerd waits', () => {
    assert.ok(defaultRetryPolicy.totalMs < 30_000);
  });
});

describe('the caller’s signal', () => {
  const reason = new Error('client gone');

  test('ends a try, and its reason is thrown', async () => {
    const { retrier, servers, asked } = setUp({ a: [hang] });
    const controller = new AbortController();
    const running = retrier.run(servers, controller.signal);
    controller.abort(reason);
    await assert.rejects(running, (error) => error === reason);
    assert.deepEqual(asked, ['a']);
  });

  test('ends a wait', async () => {
    const clock = new ManualClock();
    const retrier = new Retrier(defaultRetryPolicy, { clock, random: () => 1 });
    const { servers } = setUp({ a: [503] });
    const controller = new AbortController();
    const running = retrier.run(servers, controller.signal);
    await clock.nextSleep();
    controller.abort(reason);
    await assert.rejects(running, (error) => error === reason);
    assert.equal(clock.sleeping, 0);
  });

  test('that has fired already asks nobody', async () => {
    const { retrier, servers, asked } = setUp({ a: [200] });
    await assert.rejects(retrier.run(servers, AbortSignal.abort(reason)), (error) => error === reason);
    assert.deepEqual(asked, []);
  });
});

describe('the limit on all tries together', () => {
  /** Timers of limits keep no process alive, so something else has to. */
  function stayAlive(t: TestContext): void {
    const timer = setInterval(() => {}, 1_000);
    t.after(() => clearInterval(timer));
  }

  test('ends the try that is under way, and says how long it was', async (t) => {
    stayAlive(t);
    const { run, asked } = setUp({ a: [hang], b: [200] }, { totalMs: 20 });
    await assert.rejects(run(), { code: 'UNAVAILABLE', message: /20 ms/ });
    assert.deepEqual(asked, ['a']);
  });

  test('ends the wait that is under way', async (t) => {
    stayAlive(t);
    const clock = new ManualClock(); // which stands still
    const retrier = new Retrier({ ...defaultRetryPolicy, totalMs: 20 }, { clock, random: () => 1 });
    const { servers, asked } = setUp({ a: [503] });
    await assert.rejects(retrier.run(servers, patient), { code: 'UNAVAILABLE', message: /20 ms/ });
    assert.deepEqual(asked, ['a']);
  });

  test('does not end the body of an answer that came in time, as the caller’s signal does', async (t) => {
    stayAlive(t);
    const signals: AbortSignal[] = [];
    const answering = async (signal: AbortSignal) => {
      signals.push(signal);
      return answerOf(200, { 'content-length': '0' });
    };
    const { retrier, servers } = setUp({ a: [answering] }, { totalMs: 20 });
    const controller = new AbortController();
    const later = AbortSignal.timeout(60);
    await retrier.run(servers, controller.signal);
    if (!later.aborted) await once(later, 'abort');
    assert.equal(signals[0]!.aborted, false);
    controller.abort(new Error('client gone'));
    assert.equal(signals[0]!.aborted, true);
  });
});
