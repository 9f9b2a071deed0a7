import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { askedToStop } from './stop-signals.ts';

function listen() {
  const source = new EventEmitter();
  const state = { nowMs: 1000, exits: 0 };
  const asked = askedToStop(
    source,
    () => state.nowMs,
    () => {
      state.exits++;
    },
  );
  return { source, state, asked };
}

test('either signal asks to stop, and a second one ends at once', async () => {
  for (const [first, second] of [
    ['SIGTERM', 'SIGTERM'],
    ['SIGINT', 'SIGTERM'],
    ['SIGINT', 'SIGINT'],
  ] as const) {
    const { source, state, asked } = listen();
    source.emit(first);
    await asked;
    assert.equal(state.exits, 0);
    state.nowMs += 501;
    source.emit(second);
    assert.equal(state.exits, 1);
  }
});

test('the echo of a signal is not a second one', async () => {
  const { source, state, asked } = listen();
  source.emit('SIGINT');
  await asked;
  state.nowMs += 20;
  source.emit('SIGINT');
  assert.equal(state.exits, 0);
});
