import assert from 'node:assert/strict';
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { askStatus, localUrl } from '../../../src/cli/server/ask-status.ts';
import { Secret } from '../../../src/util/secret.ts';
import { runCommandLine } from '../../support/command/run-tool.ts';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { writePasswords } from '../../support/stages/access-stage.ts';
import { repository } from '../../support/stages/stage.ts';
import { startTestCache, type TestCache } from '../../support/stages/test-cache.ts';
import { ManualClock } from '../../support/time/clock.ts';
import { closedPort, lengthAnswer, startScriptedServer } from '../../support/upstream/scripted-server.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const image = makeImage({ seed: 'app', layers: [100] });

function run(...args: readonly string[]) {
  return runCommandLine(['status', ...args]);
}

/** A cache whose upstream grants ten pulls, of which one was made. */
async function setUp(t: TestContext) {
  const origin = await startTestRegistry({ quirks: { pullLimit: { limit: 10 } } });
  t.after(() => origin.close());
  origin.content.push(repository, image, 'latest');
  const data = tmpDir(t);
  const cache = await startTestCache({
    data,
    upstreams: [
      { name: 'origin.test', urls: [new URL(origin.url)], username: 'someone', password: new Secret('swordfish') },
      { name: 'other.test', urls: [new URL(`http://127.0.0.1:${closedPort}`)] },
    ],
    clock: new ManualClock(),
    retry: { rounds: 1 },
  });
  t.after(() => cache.stop());
  assert.equal((await rawFetch(manifestUrl(cache))).status, 200);
  return { origin, data, cache };
}

function manifestUrl({ url }: TestCache, query = ''): string {
  return `${url}/v2/${repository}/manifests/latest${query}`;
}

async function withoutUptime(url: string) {
  const { uptimeSeconds, ...status } = JSON.parse((await rawFetch(`${url}/status`)).body.toString());
  assert.equal(typeof uptimeSeconds, 'number');
  return status;
}

const limited = {
  limit: 10,
  remaining: 9,
  windowSeconds: 21_600,
  source: '127.0.0.1',
  at: '2026-01-01T00:00:00.000Z',
  reserved: 0,
};

test('/status says how the server, its store and its upstreams are, without a secret', async (t) => {
  const { cache } = await setUp(t);
  const { headers, body } = await rawFetch(`${cache.url}/status`);
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers['cache-control'], 'no-store');
  assert.ok(!/swordfish|someone|http:/.test(body.toString()), body.toString());
  const { version, ...status } = await withoutUptime(cache.url);
  assert.match(version, /^\d+\.\d+\.\d+/);
  assert.deepEqual(status, {
    startedAt: '2026-01-01T00:00:00.000Z',
    store: { contents: 1, sizeBytes: image.manifest.bytes.length, maxBytes: 1e12 },
    hosted: { repositories: 0, contents: 0, sizeBytes: 0 },
    downloads: { running: 0, waiting: 0 },
    upstreams: [
      { name: 'origin.test', circuit: { state: 'closed', failures: 0 }, rateLimit: limited },
      { name: 'other.test', circuit: { state: 'closed', failures: 0 } },
    ],
  });
  for (let count = 0; count < 5; count++) {
    assert.equal((await rawFetch(manifestUrl(cache, '?ns=other.test'))).status, 502);
  }
  const [, other] = (await withoutUptime(cache.url)).upstreams;
  const { until, ...circuit } = other.circuit;
  assert.deepEqual(circuit, { state: 'open', failures: 5 });
  assert.match(until, /^2026-01-01T00:00:0[01]\./);
  assert.deepEqual(other.lastError, { at: '2026-01-01T00:00:00.000Z', code: 'CONNECT_FAILED' });
});

test('entrepot status asks the running server, and tells it for people or as JSON', async (t) => {
  const { cache } = await setUp(t);
  const listen = ['--listen', `127.0.0.1:${cache.port}`];
  const told = await run(...listen);
  assert.deepEqual([told.code, told.error], [0, '']);
  assert.match(told.out, new RegExp(`^Entrepot \\S+ at http://127\\.0\\.0\\.1:${cache.port}, up for \\d+s\\n`));
  assert.match(told.out, /\nStored: 1 blob or manifest, /);
  assert.match(
    told.out,
    /\nUpstream origin\.test:\n {2}pulls left: 9 of 10 in 6h 0m, counted for 127\.0\.0\.1, at 2026/,
  );
  const { code, out } = await run(...listen, '--json');
  assert.equal(code, 0);
  const { running, url, uptimeSeconds, ...status } = JSON.parse(out);
  assert.deepEqual([running, url, typeof uptimeSeconds], [true, cache.url, 'number']);
  assert.deepEqual(status, await withoutUptime(cache.url));
});

test('a server elsewhere is asked by --address, and the data folder here says nothing of it', async (t) => {
  const { data, cache } = await setUp(t);
  const told = await run('--address', cache.url, '--listen', ':0');
  assert.deepEqual([told.code, told.error], [0, '']);
  assert.match(told.out, new RegExp(`^Entrepot \\S+ at ${cache.url}, up for \\d+s\\n`));
  const bare = await run('--address', '127.0.0.1', '--listen', `:${cache.port}`, '--healthy');
  assert.deepEqual([bare.code, bare.out], [0, `A server answers at ${cache.url}\n`]);
  assert.match(bare.error, /^--address 127\.0\.0\.1 is taken for /);
  await cache.stop();
  assert.deepEqual(await run('--address', cache.url, '--data', data), {
    code: 1,
    out: '',
    error: `No server answers at ${cache.url}: see whether it runs there, and listens for this machine\n`,
  });
  const nowhere = await run('--address', 'http://nowhere.invalid:5000');
  assert.deepEqual([nowhere.code, nowhere.out], [1, '']);
  assert.match(nowhere.error, /^Cannot ask http:\/\/nowhere\.invalid:5000\/status: .*; see whether it runs there, /);
});

test('without a server it says so, and what the data folder holds, which stays as it is', async (t) => {
  const { data, cache } = await setUp(t);
  await cache.stop();
  const listen = ['--listen', `127.0.0.1:${cache.port}`];
  const told = await run(...listen, '--data', data, '--set', 'cache.maxBytes=1GB');
  const sizeBytes = image.manifest.bytes.length;
  assert.deepEqual(told, {
    code: 0,
    error: '',
    out: `No server answers at ${cache.url}\nStored: 1 blob or manifest, ${sizeBytes} B of 1 GB (0%), in ${data}\nHosted: nothing\n`,
  });
  const { code, out } = await run(...listen, '--data', data, '--json');
  assert.equal(code, 0);
  const store = { contents: 1, sizeBytes, maxBytes: 50e9 };
  const hosted = { repositories: 0, contents: 0, sizeBytes: 0 };
  assert.deepEqual(JSON.parse(out), { running: false, url: cache.url, data, store, hosted });

  const empty = tmpDir(t);
  assert.deepEqual(await run(...listen, '--data', empty), {
    code: 0,
    error: '',
    out: `No server answers at ${cache.url}\nNothing is kept in ${empty}\n`,
  });
  assert.deepEqual(readdirSync(empty), []);
});

// To root nothing is closed, so this is a folder that leads to itself: what cannot be looked into is not empty.
test('a data folder that cannot be looked into is not called empty', async (t) => {
  const data = join(tmpDir(t), 'data');
  symlinkSync(data, data);
  const why = `Cannot look into "${data}": too many symbolic links encountered (ELOOP)\n`;
  const listen = ['--listen', `127.0.0.1:${closedPort}`];
  assert.deepEqual(await run(...listen, '--data', data), {
    code: 1,
    out: `No server answers at http://127.0.0.1:${closedPort}\n`,
    error: why,
  });
  for (const command of ['ls', 'du', 'pin', 'verify', 'gc']) {
    const { code, error } = await runCommandLine([command, '--data', data]);
    assert.deepEqual([code, error], [1, why], command);
  }
});

test('an answer that is no status is an error that says so', async (t) => {
  for (const [answer, why] of [
    [lengthAnswer('<html>'), 'it is not JSON'],
    [lengthAnswer('{}'), 'status.version is not what it should be'],
    [lengthAnswer('gone', 'HTTP/1.1 404 Not Found'), 'its status is 404'],
    ['no HTTP\r\n\r\n', 'Parse Error'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{', 'aborted'],
  ] as const) {
    const server = await startScriptedServer(async (connection) => {
      await connection.request();
      await connection.send(answer);
      connection.socket.end();
    });
    t.after(() => server.close());
    const { code, out, error } = await run('--listen', `127.0.0.1:${server.port}`);
    assert.deepEqual([code, out], [1, ''], why);
    const start = `Cannot use the answer of ${server.url}/status: ${why}`;
    assert.ok(error.startsWith(start), `${error}\nbegins with\n${start}`);
    assert.match(error, /; is it Entrepot that listens there\?\n$/);
  }
});

test('a server that wants a login gets the one in the file, and without says what to do', async (t) => {
  const passwords = writePasswords(t, { alice: 'correct: horse' });
  const cache = await startTestCache({ data: tmpDir(t), upstreams: ['http://127.0.0.1:1'], auth: passwords.auth() });
  t.after(() => cache.stop());
  const ask = (...args: readonly string[]) => run('--listen', `127.0.0.1:${cache.port}`, ...args);
  const file = (text: string) => {
    const path = join(tmpDir(t), 'login');
    writeFileSync(path, text);
    return ['--login', path];
  };
  const right = await ask(...file('alice:correct: horse\n'));
  assert.equal(right.code, 0);
  assert.match(right.out, /Stored: /);
  for (const [args, expected] of [
    [[], /it wants a login, name a file that holds name:password with --login/],
    [file('alice:swordfish'), /it refuses the name or the password of --login/],
    [file('swordfish'), /it does not hold name:password/],
    [['--login', '/none'], /Cannot read "\/none": no such file or directory \(ENOENT\)/],
  ] as const) {
    const { code, error } = await ask(...args);
    assert.equal(code, 1);
    assert.match(error, expected);
    assert.doesNotMatch(error, /swordfish/);
  }
});

test('entrepot status --healthy tells by its exit code whether a server answers, also one that wants a login', async (t) => {
  const passwords = writePasswords(t, { alice: 'swordfish' });
  const cache = await startTestCache({ data: tmpDir(t), upstreams: ['http://127.0.0.1:1'], auth: passwords.auth() });
  t.after(() => cache.stop());
  const ask = () => run('--listen', `127.0.0.1:${cache.port}`, '--healthy');
  assert.deepEqual(await ask(), { code: 0, out: `A server answers at ${cache.url}\n`, error: '' });
  await cache.stop();
  assert.deepEqual(await ask(), { code: 1, out: '', error: `No server answers at ${cache.url}\n` });
  const other = await startScriptedServer(async (connection) => {
    await connection.request();
    await connection.send(lengthAnswer('gone', 'HTTP/1.1 404 Not Found'));
    connection.socket.end();
  });
  t.after(() => other.close());
  const { code, error } = await run('--listen', `127.0.0.1:${other.port}`, '--healthy');
  assert.equal(code, 1);
  assert.match(error, /\/healthz: its status is 404; is it Entrepot that listens there\?/);
});

// Whatever answered on the port was called healthy.
test('a server that has a page for every path is not taken for a healthy Entrepot', async (t) => {
  const other = await startScriptedServer(async (connection) => {
    await connection.request();
    await connection.send(lengthAnswer('<html>Welcome</html>'));
    connection.socket.end();
  });
  t.after(() => other.close());
  const { code, out, error } = await run('--listen', `127.0.0.1:${other.port}`, '--healthy');
  assert.deepEqual([code, out], [1, '']);
  assert.match(error, /\/healthz: it is another text than "ok"; is it Entrepot that listens there\?/);
});

test('a server that does not answer is not waited for', async (t) => {
  const server = await startScriptedServer(() => {});
  t.after(() => server.close());
  await assert.rejects(askStatus(server.url, { limitMs: 20 }), /there was none within 0\.02 s/);
});

test('a port that is any free one cannot be asked', async () => {
  const { code, error } = await run('--listen', '127.0.0.1:0');
  assert.equal(code, 1);
  assert.match(error, /Cannot tell where the server listens: its port is any free one, name the port with --listen/);
});

test('a server that listens on every address is asked over loopback', () => {
  const urls: [string, string][] = [
    ['', 'http://127.0.0.1:5000'],
    ['0.0.0.0', 'http://127.0.0.1:5000'],
    ['::', 'http://[::1]:5000'],
    ['::1', 'http://[::1]:5000'],
    ['localhost', 'http://localhost:5000'],
    ['10.0.0.5', 'http://10.0.0.5:5000'],
  ];
  for (const [host, url] of urls) assert.equal(localUrl({ host, port: 5000 }), url);
});
