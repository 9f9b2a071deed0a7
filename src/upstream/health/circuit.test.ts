import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { Circuit, type CircuitPolicy, defaultCircuitPolicy, type Passage } from './circuit.ts';

/** A circuit whose rests are whole unless `random` says otherwise, and what it told. */
function setUp(policy: Partial<CircuitPolicy> = {}, random = 1) {
  const clock = new ManualClock();
  const changes: boolean[] = [];
  const circuit = new Circuit({
    clock,
    random: () => random,
    policy: { ...defaultCircuitPolicy, ...policy },
    changed: (isOpen) => changes.push(isOpen),
  });
  const enter = (): Passage => {
    const passage = circuit.enter();
    assert.ok(passage, 'it lets a request through');
    return passage;
  };
  const open = () => {
    for (let count = 0; count < 5; count++) enter().failed('one');
  };
  return { clock, circuit, changes, enter, open };
}

test('it opens with the fifth failure in a row, and lets none through until the rest is over', () => {
  const { circuit, clock, changes, enter } = setUp();
  for (let count = 0; count < 4; count++) enter().failed('one');
  assert.deepEqual([circuit.state, circuit.failures], ['closed', 4]);
  enter().failed('one');
  assert.deepEqual([circuit.state, circuit.restUntilMs], ['open', clock.now() + 1_000]);
  assert.equal(circuit.enter(), undefined);
  clock.advance(999);
  assert.equal(circuit.enter(), undefined);
  clock.advance(1);
  assert.ok(circuit.enter());
  assert.deepEqual(changes, [true]);
});

test('a success in between begins the count anew', () => {
  const { circuit, enter } = setUp();
  for (let count = 0; count < 20; count++) {
    if (count % 5 === 4) enter().succeeded();
    else enter().failed('one');
  }
  assert.equal(circuit.state, 'closed');
});

test('one failure that took all the time there is opens it', () => {
  const { circuit, enter } = setUp();
  enter().failed('all');
  assert.equal(circuit.state, 'open');
});

test('one request finds out whether upstream is well; others do not pass while it does', () => {
  const { circuit, clock, changes, enter, open } = setUp();
  open();
  clock.advance(1_000);
  const probe = enter();
  assert.equal(circuit.state, 'probing');
  clock.advance(3_600_000);
  assert.equal(circuit.enter(), undefined);
  probe.succeeded();
  assert.deepEqual([circuit.state, circuit.failures, circuit.restUntilMs], ['closed', 0, 0]);
  assert.deepEqual(changes, [true, false]);
  for (let count = 0; count < 10; count++) enter();
});

test('every probe that fails makes the next rest twice as long, up to a minute, and it is told of once', () => {
  const { circuit, clock, changes, enter, open } = setUp();
  open();
  const rests: number[] = [];
  for (let count = 0; count < 9; count++) {
    rests.push(circuit.restUntilMs - clock.now());
    clock.advance(circuit.restUntilMs - clock.now());
    enter().failed(count % 2 === 0 ? 'one' : 'all');
  }
  assert.deepEqual(rests, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  assert.deepEqual(changes, [true]);
});

test('after it was closed the rests begin at a second again', () => {
  const { circuit, clock, enter, open } = setUp();
  open();
  clock.advance(1_000);
  enter().failed('one');
  clock.advance(2_000);
  enter().succeeded();
  open();
  assert.equal(circuit.restUntilMs - clock.now(), 1_000);
});

test('rests are spread over their upper half', () => {
  const { circuit, clock, open } = setUp({}, 0);
  open();
  assert.equal(circuit.restUntilMs - clock.now(), 500);
});

test('a probe whose client has left makes room for the next at once', () => {
  const { circuit, clock, enter, open } = setUp();
  open();
  clock.advance(1_000);
  enter().abandoned();
  assert.equal(circuit.state, 'open');
  const next = enter();
  assert.equal(circuit.state, 'probing');
  next.succeeded();
  assert.equal(circuit.state, 'closed');
});

test('of what was let through before, a success closes it and a failure changes nothing', () => {
  const { circuit, clock, changes, enter, open } = setUp();
  const [fails, leaves, succeeds] = [enter(), enter(), enter()];
  open();
  const until = circuit.restUntilMs;
  fails.failed('all');
  leaves.abandoned();
  assert.deepEqual([circuit.state, circuit.restUntilMs], ['open', until]);
  clock.advance(1_000);
  const probe = enter();
  assert.equal(circuit.state, 'probing');
  succeeds.succeeded();
  assert.equal(circuit.state, 'closed');
  // The probe is no probe any more: its failure is the first of a new count.
  probe.failed('one');
  assert.deepEqual([circuit.state, circuit.failures, changes], ['closed', 1, [true, false]]);
});

test('the end of a request counts once', () => {
  const { circuit, enter } = setUp();
  const passage = enter();
  for (let count = 0; count < 10; count++) passage.failed('one');
  assert.deepEqual([circuit.state, circuit.failures], ['closed', 1]);
});

test('a rest is over when the clock was set back before its beginning: nobody knows how long it lasted', () => {
  const { circuit, clock, enter, open } = setUp();
  open();
  clock.advance(-3_600_000);
  enter().succeeded();
  assert.equal(circuit.state, 'closed');
});
