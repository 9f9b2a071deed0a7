import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ReachableAddresses } from './addresses.ts';
import { connectTo } from './connect.ts';

const never = new AbortController().signal;

/** Servers at the same port of two addresses of loopback, of which the second may be reached; and whom a client reached. */
async function openPlaces(t: TestContext) {
  const reached: string[] = [];
  let port = 0;
  for (const host of ['127.0.0.1', '127.0.0.2']) {
    const server = createServer((socket) => {
      reached.push(host);
      socket.on('error', () => {}).end();
    });
    server.listen(port, host);
    await once(server, 'listening');
    t.after(() => void server.close());
    port = (server.address() as AddressInfo).port;
  }
  const asked: string[] = [];
  /** Connects with a name that resolves to one list of addresses after the other. */
  const connect = async (...answers: string[][]) => {
    const tools = {
      reachable: new ReachableAddresses(['127.0.0.2']),
      connectMs: 10_000,
      resolve: async (host: string) => {
        asked.push(host);
        return answers.shift() ?? [];
      },
    };
    const socket = await connectTo({ host: 'name.test', port }, tools, never);
    const { remoteAddress } = socket;
    await once(socket.resume(), 'end');
    socket.destroy();
    return remoteAddress;
  };
  return { connect, asked, reached };
}

test('a name is resolved once, and the connection goes to the address that was looked at', async (t) => {
  const { connect, asked, reached } = await openPlaces(t);
  // It is another a moment later, as of whoever wants to lead us astray.
  assert.equal(await connect(['127.0.0.2'], ['127.0.0.1'], ['127.0.0.1']), '127.0.0.2');
  assert.deepEqual([asked, reached], [['name.test'], ['127.0.0.2']]);
});

test('of the addresses of a name only those are tried that may be reached', async (t) => {
  const { connect, reached } = await openPlaces(t);
  assert.equal(await connect(['127.0.0.1', '10.0.0.1', '::1', '127.0.0.2']), '127.0.0.2');
  for (const addresses of [['127.0.0.1'], ['169.254.169.254', '::ffff:127.0.0.1'], ['no address'], []]) {
    await assert.rejects(connect(addresses), { name: 'Unreachable', status: 403 });
  }
  assert.deepEqual(reached, ['127.0.0.2']);
});
