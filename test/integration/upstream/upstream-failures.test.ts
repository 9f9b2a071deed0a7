import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { RegistryError } from '../../../src/oci/errors.ts';
import type { Answer } from '../../../src/upstream/transport/connection.ts';
import { Transport, type TransportOptions } from '../../../src/upstream/transport/transport.ts';
import { countBytes, readAll } from '../../support/http/read.ts';
import { shorten } from '../../support/registry/recorder.ts';
import {
  closedPort,
  lengthAnswer,
  otherClosedPort,
  type ScriptedConnection,
  startScriptedServer,
  turns,
} from '../../support/upstream/scripted-server.ts';
import {
  latest,
  makeClient,
  patient,
  repository,
  skipSleeps,
  startUpstream,
} from '../../support/upstream/upstream-client.ts';

const ping = 'GET /v2/';
const manifest = `GET /v2/${repository}/manifests/latest`;
const unavailable = { name: 'RegistryError', code: 'UNAVAILABLE' };

describe('a server that fails', () => {
  test('by 503 is asked again after waits that double, until it answers', async (t) => {
    const { registry, server, clock } = await startUpstream(t);
    const sleeps = skipSleeps(clock);
    server.faults.answer('manifest', { status: 503 }, { times: 2 });
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(server.requests.lines(), [ping, manifest, manifest, manifest]);
    assert.deepEqual(sleeps, [200, 400]);
  });

  test('by 503 for good is UNAVAILABLE, with what it said', async (t) => {
    const { registry, server, clock } = await startUpstream(t);
    const sleeps = skipSleeps(clock);
    const body = '{"errors":[{"code":"UNAVAILABLE","message":"read-only mode"}]}';
    server.faults.answer('manifest', { status: 503, body }, { times: Infinity });
    await assert.rejects(registry.getManifest(repository, latest, patient), {
      ...unavailable,
      message: 'Upstream origin.test answered 503: UNAVAILABLE read-only mode',
    });
    assert.deepEqual(server.requests.lines(/manifests/), [manifest, manifest, manifest]);
    assert.deepEqual(sleeps, [200, 400]);
  });

  test('while it makes a token is asked again for it', async (t) => {
    const { registry, server, clock } = await startUpstream(t, { auth: { kind: 'bearer' } });
    const sleeps = skipSleeps(clock);
    server.faults.answer('token', { status: 503 });
    await registry.getManifest(repository, latest, patient);
    const token = `GET /token?scope=repository:${repository}:pull`;
    assert.deepEqual(server.requests.lines(), [ping, token, token, manifest]);
    assert.deepEqual(sleeps, [200]);
  });

  test('in the middle of a manifest is asked again for the whole', async (t) => {
    const { registry, server, image } = await startUpstream(t);
    server.faults.resetAfterBytes('manifest', 100, { times: 2 });
    const { bytes } = await registry.getManifest(repository, latest, patient);
    assert.deepEqual(Buffer.from(bytes), image.manifest.bytes);
    assert.deepEqual(server.requests.lines(/manifests/), [manifest, manifest, manifest]);
  });

  test('in the middle of a manifest for good is UNAVAILABLE', async (t) => {
    const { registry, server } = await startUpstream(t);
    server.faults.resetAfterBytes('manifest', 100, { times: Infinity });
    await assert.rejects(registry.getManifest(repository, latest, patient), unavailable);
    assert.deepEqual(server.requests.lines(/manifests/), [manifest, manifest, manifest]);
  });

  test('by closing the connection without an answer is asked again', async (t) => {
    const { registry, server, clock } = await startUpstream(t);
    const sleeps = skipSleeps(clock);
    server.faults.closeWithoutAnswer('ping');
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(server.requests.lines(), [ping, ping, manifest]);
    assert.deepEqual(sleeps, [200]);
  });

  test('by closing a connection that was used before is asked again at once, and only then after a wait', async (t) => {
    const { registry, server, clock } = await startUpstream(t);
    const sleeps = skipSleeps(clock);
    server.faults.closeWithoutAnswer('manifest');
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(server.requests.lines(), [ping, manifest, manifest]);
    assert.deepEqual(sleeps, []);
    server.requests.clear();
    server.faults.closeWithoutAnswer('manifest', { times: 2 });
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(server.requests.lines(), [manifest, manifest, manifest]);
    assert.deepEqual(sleeps, [200]);
  });

  test('in the ping is asked all the same, and pinged again the next time', async (t) => {
    const { registry, server } = await startUpstream(t);
    server.faults.answer('ping', { status: 503 });
    await registry.getManifest(repository, latest, patient);
    await registry.getManifest(repository, latest, patient);
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(server.requests.lines(), [ping, manifest, ping, manifest, manifest]);
  });

  test('by what is not HTTP is not asked again', async (t) => {
    const { server, clock } = await scripted(t, async (connection) => {
      await connection.request();
      await connection.send('220 smtp.test ESMTP\r\n\r\n');
    });
    const { registry } = makeClient(t, [server.url], { clock });
    await assert.rejects(registry.getManifest(repository, latest, patient), unavailable);
    assert.deepEqual([server.connectionsOpened, clock.sleeping], [1, 0]);
  });

  test('in the middle of a blob leaves the rest to whoever reads it', async (t) => {
    const { registry, server } = await startUpstream(t);
    const digest = server.content.putGenerated(repository, 'large', 1_000_000);
    for (const fault of ['resetAfterBytes', 'endAfterBytes'] as const) {
      server.requests.clear();
      server.faults[fault]('GET blob', 500_000);
      const blob = await registry.getBlob(repository, digest, undefined, patient);
      let received = 0;
      const reading = (async () => {
        for (let chunk = await blob.next(); chunk; chunk = await blob.next()) {
          received += chunk.bytes.length;
          chunk.release();
        }
      })();
      await assert.rejects(reading, unavailable);
      assert.equal(received, 500_000);
      assert.deepEqual(server.requests.lines(/blobs/), [`GET /v2/${repository}/blobs/${shorten(digest)}`]);
    }
  });
});

describe('a server that limits', () => {
  test('is not asked again: 429 is TOOMANYREQUESTS, with the time it wants', async (t) => {
    const { registry, server, clock } = await startUpstream(t);
    server.faults.tooManyRequests('manifest', '17');
    await assert.rejects(registry.getManifest(repository, latest, patient), {
      name: 'RegistryError',
      code: 'TOOMANYREQUESTS',
      status: 429,
      headers: { 'retry-after': '17' },
    });
    assert.deepEqual(server.requests.lines(), [ping, manifest]);
    assert.equal(clock.sleeping, 0);
  });

  test('is not asked by another of its urls', async (t) => {
    const { server } = await startUpstream(t);
    const { server: second } = await startUpstream(t);
    const { registry } = makeClient(t, [server.url, second.url]);
    server.faults.tooManyRequests('manifest');
    const refused = { code: 'TOOMANYREQUESTS', headers: {} };
    await assert.rejects(registry.getManifest(repository, latest, patient), refused);
    assert.deepEqual(second.requests.lines(), []);
  });

  test('pulls as Docker Hub does lets HEADs pass', async (t) => {
    const { registry } = await startUpstream(t, { quirks: { pullLimit: { limit: 1 } } });
    await registry.getManifest(repository, latest, patient);
    await assert.rejects(registry.getManifest(repository, latest, patient), { code: 'TOOMANYREQUESTS' });
    await registry.resolveManifest(repository, latest, patient);
  });
});

test('an error body without end is read no further than needed, and its connection ended', async (t) => {
  const { registry, server } = await startUpstream(t, { quirks: { hugeErrorBody: 1024 ** 3 } });
  server.content.removeTag(repository, latest);
  await assert.rejects(registry.getManifest(repository, latest, patient), {
    code: 'MANIFEST_UNKNOWN',
    message: 'Upstream origin.test answered 404',
  });
  const [request] = server.requests.matching(/manifests/);
  assert.equal(await request!.ended, 'broken');
  assert.ok(request!.bodyBytes < 64 * 1024 * 1024, `${request!.bodyBytes} bytes`); // what the system's buffers take
});

test('an answer that is given up before its token was had lets go of its connection', {
  timeout: 20_000,
}, async (t) => {
  const first = Promise.withResolvers<ScriptedConnection>();
  const { server } = await scripted(t, async (connection) => {
    for (let head = await connection.request(); head; head = await connection.request()) {
      if (head.startsWith('GET /v2/ ')) await connection.send(lengthAnswer('{}'));
      else {
        first.resolve(connection);
        const challenge = 'WWW-Authenticate: Bearer realm="http://elsewhere.test/token"';
        await connection.send(`HTTP/1.1 401 No\r\n${challenge}\r\nContent-Length: 1000\r\n\r\nbegun`);
      }
    }
  });
  const { registry } = makeClient(t, [server.url], { limits: { idleMs: 2 ** 30 } });
  await assert.rejects(registry.getManifest(repository, latest, patient), { message: /tokenHosts/ });
  await (await first.promise).closed;
});

describe('several urls', () => {
  test('are tried in order; one that cannot be reached rests for 30 s', async (t) => {
    const { server, clock } = await startUpstream(t);
    const gone = `http://127.0.0.1:${closedPort}`;
    const { registry } = makeClient(t, [gone, server.url], { clock });
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(server.requests.lines(), [ping, manifest]);
    assert.equal(clock.sleeping, 0);
  });

  test('one that fails is asked after the others for 30 s, then first again', async (t) => {
    const { server: first, clock } = await startUpstream(t);
    const { server: second } = await startUpstream(t);
    const { registry } = makeClient(t, [first.url, second.url], { clock });
    first.faults.answer('manifest', { status: 500 });
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(
      [first.requests.lines(), second.requests.lines()],
      [
        [ping, manifest],
        [ping, manifest],
      ],
    );
    clock.advance(29_999);
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(second.requests.lines(), [ping, manifest, manifest]);
    clock.advance(1);
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(first.requests.lines(), [ping, manifest, manifest]);
  });

  test('what the first does not have the second is not asked for', async (t) => {
    const { server: first } = await startUpstream(t);
    const { server: second } = await startUpstream(t);
    const { registry } = makeClient(t, [first.url, second.url]);
    first.content.removeTag(repository, latest);
    await assert.rejects(registry.getManifest(repository, latest, patient), { code: 'MANIFEST_UNKNOWN' });
    assert.deepEqual(second.requests.lines(), []);
  });

  test('none of which can be reached are UNAVAILABLE, after the waits of one', async (t) => {
    const urls = [`http://127.0.0.1:${closedPort}`, `http://127.0.0.1:${otherClosedPort}`];
    const { registry, clock } = makeClient(t, urls);
    const sleeps = skipSleeps(clock);
    await assert.rejects(registry.getManifest(repository, latest, patient), unavailable);
    assert.deepEqual(sleeps, [200, 400]);
  });
});

describe('connecting', () => {
  test('that is refused is UNAVAILABLE, and says where to and why', async (t) => {
    const { registry, clock } = makeClient(t, [`http://127.0.0.1:${closedPort}`]);
    const sleeps = skipSleeps(clock);
    await assert.rejects(registry.getManifest(repository, latest, patient), (error) => {
      assert.ok(error instanceof RegistryError);
      assert.match(
        error.message,
        new RegExp(`^Cannot reach upstream: Cannot connect to 127\\.0\\.0\\.1:${closedPort}: .*ECONNREFUSED`),
      );
      return true;
    });
    assert.deepEqual(sleeps, [200, 400]);
  });

  /** A server that accepts connections and says nothing: no TLS handshake ever ends there. */
  async function silentServer(t: TestContext) {
    const closed: Promise<void>[] = [];
    const server = createServer((socket) => {
      socket.resume();
      socket.on('error', () => {});
      closed.push(new Promise((resolve) => socket.once('close', () => resolve())));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    t.after(() => server.close());
    const address = server.address();
    return { port: typeof address === 'object' ? address!.port : 0, closed };
  }

  test('that takes too long is given up, and tried again', async (t) => {
    const { port, closed } = await silentServer(t);
    const { registry, clock } = makeClient(t, [`https://127.0.0.1:${port}`], { limits: { connectMs: 50 } });
    const sleeps = skipSleeps(clock);
    await assert.rejects(registry.getManifest(repository, latest, patient), {
      ...unavailable,
      message: `Cannot reach upstream: Cannot connect to 127.0.0.1:${port} within 50 ms`,
    });
    assert.deepEqual(sleeps, [200, 400]);
    while (closed.length < 3) await turns();
    await Promise.all(closed);
    assert.equal(closed.length, 3);
  });

  test('ends with the caller’s signal, whose reason is thrown', async (t) => {
    const { port, closed } = await silentServer(t);
    const { registry } = makeClient(t, [`https://127.0.0.1:${port}`]);
    const controller = new AbortController();
    const reason = new Error('client gone');
    const waiting = registry.getManifest(repository, latest, controller.signal);
    while (closed.length === 0) await turns();
    controller.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
    await Promise.all(closed);
  });
});

/** A scripted server, and a transport for it, whose timers the test moves. */
async function scripted(
  t: TestContext,
  script: (connection: ScriptedConnection, index: number) => Promise<void>,
  options: TransportOptions = {},
) {
  const server = await startScriptedServer(script);
  const transport = new Transport(options);
  t.after(() => transport.close());
  t.after(() => server.close());
  const { clock } = makeClient(t, [server.url]);
  const request = { method: 'GET', url: new URL(server.url), headers: {}, identity: { insecure: false } } as const;
  return { server, clock, fetch: (): Promise<Answer> => transport.request(request, patient) };
}

/** Timers that the test moves, and that can be refreshed, which those of Node's own mock cannot. */
function refreshableTimers(t: TestContext) {
  let nowMs = 0;
  const timers = new Set<{ dueMs: number; run(): void }>();
  const set = (run: () => void, delayMs: number) => {
    const timer = {
      dueMs: nowMs + delayMs,
      run,
      unref: () => timer,
      refresh: () => {
        timer.dueMs = nowMs + delayMs;
        return timer;
      },
    };
    timers.add(timer);
    return timer;
  };
  const clear = (timer: ReturnType<typeof set> | undefined) => void (timer && timers.delete(timer));
  t.mock.method(globalThis, 'setTimeout', set as unknown as typeof setTimeout);
  t.mock.method(globalThis, 'clearTimeout', clear as unknown as typeof clearTimeout);
  const tick = (ms: number) => {
    nowMs += ms;
    for (const timer of [...timers]) if (timer.dueMs <= nowMs && timers.delete(timer)) timer.run();
  };
  return { tick };
}

describe('time limits', () => {
  test('an answer that does not begin is given up after 15 s, and asked for again', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { registry, server, clock } = await startUpstream(t);
    const sleeps = skipSleeps(clock);
    const gate = server.faults.holdHeaders('manifest');
    const fetching = registry.getManifest(repository, latest, patient);
    await gate.reached;
    t.mock.timers.tick(15_000);
    await fetching;
    assert.deepEqual(server.requests.lines(), [ping, manifest, manifest]);
    assert.equal(await server.requests.all[1]!.ended, 'broken');
    assert.deepEqual(sleeps, [200]);
  });

  test('an answer whose head never ends is given up just so, however steadily it comes', {
    timeout: 20_000,
  }, async (t) => {
    const { fetch } = await scripted(
      t,
      async (connection) => {
        await connection.request();
        await connection.send('HTTP/1.1 200 OK\r\n');
        const dripping = setInterval(() => void connection.send('X: y\r\n'), 10);
        await connection.closed;
        clearInterval(dripping);
      },
      { limits: { firstByteMs: 200 } },
    );
    await assert.rejects(fetch(), { name: 'TransportError', code: 'FIRST_BYTE_TIMEOUT', message: /200 ms/ });
  });

  test('a body that stops coming is given up after 30 s', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { registry, server } = await startUpstream(t);
    const digest = server.content.putGenerated(repository, 'large', 1_000_000);
    const gate = server.faults.stallAfterBytes('GET blob', 500_000);
    const blob = await registry.getBlob(repository, digest, undefined, patient);
    const reading = readAll(blob);
    await gate.reached;
    await turns();
    t.mock.timers.tick(29_999);
    await turns();
    assert.equal(server.requests.matching(/blobs/)[0]!.bodyBytes, 500_000);
    t.mock.timers.tick(1);
    await assert.rejects(reading, { ...unavailable, message: /stopped coming within 30000 ms/ });
    assert.equal(await server.requests.matching(/blobs/)[0]!.ended, 'broken');
  });

  test('a body that comes slowly, but comes, is not given up', async (t) => {
    const timers = refreshableTimers(t);
    let next = Promise.withResolvers<void>();
    const { fetch } = await scripted(t, async (connection) => {
      await connection.request();
      await connection.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
      for (const byte of 'abcde') {
        await next.promise;
        next = Promise.withResolvers();
        await connection.send(byte);
      }
    });
    const { body } = await fetch();
    let text = '';
    for (let count = 0; count < 5; count++) {
      const reading = body.next();
      timers.tick(29_000);
      next.resolve();
      const chunk = (await reading)!;
      text += Buffer.from(chunk.bytes).toString();
      chunk.release();
    }
    assert.equal(text, 'abcde');
    assert.equal(await body.next(), undefined);
  });

  test('a manifest that drips is given up after a minute, and not asked for again', { timeout: 20_000 }, async (t) => {
    const timers = refreshableTimers(t);
    const asked: string[] = [];
    const begun = Promise.withResolvers<ScriptedConnection>();
    const { server } = await scripted(t, async (connection) => {
      for (let head = await connection.request(); head; head = await connection.request()) {
        asked.push(head.split(' ')[1]!);
        if (head.startsWith('GET /v2/ ')) await connection.send(lengthAnswer('{}'));
        else {
          await connection.send('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n');
          begun.resolve(connection);
        }
      }
    });
    const { registry } = makeClient(t, [server.url]);
    const fetching = registry.getManifest(repository, latest, patient);
    const connection = await begun.promise;
    connection.socket.setNoDelay(true); // else the system gathers the drops
    for (let drop = 0; drop < 3; drop++) {
      await connection.send('{');
      await turns();
      timers.tick(20_000);
    }
    await assert.rejects(fetching, { ...unavailable, message: /did not come whole within 60 s/ });
    assert.deepEqual(asked, ['/v2/', manifest.split(' ')[1]]);
  });

  test('a body that waits for its reader is not given up, however long that takes', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const sizeBytes = 30_000_000;
    const { fetch } = await scripted(t, async (connection) => {
      await connection.request();
      await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${sizeBytes}\r\n\r\n`);
      await connection.send(Buffer.alloc(sizeBytes));
    });
    const { body } = await fetch();
    while (!body.paused) await turns();
    t.mock.timers.tick(24 * 60 * 60 * 1_000);
    assert.equal(await countBytes(body), sizeBytes);
  });

  test('all tries together have a limit, which does not end the body that was had in time', async (t) => {
    const { registry, server } = await startUpstream(t, {}, { retry: { totalMs: 1_000 } });
    const digest = server.content.putGenerated(repository, 'large', 1_000_000);
    const stall = server.faults.stallAfterBytes('GET blob', 500_000);
    const blob = await registry.getBlob(repository, digest, undefined, patient);
    const reading = readAll(blob);
    await stall.reached;
    server.faults.holdHeaders('manifest');
    await assert.rejects(registry.getManifest(repository, latest, patient), {
      ...unavailable,
      message: 'Cannot reach upstream: no answer within 1000 ms',
    });
    assert.equal(await server.requests.matching(/manifests/)[0]!.ended, 'broken');
    stall.release();
    assert.equal((await reading).length, 1_000_000);
  });
});

describe('what one client does', () => {
  for (const [when, route] of [
    ['during the ping', 'ping'],
    ['while the token is made', 'token'],
  ] as const) {
    test(`a client that leaves ${when} takes nothing from the others`, async (t) => {
      const { registry, server } = await startUpstream(t, { auth: { kind: 'bearer' } });
      const gate = server.faults.holdHeaders(route);
      const leaver = new AbortController();
      const reason = new Error('client gone');
      const left = registry.getManifest(repository, latest, leaver.signal);
      const stayed = registry.getManifest(repository, latest, patient);
      await gate.reached;
      leaver.abort(reason);
      await assert.rejects(left, (error) => error === reason);
      gate.release();
      await stayed;
      assert.equal(server.tokensIssued, 1);
      assert.deepEqual(server.requests.lines(), [ping, `GET /token?scope=repository:${repository}:pull`, manifest]);
    });
  }
});

test('a registry that was gone and is back answers as ever', async (t) => {
  const { registry, server, clock } = await startUpstream(t);
  skipSleeps(clock);
  server.faults.closeWithoutAnswer('any', { times: 3 });
  await assert.rejects(registry.getManifest(repository, latest, patient), unavailable);
  server.requests.clear();
  await registry.getManifest(repository, latest, patient);
  assert.deepEqual(server.requests.lines(), [ping, manifest]);
});
