import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { RegistryError } from '../../oci/errors.ts';
import { TransportError } from '../transport/errors.ts';
import { type HealthQuestion, UpstreamHealth } from './upstream-health.ts';

const get: HealthQuestion = { operation: 'manifest', method: 'GET' };
const head: HealthQuestion = { operation: 'manifest', method: 'HEAD' };
const blob: HealthQuestion = { operation: 'blob', method: 'GET' };

const pullLimit = {
  'ratelimit-limit': '100;w=21600',
  'ratelimit-remaining': '0;w=21600',
  'docker-ratelimit-source': '192.0.2.1',
};

function setUp(part = 0.1) {
  const clock = new ManualClock();
  const told: string[] = [];
  const health = new UpstreamHealth({
    name: 'docker.io',
    clock,
    random: () => 1,
    reserve: { part },
    observer: {
      opened: (upstream, reason, untilMs) => told.push(`${upstream} opened for ${untilMs - clock.now()}: ${reason}`),
      closed: (upstream, openedForMs) => told.push(`${upstream} closed after ${openedForMs}`),
    },
  });
  const answer = (question: HealthQuestion, status: number, headers: Record<string, string> = {}) =>
    health.enter(question).answered({ status, headers: new Map(Object.entries(headers)), persistent: true });
  const fail = (error: unknown) => health.enter(get).failed(error);
  const refusal = (question: HealthQuestion): RegistryError | undefined => {
    try {
      health.enter(question).failed(new Error('the client has gone'));
      return undefined;
    } catch (error) {
      assert.ok(error instanceof RegistryError);
      return error;
    }
  };
  return { clock, health, told, answer, fail, refusal };
}

function unreachable(): RegistryError {
  const cause = new TransportError('CONNECT_FAILED', 'connection refused');
  return new RegistryError('UNAVAILABLE', 'Cannot reach upstream: connection refused', { cause });
}

test('an upstream that cannot be reached five times is left alone, and whoever asks is told until when', () => {
  const { clock, health, told, fail, refusal } = setUp();
  for (let count = 0; count < 5; count++) fail(unreachable());
  const error = refusal(head);
  assert.deepEqual([error?.code, error?.status, error?.headers], ['UNAVAILABLE', 503, { 'retry-after': '1' }]);
  assert.equal(error?.notAskedUntilMs, clock.now() + 1_000);
  assert.equal(
    error?.message,
    'Upstream docker.io is left alone until 2026-01-01T00:00:01.000Z, as it fails: ' +
      'Cannot reach upstream: connection refused',
  );
  assert.deepEqual(told, ['docker.io opened for 1000: Cannot reach upstream: connection refused']);
  assert.deepEqual(health.status.circuit, { state: 'open', failures: 5, until: '2026-01-01T00:00:01.000Z' });
  assert.deepEqual(health.status.lastError, { at: '2026-01-01T00:00:00.000Z', code: 'CONNECT_FAILED' });
});

test('while one request finds out whether upstream is well, others are told so, and when to ask again', () => {
  const { clock, told, health, fail, refusal } = setUp();
  for (let count = 0; count < 5; count++) fail(unreachable());
  clock.advance(1_500);
  const probe = health.enter(get);
  const error = refusal(blob);
  assert.match(
    String(error?.message),
    /^Upstream docker\.io is left alone until the one request that finds out is over/,
  );
  assert.equal(error?.notAskedUntilMs, clock.now() + 1_000);
  probe.answered({ status: 200, headers: new Map(), persistent: true });
  assert.equal(refusal(blob), undefined);
  assert.equal(told.at(-1), 'docker.io closed after 1500');
});

test('a request that never left, as our own credentials could not be had, says nothing of upstream', () => {
  const { clock, health, told, fail } = setUp();
  const error = new RegistryError('UNAVAILABLE', 'no credentials', { notAskedUntilMs: clock.now() });
  for (let count = 0; count < 10; count++) fail(error);
  assert.deepEqual(told, []);
  assert.deepEqual(health.status.circuit, { state: 'closed', failures: 0 });
  assert.equal(health.status.lastError, undefined);
});

test('one request that used all its time is enough', () => {
  const { health, fail } = setUp();
  const cause = new DOMException('The operation was aborted due to timeout', 'TimeoutError');
  fail(new RegistryError('UNAVAILABLE', 'Cannot reach upstream: no answer within 25000 ms', { cause }));
  assert.equal(health.status.circuit.state, 'open');
});

test('500, 502, 503 and 504 are failures; whatever else it answers, upstream is there', () => {
  for (const status of [500, 502, 503, 504]) {
    const { health, answer } = setUp();
    for (let count = 0; count < 5; count++) answer(blob, status);
    assert.equal(health.status.circuit.state, 'open', String(status));
    assert.equal(health.status.lastError?.code, String(status));
  }
  for (const status of [200, 206, 304, 400, 401, 403, 404, 405, 416, 418, 501]) {
    const { health, answer } = setUp();
    for (let count = 0; count < 4; count++) answer(blob, 503);
    for (let count = 0; count < 9; count++) answer(blob, status);
    assert.equal(health.status.circuit.failures, 0, String(status));
  }
});

test('a client that leaves, and a registry that refuses, are no failures', () => {
  const { health, fail } = setUp();
  for (let count = 0; count < 9; count++) fail(new Error('the client has gone'));
  for (let count = 0; count < 9; count++) fail(new RegistryError('DENIED', 'Cannot get a token'));
  assert.deepEqual(health.status.circuit, { state: 'closed', failures: 0 });
  assert.equal(health.status.lastError, undefined);
});

test('when the pulls are used up, no manifest is fetched until Retry-After, and all else goes on', () => {
  const { clock, health, answer, refusal } = setUp();
  answer(get, 429, { ...pullLimit, 'retry-after': '90' });
  const error = refusal(get);
  assert.deepEqual([error?.code, error?.status, error?.headers], ['TOOMANYREQUESTS', 503, { 'retry-after': '90' }]);
  assert.equal(
    error?.message,
    'Cannot ask upstream docker.io before 2026-01-01T00:01:30.000Z: it limits how much it is asked; ' +
      'wait, or give the upstream docker.io credentials of an account with a higher limit',
  );
  assert.deepEqual(health.status.waits, { countedUntil: '2026-01-01T00:01:30.000Z' });
  assert.equal(health.isLow(), 'docker.io limits how much it is asked, until 2026-01-01T00:01:30.000Z');
  assert.deepEqual([refusal(head), refusal(blob)], [undefined, undefined]);
  assert.equal(health.status.circuit.state, 'closed');
  clock.advance(90_000);
  assert.equal(refusal(get), undefined);
});

test('a 429 for a manifest is about the pulls also when only answers before it told of their limit', () => {
  const { health, answer, refusal } = setUp();
  answer(head, 200, { ...pullLimit, 'ratelimit-remaining': '50;w=21600' });
  answer(get, 429, { 'retry-after': '90' });
  assert.deepEqual(health.status.waits, { countedUntil: '2026-01-01T00:01:30.000Z' });
  assert.deepEqual([refusal(head), refusal(blob)], [undefined, undefined]);
  answer(blob, 429, { 'retry-after': '7' });
  assert.deepEqual([refusal(head)?.code, refusal(blob)?.code], ['TOOMANYREQUESTS', 'TOOMANYREQUESTS']);
});

test('without Retry-After the pulls are tried again after a minute', () => {
  const { clock, answer, refusal } = setUp();
  answer(get, 429, pullLimit);
  clock.advance(59_999);
  assert.ok(refusal(get));
  clock.advance(1);
  assert.equal(refusal(get), undefined);
});

test('a 429 that is not about pulls holds everything back until its Retry-After', () => {
  for (const question of [get, head, blob]) {
    const { clock, health, answer, refusal } = setUp();
    answer(question, 429, { 'retry-after': '7' });
    for (const asked of [get, head, blob]) assert.equal(refusal(asked)?.code, 'TOOMANYREQUESTS');
    assert.equal(health.status.waits?.allUntil, '2026-01-01T00:00:07.000Z');
    clock.advance(7_000);
    for (const asked of [get, head, blob]) assert.equal(refusal(asked), undefined);
  }
});

test('a token server’s 429 holds everything back, too', () => {
  const { fail, refusal } = setUp();
  fail(new RegistryError('TOOMANYREQUESTS', 'Cannot get a token', { headers: { 'retry-after': '7' } }));
  assert.equal(refusal(blob)?.headers['retry-after'], '7');
});

test('a 429 that says nothing at all is a failure like any other', () => {
  const { health, answer } = setUp();
  for (let count = 0; count < 5; count++) answer(blob, 429);
  assert.equal(health.status.circuit.state, 'open');
});

test('with less than the reserve left it is low, and says why, until the window is over', () => {
  const { clock, health, answer } = setUp();
  answer(head, 200, { ...pullLimit, 'ratelimit-remaining': '10;w=21600' });
  assert.equal(health.isLow(), undefined);
  answer(head, 404, { ...pullLimit, 'ratelimit-remaining': '9;w=21600' });
  assert.equal(health.isLow(), 'docker.io has 9 of 100 pulls left, 10 are kept for what is not here');
  assert.deepEqual(health.status.rateLimit, {
    limit: 100,
    remaining: 9,
    windowSeconds: 21_600,
    source: '192.0.2.1',
    at: '2026-01-01T00:00:00.000Z',
    reserved: 10,
  });
  clock.advance(21_600_000);
  assert.deepEqual([health.isLow(), health.status.rateLimit], [undefined, undefined]);
});

test('with nothing left it is low though nothing was reserved', () => {
  const { health, answer } = setUp(0);
  answer(get, 200, pullLimit);
  assert.equal(health.isLow(), 'docker.io has 0 of 100 pulls left');
});
