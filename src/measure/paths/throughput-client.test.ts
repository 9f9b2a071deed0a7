import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { openTestDoor } from '../../../test/support/stages/test-door.ts';
import { measureByThroughput, nextSize } from './throughput-client.ts';

const patient = new AbortController().signal;

/** Every look at the clock is a quarter of a second later. */
function options(url: string) {
  let time = 0;
  const nowMs = () => {
    time += 250;
    return time;
  };
  return { url: new URL(url), seconds: 2, login: undefined, authority: undefined, nowMs };
}

/** A cache that counts what it is asked for. */
async function startCounter(t: TestContext, limits: { maxBytes: number; maxConcurrent: number }) {
  const asked: string[] = [];
  let running = 0;
  let mostRunning = 0;
  const server = createServer((request, response) => {
    mostRunning = Math.max(mostRunning, ++running);
    response.once('close', () => running--);
    let receivedBytes = 0;
    request.on('data', (bytes: Buffer) => {
      receivedBytes += bytes.length;
    });
    request.once('end', () => {
      const bytes = new URL(request.url ?? '', 'http://x').searchParams.get('bytes');
      asked.push(`${request.method} ${bytes ?? receivedBytes}`);
      if (bytes !== null) return void response.end(Buffer.alloc(Number(bytes)));
      response.end(JSON.stringify(request.method === 'GET' ? limits : { receivedBytes, ms: 1 }));
    });
  });
  return { url: await listen(t, server), asked, most: () => mostRunning };
}

async function listen(t: TestContext, server: Server): Promise<string> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a path is measured by what the cache takes and sends, in requests that it allows', async (t) => {
  const { url, asked, most } = await startCounter(t, { maxBytes: 300_000, maxConcurrent: 3 });
  const { by, figures } = await measureByThroughput(options(url), patient);
  assert.equal(by, 'the cache’s own /throughput');
  assert.deepEqual(
    figures.map(({ shape }) => shape.name),
    ['single', 'parallel', 'reverse'],
  );
  for (const { result } of figures) assert.ok('bytesPerSecond' in result && result.bytesPerSecond > 0);
  assert.equal(asked[0], 'GET 0'); // what is allowed
  assert.equal(asked[1], 'POST 262144');
  assert.equal(asked[2], 'POST 300000'); // twice as much is more than may be
  assert.ok(asked.includes('GET 262144'));
  assert.ok(most() <= 3);
});

test('what passes by several connections counts together', async (t) => {
  const { url } = await startCounter(t, { maxBytes: 300_000, maxConcurrent: 3 });
  const { figures } = await measureByThroughput({ ...options(url), seconds: 0 }, patient);
  // One request on each connection; the clock is looked at three times for each, and once at the end.
  const rate = (streams: number) => (streams * 262_144) / ((3 * streams + 1) * 0.25);
  assert.deepEqual(
    figures.map(({ result }) => result),
    [1, 3, 3].map((streams) => ({ bytesPerSecond: rate(streams) })),
  );
});

test('requests become larger while they are short, and smaller when they are long', () => {
  assert.equal(nextSize(1000, 10, 1e6), 2000);
  assert.equal(nextSize(900_000, 10, 1e6), 1e6);
  assert.equal(nextSize(1000, 500, 1e6), 1000);
  assert.equal(nextSize(1000, 5000, 1e6), 500);
  assert.equal(nextSize(1, 5000, 1e6), 1);
});

test('a cache without such a path, or that is no Entrepot, is said to be one', async (t) => {
  const door = await openTestDoor(t);
  const { by, notes } = await measureByThroughput(options(door.url), patient);
  assert.deepEqual(
    [by, notes],
    [undefined, [`${door.url}/throughput is not there: throughput.maxBytes of the cache switches it on`]],
  );
  const other = await startCounter(t, {} as never);
  const [note = ''] = (await measureByThroughput(options(other.url), patient)).notes;
  assert.match(note, /does not say what it allows \(status 200\): is it Entrepot that listens there\?$/);
  const endless = await startCounter(t, { maxBytes: 0, maxConcurrent: -1 });
  assert.match(
    (await measureByThroughput(options(endless.url), patient)).notes[0] ?? '',
    /does not say what it allows/,
  );
  const nobody = await measureByThroughput(options('http://127.0.0.1:1'), patient);
  assert.match(nobody.notes[0] ?? '', /does not answer: .*ECONNREFUSED/);
});

test('a cache that refuses while it is measured is a failure that quotes it', async (t) => {
  const said = JSON.stringify({ maxBytes: 1000, maxConcurrent: 4 });
  const refusal = JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message: 'Cannot\x1b[2J measure now' }] });
  const server = createServer((request, response) => {
    request.resume();
    const isQuestion = request.method === 'GET' && !request.url?.includes('bytes');
    response.writeHead(isQuestion ? 200 : 503).end(isQuestion ? said : refusal);
  });
  const url = await listen(t, server);
  const { by, figures } = await measureByThroughput(options(url), patient);
  assert.equal(by, 'the cache’s own /throughput');
  for (const { result } of figures) {
    assert.deepEqual(result, { failure: 'the cache answered 503: Cannot [2J measure now' });
  }
});

test('a signal that fires ends it with its reason', async (t) => {
  const { url } = await startCounter(t, { maxBytes: 300_000, maxConcurrent: 3 });
  const stopping = new AbortController();
  const given = options(url);
  let looks = 0;
  const nowMs = () => {
    if (++looks === 3) stopping.abort(new Error('gone'));
    return given.nowMs();
  };
  await assert.rejects(measureByThroughput({ ...given, nowMs }, stopping.signal), { message: 'gone' });
});
