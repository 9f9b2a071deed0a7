import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { type AddressInfo, connect, createServer as createRawServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { forwardRequest } from './forward.ts';

const endlessMs = 10 * 60_000;

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A host that says this to whatever it is asked, and a proxy before it that gives what passing it on failed with. */
async function setUp(t: TestContext, answer: string) {
  const asked = Promise.withResolvers<Socket>();
  const hostPort = await listen(
    t,
    createRawServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.write(answer));
      asked.resolve(socket);
    }),
  );
  const failure = Promise.withResolvers<unknown>();
  const proxy = createServer((request, response) => {
    const target = { host: 'host.test', port: 80 };
    const connection = connect({ port: hostPort, host: '127.0.0.1' });
    forwardRequest(request, response, { target, path: '/' }, connection, endlessMs).catch((error: unknown) => {
      failure.resolve(error);
      response.destroy();
    });
  });
  get({ port: await listen(t, proxy), host: '127.0.0.1' }).on('error', () => {});
  return { connection: await asked.promise, failure: failure.promise };
}

// The connection stayed open, with all that the host had yet to send, until nothing had come on it for `proxy.idle`.
test('an answer that cannot be passed on ends the connection that it came by', async (t) => {
  const { connection, failure } = await setUp(t, 'HTTP/1.1 099 Odd\r\ncontent-length: 1000000000\r\n\r\n');
  assert.match(String(await failure), /Invalid status code: 99/);
  await once(connection, 'close');
});
