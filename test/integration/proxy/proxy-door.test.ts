import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { basic, writePasswords } from '../../support/stages/access-stage.ts';
import { askConnect, askProxy, exchange, shakeHands } from '../../support/stages/proxy-client.ts';
import { startTestCache, type TestCacheOptions } from '../../support/stages/test-cache.ts';
import { startTestRegistry, type TestRegistryOptions } from '../../support/upstream/test-registry.ts';

const image = makeImage({ seed: 'proxied', layers: [100_000] });

/** A cache with a proxy door, and two upstreams that have the same names. */
async function openStage(
  t: TestContext,
  proxy: TestCacheOptions['proxy'] = {},
  registry: TestRegistryOptions = {},
  auth?: TestCacheOptions['auth'],
) {
  const origin = await startTestRegistry(registry);
  const other = await startTestRegistry();
  t.after(() => Promise.all([origin.close(), other.close()]));
  origin.content.push('team/app', image, 'latest');
  other.content.push('team/app', makeImage({ seed: 'other', layers: [10] }), 'latest');
  const upstreams = [
    { name: 'origin.test', urls: [new URL(origin.url)], names: ['index.origin.test', 'origin.test:8443'] },
    { name: 'other.test', urls: [new URL(other.url)] },
  ];
  const cache = await startTestCache({ data: tmpDir(t), upstreams, proxy, auth });
  t.after(() => cache.stop());
  const ca = (await rawFetch(`${cache.url}/ca.crt`)).body.toString();
  const get = async (host: string, path: string, extra = '') => {
    const { status, socket } = await askConnect(cache.proxyPort, `${host}:443`);
    assert.equal(status, 200);
    const secure = await shakeHands(socket, { servername: host, ca });
    return exchange(secure, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${extra}\r\n`);
  };
  return { origin, other, cache, ca, get };
}

/** A server that says what it is told, on loopback. */
async function openEcho(t: TestContext) {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A server that notes the requests that come, and wants no body for one path. */
async function openEchoOfBodies(t: TestContext) {
  const seen: string[] = [];
  const server = createHttpServer((request, response) => {
    const { method, url } = request;
    text(request).then((body) => {
      seen.push(`${method} ${url} ${body}`);
      response.end(`${method} ${url}`);
    }, assert.ifError);
  });
  server.on('checkContinue', (request, response) => {
    if (request.url === '/refused') return void response.writeHead(403, { connection: 'close' }).end();
    response.writeContinue();
    server.emit('request', request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { seen, port: (server.address() as AddressInfo).port };
}

describe('a registry through the proxy door', () => {
  test('is served from here by its own name, and fetched once', async (t) => {
    const { origin, get } = await openStage(t);
    for (const _round of [1, 2]) {
      const answer = await get('origin.test', `/v2/team/app/blobs/${image.blobs[1]!.digest}`);
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
      assert.ok(answer.endsWith(image.blobs[1]!.bytes.toString('latin1')));
    }
    assert.equal(origin.requests.all.filter(({ route }) => route === 'blob').length, 1);
  });

  test('is known by each of its names, and two with the same repositories are two', async (t) => {
    const { get } = await openStage(t);
    const digestOf = (answer: string) => /docker-content-digest: (\S+)/i.exec(answer)?.[1];
    const path = '/v2/team/app/manifests/latest';
    assert.equal(digestOf(await get('origin.test', path)), image.manifest.digest);
    assert.equal(digestOf(await get('index.origin.test', path)), image.manifest.digest);
    assert.notEqual(digestOf(await get('other.test', path)), image.manifest.digest);
  });

  test('answers many requests of one connection, by TLS 1.2 and 1.3, with HTTP/1.1 alone', async (t) => {
    const { cache, ca } = await openStage(t);
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const { socket } = await askConnect(cache.proxyPort, 'origin.test:443');
      const protocols = ['h2', 'http/1.1'];
      const options = {
        servername: 'origin.test',
        ca,
        ALPNProtocols: protocols,
        minVersion: version,
        maxVersion: version,
      };
      const secure = await shakeHands(socket, options);
      assert.deepEqual([secure.getProtocol(), secure.alpnProtocol], [version, 'http/1.1']);
      const ping = 'GET /v2/ HTTP/1.1\r\nHost: origin.test\r\n\r\n';
      const answers = await exchange(secure, ping + ping + ping.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
      assert.equal(answers.match(/HTTP\/1\.1 200 OK/g)?.length, 3);
    }
  });

  test('is refused to a client that wants HTTP/2 and nothing else, names another host, or speaks TLS 1.1', async (t) => {
    const { cache, ca } = await openStage(t);
    const options = [
      { servername: 'origin.test', ALPNProtocols: ['h2'] },
      { servername: 'other.test' },
      { servername: 'origin.test', minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    ] as const;
    for (const wrong of options) {
      const { socket } = await askConnect(cache.proxyPort, 'origin.test:443');
      await assert.rejects(
        shakeHands(socket, { ca, ...wrong, ...('ALPNProtocols' in wrong ? { ALPNProtocols: ['h2'] } : {}) }),
      );
    }
  });

  test('is not to be had for another host or port than the connection was made for', async (t) => {
    const { cache, ca, other } = await openStage(t);
    const rows = [
      ['origin.test:443', 'other.test', 421],
      ['origin.test:443', 'origin.test:8443', 421],
      ['origin.test:8443', 'origin.test', 421],
      ['origin.test:443', 'origin.test:443', 200],
      ['origin.test:443', 'Origin.test.', 200],
      ['origin.test:8443', 'origin.test:8443', 200],
    ] as const;
    for (const [authority, host, status] of rows) {
      const { socket } = await askConnect(cache.proxyPort, authority);
      const secure = await shakeHands(socket, { servername: 'origin.test', ca });
      const path = '/v2/team/app/manifests/latest';
      const answer = await exchange(secure, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), `${authority}: ${host}`);
    }
    assert.equal(other.requests.all.length, 0);
  });

  test('is not connected with when Host names another port than CONNECT', async (t) => {
    const { cache } = await openStage(t);
    for (const [host, status] of [
      ['origin.test:8443', 400],
      ['origin.test:', 400],
      ['origin.test', 200],
    ] as const) {
      const { status: found, socket } = await askConnect(cache.proxyPort, 'origin.test:443', { host });
      socket.destroy();
      assert.equal(found, status, host);
    }
  });

  test('cannot be pushed to, and says so', async (t) => {
    const { cache, ca } = await openStage(t);
    const { socket } = await askConnect(cache.proxyPort, 'origin.test:443');
    const secure = await shakeHands(socket, { servername: 'origin.test', ca });
    const head = 'POST /v2/team/app/blobs/uploads/ HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 0\r\n';
    assert.match(await exchange(secure, `${head}Connection: close\r\n\r\n`), /^HTTP\/1\.1 405 [\s\S]*UNSUPPORTED/);
  });

  test('over plain HTTP is served by the whole URL', async (t) => {
    const { cache, origin } = await openStage(t);
    const url = `${origin.url}/v2/team/app/manifests/latest`;
    const head = `GET ${url} HTTP/1.1\r\nHost: ${origin.authority}\r\nConnection: close\r\n\r\n`;
    const { status, socket } = await askProxy(cache.proxyPort, head);
    socket.destroy();
    assert.equal(status, 200);
  });

  test('over plain HTTP is there for each request as its own login says, whoever shares the connection', async (t) => {
    const passwords = writePasswords(t, { alice: 'correct horse', bob: 'battery staple' });
    const rules = [{ users: ['alice'], doors: ['proxy'], repositories: [/^/], allow: ['pull'] }] as const;
    const { cache, origin } = await openStage(t, {}, {}, passwords.auth(rules));
    const head = (name: string, password: string, more = '') => {
      const login = `Proxy-Authorization: ${basic(name, password).authorization}\r\n`;
      const url = `${origin.url}/v2/team/app/manifests/latest`;
      return `HEAD ${url} HTTP/1.1\r\nHost: ${origin.authority}\r\n${login}${more}\r\n`;
    };
    const close = 'Connection: close\r\n';
    const ofAlice = (more?: string) => head('alice', 'correct horse', more);
    const ofBob = (more?: string) => head('bob', 'battery staple', more);
    // Twice: the second time their passwords are remembered, and nobody waits for anything.
    for (const _round of [1, 2]) {
      for (const [requests, statuses] of [
        [ofAlice() + ofBob(close), ['200', '403']],
        [ofBob() + ofAlice(close), ['403', '200']],
      ] as const) {
        const socket = connect(cache.proxyPort, '127.0.0.1');
        const answers = await exchange(socket, requests);
        socket.destroy();
        const found = [...answers.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => status);
        assert.deepEqual(found, statuses);
      }
    }
  });
});

describe('what is no registry', () => {
  test('is reached through a tunnel that changes nothing', async (t) => {
    const port = await openEcho(t);
    const { cache } = await openStage(t, { ports: [port], allowAddresses: ['127.0.0.1'] });
    const { status, socket } = await askConnect(cache.proxyPort, `127.0.0.1:${port}`);
    assert.equal(status, 200);
    const said = exchange(socket, 'anything at all');
    socket.end();
    assert.equal(await said, 'anything at all');
    await cache.event('connect');
    assert.match(
      (await rawFetch(`${cache.url}/metrics`)).body.toString(),
      /entrepot_proxy_connects_total\{result="tunnelled"\} 1/,
    );
  });

  test('is not reached at a port that is not allowed, or an address that is not public', async (t) => {
    const port = await openEcho(t);
    const { cache } = await openStage(t, { ports: [port] });
    for (const authority of [
      `127.0.0.1:${port}`,
      `localhost:${port}`,
      `[::1]:${port}`,
      `169.254.169.254:${port}`,
      'a.test:22',
    ]) {
      const { status, socket } = await askConnect(cache.proxyPort, authority);
      socket.destroy();
      assert.equal(status, 403, authority);
    }
  });

  test('is refused when only registries may be reached', async (t) => {
    const port = await openEcho(t);
    const { cache } = await openStage(t, { others: 'deny', ports: [port], allowAddresses: ['127.0.0.1'] });
    const { status, socket } = await askConnect(cache.proxyPort, `127.0.0.1:${port}`);
    socket.destroy();
    assert.equal(status, 403);
  });

  test('cannot be resolved: 502, and the connection ends', async (t) => {
    const { cache } = await openStage(t);
    const { status, head, socket } = await askConnect(cache.proxyPort, 'no-such-host.invalid:443');
    socket.destroy();
    assert.equal(status, 502);
    assert.match(head, /connection: close/i);
  });

  test('is passed on as a plain request, without what is for the proxy alone', async (t) => {
    const origin = await startTestRegistry();
    t.after(() => origin.close());
    const port = Number(new URL(origin.url).port);
    const { cache } = await openStage(t, { ports: [port], allowAddresses: ['127.0.0.0/8'] });
    const head = `GET ${origin.url}/v2/?a=1 HTTP/1.1\r\nHost: ${origin.authority}\r\nProxy-Connection: keep-alive\r\n`;
    const { status, socket } = await askProxy(cache.proxyPort, `${head}X-Mine: 1\r\nConnection: x-mine\r\n\r\n`);
    socket.destroy();
    assert.equal(status, 200);
    const [request] = origin.requests.all;
    assert.equal(request?.url, '/v2/?a=1');
    for (const name of ['proxy-connection', 'x-mine']) assert.equal(request?.headers[name], undefined);
  });

  test('is passed on with its body, however that comes, and without one that is not wanted', async (t) => {
    const { port, seen } = await openEchoOfBodies(t);
    const { cache } = await openStage(t, { ports: [port], allowAddresses: ['127.0.0.1'] });
    const ask = async (line: string, rest: string) => {
      const socket = connect(cache.proxyPort, '127.0.0.1');
      const said = exchange(socket, `${line} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n${rest}`);
      const answer = await said;
      socket.destroy();
      return answer;
    };
    const url = `http://127.0.0.1:${port}`;
    const body = 'GET /within HTTP/1.1\r\nHost: x\r\n\r\n'; // which it is not to be taken for
    const chunked = `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    for (const method of ['POST', 'DELETE', 'GET']) {
      assert.ok((await ask(`${method} ${url}/body`, chunked)).endsWith(`${method} /body`), method);
    }
    assert.deepEqual(
      seen,
      ['POST', 'DELETE', 'GET'].map((method) => `${method} /body ${body}`),
    );
    const waiting = 'Expect: 100-continue\r\nContent-Length: 3\r\n\r\n';
    assert.match(await ask(`POST ${url}/refused`, waiting), /^HTTP\/1\.1 403 /);
    const socket = connect(cache.proxyPort, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.write(`POST ${url}/wanted HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${waiting}`);
    const [said] = (await once(socket, 'data')) as [Buffer];
    assert.match(said.toString(), /^HTTP\/1\.1 100 Continue\r\n/);
    socket.write('abc');
    await once(socket, 'data');
    assert.equal(seen.at(-1), 'POST /wanted abc');
  });

  test('may answer before it has the body: who reads nothing before all is sent gets the answer, too', async (t) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () =>
        socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno'),
      );
      socket.resume();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const { cache } = await openStage(t, { ports: [port], allowAddresses: ['127.0.0.1'] });
    const socket = connect(cache.proxyPort, '127.0.0.1');
    t.after(() => socket.destroy());
    const body = Buffer.alloc(20_000_000); // more than lies in any buffer on the way
    const head = `POST http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`;
    socket.write(`${head}Content-Length: ${body.length}\r\n\r\n`);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.write(body, () => resolve());
    });
    const [said] = (await once(socket, 'data')) as [Buffer];
    assert.match(said.toString(), /^HTTP\/1\.1 401 [\s\S]*\r\n\r\nno$/);
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const [next] = (await once(socket, 'data')) as [Buffer];
    assert.match(next.toString(), /^HTTP\/1\.1 200 /);
  });

  test('leaves nothing that waits for a body when its client has gone with the answer', async (t) => {
    const { port } = await openEchoOfBodies(t);
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const timersBefore = timers();
    const { cache } = await openStage(t, { ports: [port], allowAddresses: ['127.0.0.1'] });
    const socket = connect(cache.proxyPort, '127.0.0.1');
    const head = `POST http://127.0.0.1:${port}/refused HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n`;
    const waiting = 'Expect: 100-continue\r\nContent-Length: 3\r\n\r\n';
    assert.match(await exchange(socket, head + waiting), /^HTTP\/1\.1 403 /);
    await cache.stop();
    assert.equal(timers(), timersBefore);
  });

  test('is asked by one request for one, though a client calls the length of its body a matter of the connection', async (t) => {
    const { port, seen } = await openEchoOfBodies(t);
    const { cache } = await openStage(t, { ports: [port], allowAddresses: ['127.0.0.1'] });
    const body = 'GET /within HTTP/1.1\r\nHost: x\r\n\r\n';
    for (const method of ['GET', 'DELETE', 'POST']) {
      const socket = connect(cache.proxyPort, '127.0.0.1');
      const head = `${method} http://127.0.0.1:${port}/body HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`;
      const framing = `Connection: close, content-length\r\nContent-Length: ${body.length}\r\n\r\n`;
      assert.ok((await exchange(socket, head + framing + body)).endsWith(`${method} /body`), method);
      socket.destroy();
    }
    assert.deepEqual(
      seen,
      ['GET', 'DELETE', 'POST'].map((method) => `${method} /body ${body}`),
    );
  });

  test('what is no host and port is 400, and so is a Host that says something else', async (t) => {
    const { cache } = await openStage(t);
    const heads = [
      'CONNECT origin.test HTTP/1.1\r\nHost: origin.test\r\n\r\n',
      'CONNECT origin.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n',
      'CONNECT u:p@origin.test:443 HTTP/1.1\r\nHost: origin.test\r\n\r\n',
      'GET https://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n',
      'GET http://origin.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n',
    ];
    for (const head of heads) {
      const { status, socket } = await askProxy(cache.proxyPort, head);
      socket.destroy();
      assert.equal(status, 400, head);
    }
  });
});

test('what is asked of the proxy itself is answered as at any door', async (t) => {
  const { cache, ca } = await openStage(t);
  const url = `http://127.0.0.1:${cache.proxyPort}`;
  assert.equal((await rawFetch(`${url}/ca.crt`)).body.toString(), ca);
  assert.equal((await rawFetch(`${url}/healthz`)).status, 200);
  assert.equal((await rawFetch(`${url}/v2/team/app/manifests/latest`)).status, 404);
});

test('clients are sent away to a token server that is not upstream’s own only where they may be connected with it', async (t) => {
  const auth = { kind: 'bearer', realm: 'https://auth.origin.test/token' } as const;
  for (const [others, status] of [
    ['tunnel', 401],
    ['deny', 200],
  ] as const) {
    const { get } = await openStage(t, { others }, { auth });
    assert.ok((await get('origin.test', '/v2/')).startsWith(`HTTP/1.1 ${status} `), others);
  }
});

test('stopping ends tunnels and connections', async (t) => {
  const port = await openEcho(t);
  const { cache, ca } = await openStage(t, { ports: [port], allowAddresses: ['127.0.0.1'] });
  const tunnel = await askConnect(cache.proxyPort, `127.0.0.1:${port}`);
  const { socket } = await askConnect(cache.proxyPort, 'origin.test:443');
  const secure = await shakeHands(socket, { servername: 'origin.test', ca });
  const closed = [tunnel.socket, secure].map((open) => {
    open.on('error', () => {}).resume(); // a reset is one way to be closed, which `once` takes for a failure
    return new Promise<void>((resolve) => open.once('close', () => resolve()));
  });
  await cache.stop();
  await Promise.all(closed);
});
