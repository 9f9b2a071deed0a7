import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unlessAborted } from '../../util/locks/single-flight.ts';
import { defaultPatienceMs, withinPatience } from './patience.ts';

const forever = new Promise<never>(() => {});

test('a client is answered before it gives up, however long what it waits for takes', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { signal } = new AbortController();
  const answer = withinPatience(defaultPatienceMs, signal, (soon) => unlessAborted(forever, soon));
  t.mock.timers.tick(defaultPatienceMs);
  await assert.rejects(answer, { code: 'UNAVAILABLE', status: 503, headers: { 'retry-after': '5' } });
  assert.ok(defaultPatienceMs < 30_000, 'containerd waits 30 s for a head');
});

test('once an answer has begun, only the client ends it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const client = new AbortController();
  const soon = await withinPatience(100, client.signal, async (given) => given);
  t.mock.timers.tick(1_000);
  assert.equal(soon.aborted, false);
  client.abort(new Error('left'));
  assert.equal((soon.reason as Error).message, 'left');
});

test('a client that leaves before the answer ends the work with its own reason', async () => {
  const client = new AbortController();
  const answer = withinPatience(60_000, client.signal, (soon) => unlessAborted(forever, soon));
  client.abort(new Error('left'));
  await assert.rejects(answer, { message: 'left' });
});
