import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { queryObjects } from 'node:v8';
import { type Answer, Connection } from '../../../src/upstream/transport/connection.ts';
import { Transport, type TransportOptions } from '../../../src/upstream/transport/transport.ts';
import { readAll } from '../../support/http/read.ts';
import {
  lengthAnswer,
  type ScriptedConnection,
  startScriptedServer,
  turns,
} from '../../support/upstream/scripted-server.ts';
import { latest, makeClient, patient, repository, startUpstream } from '../../support/upstream/upstream-client.ts';

const identity = { insecure: false };

/** A transport over a scripted server. */
async function setUp(
  t: TestContext,
  script: (connection: ScriptedConnection, index: number) => Promise<void> | void,
  options: TransportOptions = {},
) {
  const server = await startScriptedServer(script);
  const transport = new Transport(options);
  t.after(() => transport.close());
  t.after(() => server.close());
  const request = (path = '/', method: 'GET' | 'HEAD' = 'GET', signal = patient) =>
    transport.request({ method, url: new URL(path, server.url), headers: {}, identity }, signal);
  return { server, transport, request };
}

/** Reads the body of an answer as text. */
async function textOf({ body }: Answer): Promise<string> {
  const pieces: string[] = [];
  for (let chunk = await body.next(); chunk; chunk = await body.next()) {
    pieces.push(Buffer.from(chunk.bytes).toString());
    chunk.release();
  }
  return pieces.join('');
}

/** Answers every request of a connection with its own path. */
async function echo(connection: ScriptedConnection): Promise<void> {
  for (let head = await connection.request(); head; head = await connection.request()) {
    await connection.send(lengthAnswer(head.split(' ')[1]!));
  }
}

describe('connections are used again', () => {
  test('for requests to a registry without tokens: ping, manifests, blobs, heads and errors', async (t) => {
    const { registry, server, image } = await startUpstream(t);
    const { digest } = image.blobs[1]!;
    for (let round = 0; round < 5; round++) {
      await registry.getManifest(repository, latest, patient);
      await registry.resolveManifest(repository, latest, patient);
      await readAll(await registry.getBlob(repository, digest, undefined, patient));
      await readAll(await registry.getBlob(repository, digest, { start: 10 }, patient));
      await registry.statBlob(repository, digest, patient);
      await registry.listTags(repository, {}, patient);
      await assert.rejects(registry.getManifest(repository, image.blobs[0]!.digest, patient), { status: 404 });
    }
    assert.equal(server.connectionsOpened, 1);
  });

  test('for challenges and tokens', async (t) => {
    const { registry, server } = await startUpstream(t, { auth: { kind: 'bearer' } });
    for (let round = 0; round < 5; round++) {
      await registry.getManifest(repository, latest, patient);
      server.expireTokens();
    }
    assert.equal(server.requests.lines().length, 3 + 4 * 3);
    assert.equal(server.connectionsOpened, 1);
  });

  test('for redirects', async (t) => {
    const quirks = { redirectBlobs: { to: 'absolute' } } as const;
    const { registry, server, image } = await startUpstream(t, { quirks });
    for (let round = 0; round < 5; round++) {
      await readAll(await registry.getBlob(repository, image.blobs[1]!.digest, undefined, patient));
    }
    assert.equal(server.connectionsOpened, 1);
    assert.equal(server.connectionsOpen, 2); // the other is the CDN's
  });

  test('also when the small page of a challenge or a redirect comes later than its head', async (t) => {
    const token = lengthAnswer('{"token":"t"}');
    const scripts: Record<string, string[]> = {
      '/v2/': ['HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="/token"\r\nContent-Length: 9\r\n\r\n', 'challenge'],
      '/token': [token],
      '/v2/library/app/tags/list': ['HTTP/1.1 307 Go\r\nLocation: /there\r\nContent-Length: 4\r\n\r\n', 'page'],
      '/there': [lengthAnswer('{"tags":["1"]}')],
    };
    const { server } = await setUp(t, async (connection) => {
      for (let head = await connection.request(); head; head = await connection.request()) {
        const path = head.split(' ')[1]!.split('?')[0]!;
        for (const piece of scripts[path]!) {
          await connection.send(piece.replace('realm="', `realm="${server.url}`));
          await turns();
        }
      }
    });
    const { registry } = makeClient(t, [server.url]);
    assert.deepEqual((await registry.listTags(repository, {}, patient)).tags, ['1']);
    assert.equal(server.connectionsOpened, 1);
  });

  test('for as many requests at a time as there are, and no more', async (t) => {
    const { server, request } = await setUp(t, echo);
    for (let round = 0; round < 3; round++) {
      const texts = await Promise.all(['/a', '/b', '/c'].map(async (path) => textOf(await request(path))));
      assert.deepEqual(texts, ['/a', '/b', '/c']);
    }
    assert.equal(server.connectionsOpened, 3);
  });

  test('after a HEAD, whatever length its answer tells', async (t) => {
    const { server, request } = await setUp(t, async (connection) => {
      await connection.request();
      await connection.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n');
      await echo(connection);
    });
    const answer = await request('/', 'HEAD');
    assert.equal(answer.head.headers.get('content-length'), '1000000');
    assert.equal(await textOf(answer), '');
    assert.equal(await textOf(await request('/next')), '/next');
    assert.equal(server.connectionsOpened, 1);
  });

  test('after a chunked body, whose trailer is no answer to the next', async (t) => {
    const { server, request } = await setUp(t, async (connection) => {
      await connection.request();
      await connection.send(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nHTTP/1.1: 200\r\n\r\n',
      );
      await echo(connection);
    });
    assert.equal(await textOf(await request()), 'abc');
    assert.equal(await textOf(await request('/next')), '/next');
    assert.equal(server.connectionsOpened, 1);
  });

  test('but not by another identity: what one may do, another may not', async (t) => {
    const { server, transport } = await setUp(t, echo);
    const url = new URL(server.url);
    for (const own of [{ insecure: false }, { insecure: false }]) {
      await textOf(await transport.request({ method: 'GET', url, headers: {}, identity: own }, patient));
    }
    assert.equal(server.connectionsOpened, 2);
  });
});

describe('connections are not used again', () => {
  const answers: Record<string, string> = {
    'when the server says so': lengthAnswer('abc', 'HTTP/1.1 200 OK\r\nConnection: close'),
    'when the server speaks HTTP/1.0': lengthAnswer('abc', 'HTTP/1.0 200 OK'),
    'when bytes follow that nobody asked for': `${lengthAnswer('abc')}${lengthAnswer('forged')}`,
  };
  for (const [when, answer] of Object.entries(answers)) {
    test(when, async (t) => {
      const { server, request } = await setUp(t, async (connection, index) => {
        if (index > 0) return echo(connection);
        await connection.request();
        return connection.send(answer);
      });
      assert.equal(await textOf(await request()), 'abc');
      assert.equal(await textOf(await request('/next')), '/next');
      assert.equal(server.connectionsOpened, 2);
    });
  }

  test('when bytes come while they are idle', async (t) => {
    const served = Promise.withResolvers<ScriptedConnection>();
    const { server, request } = await setUp(t, async (connection, index) => {
      if (index > 0) return echo(connection);
      await connection.request();
      await connection.send(lengthAnswer('abc'));
      served.resolve(connection);
    });
    assert.equal(await textOf(await request()), 'abc');
    const connection = await served.promise;
    await connection.send(lengthAnswer('forged'));
    await connection.closed;
    assert.equal(await textOf(await request('/next')), '/next');
    assert.equal(server.connectionsOpened, 2);
  });

  test('when their body was not read to its end', async (t) => {
    const ended = Promise.withResolvers<void>();
    const { server, request } = await setUp(t, async (connection, index) => {
      if (index > 0) return echo(connection);
      await connection.request();
      await connection.send('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc');
      return connection.closed.then(ended.resolve);
    });
    const { body } = await request();
    (await body.next())!.release();
    body.close();
    await ended.promise;
    assert.equal(await textOf(await request('/next')), '/next');
    assert.equal(server.connectionsOpened, 2);
  });

  test('when they have been idle for half a minute', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const ended = Promise.withResolvers<void>();
    const { server, request } = await setUp(t, async (connection) => {
      void connection.closed.then(ended.resolve);
      await echo(connection);
    });
    assert.equal(await textOf(await request('/a')), '/a');
    t.mock.timers.tick(29_999);
    assert.equal(await textOf(await request('/b')), '/b');
    assert.equal(server.connectionsOpened, 1);
    t.mock.timers.tick(30_000);
    await ended.promise;
    assert.equal(await textOf(await request('/c')), '/c');
    assert.equal(server.connectionsOpened, 2);
  });

  test('beyond sixteen for a server', async (t) => {
    const arrived = Promise.withResolvers<void>();
    const closed: Promise<void>[] = [];
    let waiting = 0;
    const { server, request } = await setUp(t, async (connection) => {
      closed.push(connection.closed);
      const head = await connection.request();
      if (++waiting === 20) arrived.resolve();
      await arrived.promise; // so that there are twenty at once
      await connection.send(lengthAnswer(head!.split(' ')[1]!));
      await echo(connection);
    });
    const paths = Array.from({ length: 20 }, (_, index) => `/${index}`);
    const fetchAll = () => Promise.all(paths.map(async (path) => textOf(await request(path))));
    assert.deepEqual(await fetchAll(), paths);
    let ended = 0;
    await new Promise<void>((done) => {
      for (const one of closed) void one.then(() => ++ended === 4 && done());
    });
    assert.deepEqual(await fetchAll(), paths);
    assert.equal(server.connectionsOpened, 24);
  });
});

describe('a server that closes an idle connection', () => {
  test('is no error when its end was seen', async (t) => {
    const { server, request } = await setUp(t, async (connection, index) => {
      if (index > 0) return echo(connection);
      await connection.request();
      connection.socket.end(lengthAnswer('abc'));
      await connection.closed;
    });
    assert.equal(await textOf(await request()), 'abc');
    assert.equal(await textOf(await request('/next')), '/next');
    assert.equal(server.connectionsOpened, 2);
  });

  for (const how of ['end', 'resetAndDestroy'] as const) {
    test(`is no error when the next request has just been sent (${how})`, async (t) => {
      const heads: string[] = [];
      const { server, request } = await setUp(t, async (connection, index) => {
        if (index > 0) return echo(connection);
        await connection.request();
        await connection.send(lengthAnswer('abc'));
        heads.push((await connection.request())!);
        connection.socket[how]();
      });
      assert.equal(await textOf(await request()), 'abc');
      assert.equal(await textOf(await request('/next')), '/next');
      assert.match(heads[0]!, /^GET \/next /);
      assert.equal(server.connectionsOpened, 2);
    });
  }

  test('is an error when the answer had begun', async (t) => {
    const { request } = await setUp(t, async (connection) => {
      await connection.request();
      await connection.send(lengthAnswer('abc'));
      await connection.request();
      connection.socket.end('HTTP/1.1 200 OK\r\nContent-Le');
    });
    assert.equal(await textOf(await request()), 'abc');
    await assert.rejects(request('/next'), { name: 'TransportError', code: 'CUT_OFF', unanswered: false });
  });
});

describe('how an answer may come', () => {
  test('byte by byte', async (t) => {
    const { server, request } = await setUp(t, async (connection) => {
      connection.socket.setNoDelay(true);
      await connection.request();
      for (const byte of `HTTP/1.1 100 Continue\r\n\r\n${lengthAnswer('abc')}`) await connection.send(byte);
      await echo(connection);
    });
    const answer = await request();
    assert.equal(answer.head.status, 200);
    assert.equal(await textOf(answer), 'abc');
    assert.equal(await textOf(await request('/next')), '/next');
    assert.equal(server.connectionsOpened, 1);
  });

  test('after interim answers, in the same read', async (t) => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n';
    const { request } = await setUp(t, async (connection) => {
      await connection.request();
      await connection.send(`${hints}${hints}${lengthAnswer('abc')}`);
    });
    assert.equal(await textOf(await request()), 'abc');
  });

  test('with a head of half a megabyte, and no larger', async (t) => {
    const { request } = await setUp(t, async (connection) => {
      for (let head = await connection.request(); head; head = await connection.request()) {
        const length = Number(head.split(' ')[1]!.slice(1));
        await connection.send(lengthAnswer('abc', `HTTP/1.1 200 OK\r\nX-Filler: ${'x'.repeat(length)}`));
      }
    });
    const answer = await request('/500000');
    assert.equal(answer.head.headers.get('x-filler')!.length, 500_000);
    assert.equal(await textOf(answer), 'abc');
    await assert.rejects(request('/1000000'), { name: 'TransportError', code: 'PROTOCOL', message: /exceeds/ });
  });

  test('up to the end of the connection, where it has no length', async (t) => {
    const { request } = await setUp(t, async (connection) => {
      await connection.request();
      await connection.send('HTTP/1.1 200 OK\r\n\r\nabc');
      connection.socket.end('def');
    });
    const answer = await request();
    assert.equal(answer.body.lengthBytes, undefined);
    assert.equal(await textOf(answer), 'abcdef');
  });

  test('not as something other than HTTP', async (t) => {
    const { request } = await setUp(t, async (connection) => {
      await connection.request();
      await connection.send('220 smtp.test ESMTP\r\n\r\n');
    });
    await assert.rejects(request(), { name: 'TransportError', code: 'PROTOCOL' });
  });
});

describe('the caller’s signal', () => {
  const reason = new Error('client gone');

  test('ends the wait for an answer, and the connection', async (t) => {
    const asked = Promise.withResolvers<ScriptedConnection>();
    const { request } = await setUp(t, async (connection) => {
      await connection.request();
      asked.resolve(connection);
    });
    const controller = new AbortController();
    const waiting = request('/', 'GET', controller.signal);
    const connection = await asked.promise;
    controller.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
    await connection.closed;
  });

  test('ends a body in its middle, and the connection; what had come is still given', async (t) => {
    const asked = Promise.withResolvers<ScriptedConnection>();
    const { request } = await setUp(t, async (connection) => {
      asked.resolve(connection);
      await connection.request();
      await connection.send('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc');
    });
    const controller = new AbortController();
    const { body } = await request('/', 'GET', controller.signal);
    const first = await body.next();
    assert.equal(Buffer.from(first!.bytes).toString(), 'abc');
    const waiting = body.next();
    controller.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
    await (await asked.promise).closed;
  });

  test('means nothing any more when the body is whole', async (t) => {
    const { server, request } = await setUp(t, echo);
    const controller = new AbortController();
    const answer = await request('/a', 'GET', controller.signal);
    assert.equal(await textOf(answer), '/a');
    controller.abort(reason);
    assert.equal(await textOf(await request('/b')), '/b');
    assert.equal(server.connectionsOpened, 1);
  });

  test('that has fired already sends nothing', async (t) => {
    const { server, request } = await setUp(t, echo);
    await assert.rejects(request('/', 'GET', AbortSignal.abort(reason)), (error) => error === reason);
    assert.equal(server.connectionsOpened, 0);
  });

  test('on the way through the whole client ends the connection of a blob', async (t) => {
    const { registry, server } = await startUpstream(t);
    const digest = server.content.putGenerated(repository, 'large', 50_000_000);
    const gate = server.faults.stallAfterBytes('GET blob', 1_000_000);
    const controller = new AbortController();
    const blob = await registry.getBlob(repository, digest, undefined, controller.signal);
    await gate.reached;
    controller.abort(reason);
    await assert.rejects(readAll(blob), (error) => error === reason);
    const [recorded] = server.requests.matching(/blobs/);
    assert.equal(await recorded!.ended, 'broken');
  });
});

describe('a transport', () => {
  test('that is closed ends what is under way, and connects to nobody any more', async (t) => {
    const asked = Promise.withResolvers<ScriptedConnection>();
    const { request, transport } = await setUp(t, async (connection) => {
      await connection.request();
      await connection.send('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc');
      asked.resolve(connection);
    });
    const answer = await request();
    const connection = await asked.promise;
    transport.close();
    await assert.rejects(textOf(answer), { name: 'TransportError' });
    await connection.closed;
    await assert.rejects(request(), { name: 'TransportError', code: 'CONNECT_FAILED' });
  });

  test('keeps no process alive by its idle connections', async (t) => {
    const { server } = await setUp(t, echo);
    const module = new URL('../../../src/upstream/transport/transport.ts', import.meta.url);
    const program = `
      import { Transport } from ${JSON.stringify(module.href)};
      const request = { method: 'GET', url: new URL(${JSON.stringify(server.url)}), headers: {}, identity: { insecure: false } };
      const { body } = await new Transport().request(request, new AbortController().signal);
      while (await body.next());
      console.log('done');`;
    const args = ['--input-type=module', '--eval', program];
    const cwd = fileURLToPath(new URL('../../..', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, timeout: 25_000 });
    assert.equal(stdout, 'done\n');
  });
});

test('a connection that has ended is forgotten, though nobody asks its server again: CDNs have many names', async (t) => {
  const transport = new Transport();
  t.after(() => transport.close());
  const ask = async () => {
    const server = await startScriptedServer(echo);
    const url = new URL(server.url);
    assert.equal(await textOf(await transport.request({ method: 'GET', url, headers: {}, identity }, patient)), '/');
    await server.close();
  };
  await ask();
  await turns();
  const before = queryObjects(Connection, { format: 'count' });
  for (let servers = 0; servers < 20; servers++) await ask();
  await turns();
  const after = queryObjects(Connection, { format: 'count' });
  assert.ok(after - before < 5, `${after - before} connections are remembered of 20 that have ended`);
});

test('close() ends what is being opened, too: nobody waits for it until its limit is over', {
  timeout: 5_000,
}, async (t) => {
  const greeted = Promise.withResolvers<void>();
  // It never answers the greeting of TLS.
  const { server, transport } = await setUp(t, ({ socket }) => void socket.once('data', () => greeted.resolve()));
  const url = new URL(server.url.replace('http:', 'https:'));
  const asking = transport.request({ method: 'GET', url, headers: {}, identity }, patient);
  await greeted.promise;
  transport.close();
  await assert.rejects(asking, { name: 'TransportError', code: 'CONNECT_FAILED', message: 'The transport is closed' });
  const asked = transport.request({ method: 'GET', url, headers: {}, identity }, patient);
  await assert.rejects(asked, { code: 'CONNECT_FAILED' });
});
