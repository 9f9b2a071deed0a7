import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageOf, TransportError } from './errors.ts';

test('whatever was thrown has a text', () => {
  assert.equal(messageOf(new Error('refused')), 'refused');
  assert.equal(messageOf('refused'), 'refused');
  assert.equal(messageOf(undefined), 'undefined');
});

test('of several addresses that all failed, the first tells why: the whole has no text of its own', () => {
  const failures = [new Error('connect ECONNREFUSED 127.0.0.1:1'), new Error('connect ENETUNREACH ::1:1')];
  assert.equal(messageOf(new AggregateError(failures)), 'connect ECONNREFUSED 127.0.0.1:1');
  assert.equal(messageOf(new AggregateError([], 'none')), 'none');
});

test('an error of the transport keeps its cause, and says only of itself that no byte had come', () => {
  const cause = new Error('reset');
  const error = new TransportError('CUT_OFF', 'broke', { cause, unanswered: true });
  assert.deepEqual([error.code, error.cause, error.unanswered], ['CUT_OFF', cause, true]);
  const bare = new TransportError('PROTOCOL', 'no HTTP');
  assert.deepEqual(['cause' in bare, bare.unanswered], [false, false]);
});
