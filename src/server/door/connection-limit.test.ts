import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { EventLog } from '../../../test/support/event-log.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { ConnectionLimit } from './connection-limit.ts';

/** A door that holds so many connections, all of which are idle but for those that are said to be in use. */
function setUp(maxCount: number) {
  const clock = new ManualClock();
  const log = new EventLog();
  const idle: Socket[] = [];
  const open: string[] = [];
  const limit = new ConnectionLimit({
    ...{ door: 'registry', log, clock, maxCount },
    takeIdle(isMeant) {
      const at = idle.findIndex(isMeant);
      return at < 0 ? undefined : idle.splice(at, 1)[0];
    },
  });
  /** Connects; the name says which one it is, up to its dash from where. */
  async function connect(name: string, isUsed = false): Promise<void> {
    const socket = Object.defineProperty(new Socket(), 'remoteAddress', { value: name.split('-')[0] });
    socket.once('close', () => open.splice(open.indexOf(name), 1));
    open.push(name);
    if (!isUsed) idle.push(socket);
    limit.admit(socket);
    await new Promise(setImmediate);
  }
  return { connect, open, log, clock };
}

test('when there are too many, the one that was idle for longest gives way', async () => {
  const { connect, open } = setUp(4);
  await connect('10.0.0.1-used', true);
  for (const name of ['10.0.0.2-a', '10.0.0.3-b', '10.0.0.4-c', '10.0.0.5-d', '10.0.0.6-e']) await connect(name);
  assert.deepEqual(open, ['10.0.0.1-used', '10.0.0.4-c', '10.0.0.5-d', '10.0.0.6-e']);
});

test('when all are in use, the new one is ended', async () => {
  const { connect, open } = setUp(2);
  await connect('10.0.0.1-a', true);
  await connect('10.0.0.2-b', true);
  await connect('10.0.0.3-c', true);
  await connect('10.0.0.4-d');
  assert.deepEqual(open, ['10.0.0.1-a', '10.0.0.2-b']);
});

test('who has half of all has to do with that, and takes nobody else’s', async () => {
  const { connect, open } = setUp(6);
  await connect('10.0.0.1-idle');
  for (const name of ['a', 'b', 'c', 'd']) await connect(`2001:db8::${name}-${name}`);
  assert.deepEqual(open, ['10.0.0.1-idle', '2001:db8::b-b', '2001:db8::c-c', '2001:db8::d-d']);
  for (const name of ['e', 'f', '1', '2']) await connect(`2001:db8::${name}-${name}`, true);
  assert.deepEqual(open.slice(1), ['2001:db8::e-e', '2001:db8::f-f', '2001:db8::1-1']);
});

test('the log tells of it once a minute, with how many were ended', async () => {
  const { connect, log, clock } = setUp(2);
  for (const name of ['1', '2', '3', '4', '5']) await connect(`10.0.0.${name}-${name}`);
  clock.advance(60_000);
  await connect('10.0.0.6-6');
  const event = 'too many connections: idle ones are ended, and else new ones';
  const facts = { door: 'registry', maxConnections: 2, open: 3 };
  assert.deepEqual(log.events, [
    { level: 'warn', event, facts: { ...facts, client: '10.0.0.3', ended: 1 } },
    { level: 'warn', event, facts: { ...facts, client: '10.0.0.6', ended: 3 } },
  ]);
});
