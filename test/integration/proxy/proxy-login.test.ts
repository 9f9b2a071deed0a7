import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { basic, writePasswords } from '../../support/stages/access-stage.ts';
import { askConnect, askProxy, exchange, shakeHands } from '../../support/stages/proxy-client.ts';
import { startTestCache, type TestCacheOptions } from '../../support/stages/test-cache.ts';
import { ManualClock } from '../../support/time/clock.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const image = makeImage({ seed: 'login', layers: [10] });
const path = '/v2/team/app/manifests/latest';
const passwords = { alice: 'correct horse', bob: 'battery staple' } as const;

function loginOf(name: string, password: string): Record<string, string> {
  return { 'proxy-authorization': basic(name, password).authorization };
}

const ofAlice = loginOf('alice', passwords.alice);

/** A proxy door through which alice may pull and bob may not, and a target that is no registry. */
async function openStage(t: TestContext, more: Partial<TestCacheOptions> = {}) {
  const origin = await startTestRegistry();
  t.after(() => origin.close());
  origin.content.push('team/app', image, 'latest');
  let heard = '';
  const target = createServer((socket) => {
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1');
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi');
    });
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  t.after(() => void target.close());
  const { port } = target.address() as AddressInfo;
  const rules = [
    { users: ['alice'], doors: ['proxy'], repositories: [/^/], allow: ['pull'] },
    { users: ['bob'], doors: ['registry'], repositories: [/^/], allow: ['pull'] },
  ] as const;
  const file = writePasswords(t, passwords);
  const cache = await startTestCache({
    data: tmpDir(t),
    upstreams: [{ name: 'origin.test', urls: [new URL(origin.url)] }],
    auth: file.auth(rules),
    proxy: { ports: [port], allowAddresses: ['127.0.0.1'] },
    ...more,
  });
  t.after(() => cache.stop());
  return { origin, cache, file, targetPort: port, heard: () => heard };
}

test('nobody is connected with anything before a login: 407, and how to log in', async (t) => {
  const { cache, origin, targetPort, heard } = await openStage(t);
  for (const headers of [{}, loginOf('alice', 'wrong'), loginOf('nobody', 'x'), { authorization: 'Basic eA==' }]) {
    for (const authority of ['origin.test:443', `127.0.0.1:${targetPort}`]) {
      const { status, head, socket } = await askConnect(cache.proxyPort, authority, headers);
      socket.destroy();
      assert.equal(status, 407);
      assert.match(head, /\r\nproxy-authenticate: Basic realm=/i);
      assert.doesNotMatch(head, /\r\nwww-authenticate/i);
    }
  }
  for (const url of [`${origin.url}${path}`, `http://127.0.0.1:${targetPort}/`]) {
    const { status, head, socket } = await askProxy(
      cache.proxyPort,
      `GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`,
    );
    socket.destroy();
    assert.equal(status, 407, url);
    assert.match(head, /\r\nproxy-authenticate: Basic realm=/i);
  }
  assert.equal(heard(), '');
  assert.equal(origin.requests.all.length, 0);
});

test('what somebody may pull by the proxy door is what the rules say of that door', async (t) => {
  const { cache } = await openStage(t);
  const login = basic('bob', passwords.bob).authorization; // who may read at the registry door, where the authority is, too
  const ca = (await rawFetch(`${cache.url}/ca.crt`, { headers: { authorization: login } })).body.toString();
  for (const [name, status] of [
    ['alice', 200],
    ['bob', 403],
  ] as const) {
    const { socket } = await askConnect(cache.proxyPort, 'origin.test:443', loginOf(name, passwords[name]));
    const secure = await shakeHands(socket, { servername: 'origin.test', ca });
    const answer = await exchange(secure, `GET ${path} HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n`);
    assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), `${name}: ${answer}`);
  }
});

/** Sends a request on a connection that stays, and gives the head of the answer. */
function ask(secure: TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const read = (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      secure.off('data', read).off('error', reject);
      resolve(text);
    };
    secure.on('data', read).once('error', reject);
    secure.write(`HEAD ${path} HTTP/1.1\r\nHost: origin.test\r\n\r\n`);
  });
}

test('a connection is of use no more when the login that it was made by is changed or removed', async (t) => {
  for (const after of [{ ...passwords, alice: 'another' }, { bob: passwords.bob }, { ...passwords, carol: 'new' }]) {
    const clock = new ManualClock(Date.now());
    const { cache, file } = await openStage(t, { clock });
    const login = basic('bob', passwords.bob).authorization;
    const ca = (await rawFetch(`${cache.url}/ca.crt`, { headers: { authorization: login } })).body.toString();
    const { socket } = await askConnect(cache.proxyPort, 'origin.test:443', ofAlice);
    const secure = await shakeHands(socket, { servername: 'origin.test', ca });
    for (const _round of [1, 2]) assert.match(await ask(secure), /^HTTP\/1\.1 200 /);
    file.write(after);
    clock.advance(2_000); // when the file is looked at again
    const closed = once(secure, 'close');
    const answer = await ask(secure);
    // The same passwords are other lines: each has a salt of its own.
    assert.match(answer, /^HTTP\/1\.1 403 [\s\S]*\r\nconnection: close\r\n/i);
    secure.resume();
    await closed;
    const again = await askConnect(cache.proxyPort, 'origin.test:443', ofAlice);
    again.socket.destroy();
    assert.equal(again.status, 'carol' in after ? 200 : 407);
  }
});

test('tokens of a registry are given to nobody whose login at the proxy counts no more', async (t) => {
  const clock = new ManualClock(Date.now());
  const { cache, file, origin } = await openStage(t, { clock });
  const url = `${origin.url}/entrepot/token/${'0'.repeat(16)}`;
  const head = `GET ${url} HTTP/1.1\r\nHost: ${origin.authority}\r\n`;
  const login = `Proxy-Authorization: ${ofAlice['proxy-authorization']}\r\n`;
  const statusOf = async (fields: string) => {
    const { status, socket } = await askProxy(cache.proxyPort, `${head}${fields}\r\n`);
    socket.destroy();
    return status;
  };
  assert.deepEqual([await statusOf(''), await statusOf(login)], [407, 200]);
  const registryLogin = basic('bob', passwords.bob).authorization;
  const ca = (await rawFetch(`${cache.url}/ca.crt`, { headers: { authorization: registryLogin } })).body.toString();
  const { socket } = await askConnect(cache.proxyPort, 'origin.test:443', ofAlice);
  const secure = await shakeHands(socket, { servername: 'origin.test', ca });
  file.write({ bob: passwords.bob });
  clock.advance(2_000); // when the file is looked at again
  const path = new URL(url).pathname;
  const answer = await exchange(secure, `GET ${path} HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 403 /);
});

test('a login at the proxy goes to nobody else, and into no log', async (t) => {
  const { cache, origin, targetPort, heard } = await openStage(t);
  const tunnel = await askConnect(cache.proxyPort, `127.0.0.1:${targetPort}`, ofAlice);
  assert.match(await exchange(tunnel.socket, 'GET /by-tunnel HTTP/1.1\r\n\r\n'), /hi$/);
  const field = `Proxy-Authorization: ${ofAlice['proxy-authorization']}\r\n`;
  for (const url of [`http://127.0.0.1:${targetPort}/by-url`, `${origin.url}${path}`]) {
    const head = `GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\n${field}\r\n`;
    const { status, socket } = await askProxy(cache.proxyPort, head);
    socket.destroy();
    assert.equal(status, 200, url);
  }
  const wrong = loginOf('alice', 'a secret of another place');
  (await askConnect(cache.proxyPort, 'origin.test:443', wrong)).socket.destroy();
  assert.match(heard(), /by-tunnel[\s\S]*by-url/);
  assert.doesNotMatch(heard(), /authorization/i);
  const asked = origin.requests.all.map(({ headers }) => headers);
  assert.ok(asked.length > 0);
  const told = JSON.stringify([asked, cache.events]);
  const secrets = [passwords.alice, 'a secret of another place', ...[ofAlice, wrong].flatMap(Object.values)];
  for (const secret of secrets) assert.ok(!told.includes(String(secret).replace('Basic ', '')), String(secret));
});

test('guessing passwords at the proxy is slowed', async (t) => {
  const clock = new ManualClock();
  const { cache } = await openStage(t, { clock });
  await clock.nextSleep((delayMs) => delayMs === 2_000); // of looking for a new authority
  let isSlowed = false;
  const slowed = clock
    .nextSleep((delayMs) => delayMs > 0 && delayMs <= 20_000)
    .then(() => {
      isSlowed = true;
    });
  for (let tries = 0; tries < 20 && !isSlowed; tries++) {
    const asked = askConnect(cache.proxyPort, 'origin.test:443', loginOf('alice', `guess ${tries}`)).then(
      ({ status, socket }) => {
        socket.destroy();
        assert.equal(status, 407);
      },
    );
    await Promise.race([slowed, asked]);
    asked.catch(() => {}); // one that waits is cut off at the end
  }
  assert.ok(isSlowed);
});
