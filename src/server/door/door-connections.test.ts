import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { endless, openTestDoor } from '../../../test/support/stages/test-door.ts';
import { certificates } from '../../../test/support/tls/certs.ts';
import { writeTlsFiles } from '../../../test/support/tls/tls-files.ts';

const certified = certificates();
const ping = 'GET /v2/ HTTP/1.1\r\nhost: cache\r\n';

/** Connects, and agrees on TLS where that is spoken. */
async function connectTo(port: number, isTls: boolean): Promise<Socket> {
  const at = { port, host: '127.0.0.1' };
  const socket = isTls ? connectTls({ ...at, rejectUnauthorized: false }) : connect(at);
  await once(socket, isTls ? 'secureConnect' : 'connect');
  return socket;
}

for (const isTls of [false, true]) {
  test(`connections${isTls ? ' of TLS' : ''} that ask nothing give way to those that do`, async (t) => {
    const tls = isTls ? { tls: writeTlsFiles(tmpDir(t), certified.server).paths } : {};
    // Of which one address has four.
    const door = await openTestDoor(t, { limits: { ...endless, maxConnections: 8 }, ...tls });
    const silent: Socket[] = [];
    for (let count = 0; count < 4; count++) silent.push((await connectTo(door.port, isTls)).resume());
    const firstEnded = once(silent[0]!, 'close');
    for (let round = 0; round < 8; round++) {
      const asking = await connectTo(door.port, isTls);
      asking.write(`${ping}connection: close\r\n\r\n`);
      assert.match(await text(asking), /^HTTP\/1\.1 200 /);
    }
    await firstEnded;
    const [told] = door.events.named('too many connections: idle ones are ended, and else new ones');
    assert.deepEqual(told?.facts, { door: 'registry', client: '127.0.0.1', maxConnections: 8, open: 5, ended: 1 });
    for (const socket of silent) socket.destroy();
  });
}

test('of connections that were used, the one goes whose last answer was over first', async (t) => {
  const door = await openTestDoor(t, { limits: { ...endless, maxConnections: 4 } });
  const [first, second] = [await connectTo(door.port, false), await connectTo(door.port, false)];
  for (const socket of [second, first]) {
    const answer = once(socket, 'data');
    socket.write(`${ping}\r\n`);
    await answer;
  }
  await door.events.requests(2);
  const third = await connectTo(door.port, false);
  await once(second, 'close');
  assert.equal(first.destroyed, false);
  for (const socket of [first, third]) socket.destroy();
});
