import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { makeImage } from '../support/content/images.ts';
import { tmpDir } from '../support/disk/tmp.ts';
import { rawFetch } from '../support/http/raw-http.ts';
import { connectRaw } from '../support/http/raw-socket.ts';
import { askConnect, shakeHands } from '../support/stages/proxy-client.ts';
import { startTestCache, type TestCache } from '../support/stages/test-cache.ts';
import { startTestRegistry, type TestRegistry } from '../support/upstream/test-registry.ts';

// Each of these is one request to one who reads it, and two to another. Here it is refused, or it is one; the other one,
// which would fetch an image of its own, never comes about.

const host = 'origin.test';
const hidden = (to: string) => `GET /v2/team/hidden/manifests/latest HTTP/1.1\r\nHost: ${to}\r\n\r\n`;
const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;

interface Shape {
  readonly name: string;
  /** The first line and the fields of a request, and what comes behind. */
  readonly text: (to: string, line: (method: string) => string) => string;
  /** Whether it may be understood as one request; else it is refused. */
  readonly isOne?: boolean;
}

const shapes: readonly Shape[] = [
  {
    name: 'a length beside chunks',
    text: (to, line) =>
      `${line('GET')}Host: ${to}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden(to)}`,
  },
  {
    name: 'chunks beside a length',
    text: (to, line) =>
      `${line('GET')}Host: ${to}\r\nTransfer-Encoding: chunked\r\nContent-Length: ${hidden(to).length}\r\n\r\n${hidden(to)}`,
  },
  {
    name: 'two lengths',
    text: (to, line) =>
      `${line('GET')}Host: ${to}\r\nContent-Length: 0\r\nContent-Length: ${hidden(to).length}\r\n\r\n${hidden(to)}`,
  },
  {
    name: 'an encoding that is not known',
    text: (to, line) => `${line('GET')}Host: ${to}\r\nTransfer-Encoding: xchunked\r\n\r\n${chunked(hidden(to))}`,
  },
  {
    name: 'an encoding behind chunks',
    text: (to, line) =>
      `${line('GET')}Host: ${to}\r\nTransfer-Encoding: chunked, identity\r\n\r\n${chunked(hidden(to))}`,
  },
  {
    name: 'a blank before the colon',
    text: (to, line) =>
      `${line('GET')}Host: ${to}\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${hidden(to)}`,
  },
  {
    name: 'a field that is folded',
    text: (to, line) =>
      `${line('GET')}Host: ${to}\r\nX-Folded: a\r\n Content-Length: ${hidden(to).length}\r\nConnection: close\r\n\r\n${hidden(to)}`,
    isOne: true,
  },
  {
    name: 'a line that ends with LF alone',
    text: (to, line) => `${line('GET')}Host: ${to}\nContent-Length: ${hidden(to).length}\r\n\r\n${hidden(to)}`,
  },
  {
    name: 'a CR within a field',
    text: (to, line) => `${line('GET')}Host: ${to}\r\nX-Odd: a\rContent-Length: 5\r\n\r\n${hidden(to)}`,
  },
  {
    name: 'a chunk whose size is too large',
    text: (to, line) =>
      `${line('GET')}Host: ${to}\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n${hidden(to)}`,
  },
  {
    name: 'a body of a GET in chunks',
    text: (to, line) =>
      `${line('GET')}Host: ${to}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunked(hidden(to))}`,
    isOne: true,
  },
  {
    name: 'a body of a GET with its length',
    text: (to, line) =>
      `${line('GET')}Host: ${to}\r\nContent-Length: ${hidden(to).length}\r\nConnection: close\r\n\r\n${hidden(to)}`,
    isOne: true,
  },
  {
    name: 'two hosts',
    text: (to, line) => `${line('GET')}Host: ${to}\r\nHost: other.test\r\nConnection: close\r\n\r\n`,
  },
  {
    name: 'two hosts, the right one last',
    text: (to, line) => `${line('GET')}Host: other.test\r\nHost: ${to}\r\nConnection: close\r\n\r\n`,
  },
  {
    name: 'no host',
    text: (_to, line) => `${line('GET')}Connection: close\r\n\r\n`,
  },
];

describe('a request that is two to somebody', () => {
  let origin: TestRegistry;
  let cache: TestCache;
  let ca: string;
  before(async () => {
    origin = await startTestRegistry();
    for (const name of ['app', 'hidden']) {
      origin.content.push(`team/${name}`, makeImage({ seed: name, layers: [10] }), 'latest');
    }
    cache = await startTestCache({
      data: tmpDir({ after }),
      upstreams: [{ name: host, urls: [new URL(origin.url)] }],
      proxy: { ports: [Number(new URL(origin.url).port)], allowAddresses: ['127.0.0.1'] },
    });
    ca = (await rawFetch(`${cache.url}/ca.crt`)).body.toString();
  });
  after(async () => {
    await cache?.stop();
    await origin?.close();
  });

  const intercept = async (): Promise<TLSSocket> => {
    const { socket } = await askConnect(cache.proxyPort, `${host}:443`);
    return shakeHands(socket, { servername: host, ca });
  };

  /** All that comes until the connection is closed by the other side, which it has to be. */
  const answersTo = async (socket: Socket, text: string): Promise<string> => {
    const pieces: string[] = [];
    socket.on('data', (piece: Buffer) => void pieces.push(piece.toString('latin1')));
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.once('end', resolve).once('close', resolve));
    socket.write(text);
    socket.resume();
    await closed;
    socket.destroy();
    return pieces.join('');
  };

  const assertOne = (answers: string, { isOne = false }: Shape) => {
    const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
    assert.equal(statuses.length, 1, answers);
    if (!isOne) assert.ok([400, 421].includes(statuses[0]!), answers);
    const asked = origin.requests.all.filter(({ url }) => url?.includes('hidden'));
    assert.deepEqual(asked, []);
  };

  for (const shape of shapes) {
    test(`is none on an intercepted connection: ${shape.name}`, async () => {
      const line = (method: string) => `${method} /v2/team/app/manifests/latest HTTP/1.1\r\n`;
      assertOne(await answersTo(await intercept(), shape.text(host, line)), shape);
    });

    test(`is none in a request with its whole URL: ${shape.name}`, async () => {
      const line = (method: string) => `${method} ${origin.url}/v2/team/app/manifests/latest HTTP/1.1\r\n`;
      const raw = await connectRaw(cache.proxyPort);
      assertOne(await answersTo(raw.socket, shape.text(origin.authority, line)), shape);
    });
  }

  test('is none when the whole URL names another place than Host, or than the connection', async () => {
    const path = '/v2/team/hidden/manifests/latest';
    const raw = await connectRaw(cache.proxyPort);
    raw.write(`GET ${origin.url}${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    assert.match(await raw.closed, /^HTTP\/1\.1 400 /);
    for (const url of [`https://other.test${path}`, `${origin.url}${path}`]) {
      const answer = await answersTo(
        await intercept(),
        `GET ${url} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
      assert.match(answer, /^HTTP\/1\.1 4\d\d /);
    }
    assert.deepEqual(
      origin.requests.all.filter(({ url }) => url?.includes('hidden')),
      [],
    );
  });

  test('is none behind CONNECT while another answer is under way', async () => {
    const raw = await connectRaw(cache.proxyPort);
    raw.write(
      `GET /readyz HTTP/1.1\r\nHost: a\r\n\r\nCONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}\r\n\r\n${hidden(host)}`,
    );
    assert.doesNotMatch(await raw.closed, /Connection established/);
  });

  test('has no head of megabytes: 431, and no more memory than that of what is read at a time', async () => {
    const field = `X-Long: ${'a'.repeat(1024 * 1024)}\r\n`;
    const before = process.memoryUsage();
    for (const socket of [(await connectRaw(cache.proxyPort)).socket, await intercept()]) {
      let answer = '';
      socket.on('data', (piece: Buffer) => {
        answer += piece.toString('latin1');
      });
      socket.on('error', () => {}).resume();
      const closed = once(socket, 'close').catch(() => {});
      socket.write(`GET /v2/ HTTP/1.1\r\nHost: ${host}\r\n`);
      for (let sent = 0; sent < 10 && !socket.destroyed; sent++) socket.write(field);
      await closed;
      assert.match(answer, /^(HTTP\/1\.1 431 |$)/);
    }
    const after = process.memoryUsage();
    const grownBytes = after.external + after.arrayBuffers - before.external - before.arrayBuffers;
    assert.ok(grownBytes < 32 * 1024 * 1024, `${grownBytes} bytes more`);
  });
});
