import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openPasswordAccess } from '../../../src/access/password-access.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { systemClock } from '../../../src/util/time/clock.ts';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { EventLog } from '../../support/event-log.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { MemoryRegistry } from '../../support/memory/memory-registry.ts';
import { basic, writePasswords } from '../../support/stages/access-stage.ts';
import { openPushDoor, type PushDoor, sendRaw, ways } from '../../support/stages/push-door.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { openTestDoor } from '../../support/stages/test-door.ts';
import { certificates } from '../../support/tls/certs.ts';
import { writeTlsFiles } from '../../support/tls/tls-files.ts';

// What a web page makes the browser of somebody send to a door on his machine, where nobody has to log in.

const image = makeImage({ seed: 'image', layers: [10] });
const blob = Buffer.from('what a page would push');
const digest = digestOf(blob);

/** What changes something, by the method and the path below the repository. */
const changes = [
  ['POST', 'blobs/uploads/', 'push'],
  ['POST', `blobs/uploads/?digest=${digest}`, 'push'],
  ['PUT', 'manifests/new', 'push'],
  ['DELETE', 'manifests/latest', 'delete'],
  ['DELETE', `blobs/${image.blobs[0]!.digest}`, 'delete'],
] as const;

async function open(t: TestContext, way = ways['the hosted door']!, options: Parameters<typeof openPushDoor>[2] = {}) {
  const opened = await openPushDoor(t, way, options);
  opened.registry.content.push('team/app', image, 'latest');
  return opened;
}

/** A door where alice has a password, and everybody may push all the same. */
async function openWithPasswords(t: TestContext): Promise<PushDoor> {
  const rules = [
    { users: ['anonymous'], doors: ['hosted'], repositories: [/^/], allow: ['pull', 'push', 'delete'] },
  ] as const;
  const auth = writePasswords(t, { alice: 'secret' }).auth(rules);
  const access = await openPasswordAccess({ ...auth, clock: systemClock, log: new EventLog(), counted: () => {} });
  t.after(() => access.close());
  return open(t, undefined, { access: { access, door: 'hosted' } });
}

/** Sends each change, and gives the statuses that came. */
async function statusesOf({ send, path }: PushDoor, headers: Readonly<Record<string, string>>): Promise<number[]> {
  const found = new Set<number>();
  for (const [method, rest] of changes) {
    const body = rest.startsWith('manifests') ? image.manifest.bytes : blob;
    const sent = { 'content-type': image.manifest.mediaType, ...headers };
    found.add((await send(method, path(`team/app/${rest}`), { headers: sent, body })).status);
  }
  return [...found];
}

const pages = {
  'an origin': { origin: 'https://evil.example' },
  'no origin that it would tell': { origin: 'null' },
  "the door's own origin, as nobody's page is served there": { origin: 'http://localhost:5001' },
  'another site, as the browser says': { 'sec-fetch-site': 'cross-site' },
  'a name that it made lead here': { host: 'evil.example:5001' },
};

for (const [name, way] of Object.entries(ways)) {
  test(`by ${name}, no web page changes anything, and the answer says why`, async (t) => {
    const opened = await open(t, way);
    const before = opened.registry.content.tags('team/app');
    for (const [what, headers] of Object.entries(pages)) {
      if (way.query === '' && name === 'the Host' && 'host' in headers) continue; // it is another way then
      assert.deepEqual(await statusesOf(opened, headers), [403], what);
    }
    assert.deepEqual(opened.registry.content.tags('team/app'), before);
    assert.equal(opened.registry.uploadCount, 0);
    assert.deepEqual(new Set(await statusesOf(opened, {})).has(403), false);
  });
}

test('the error names the page or the host, and what to do', async (t) => {
  const { send, path } = await open(t);
  const put = path('team/app/manifests/new');
  const byPage = await send('PUT', put, { headers: { origin: 'https://evil.example' }, body: '{}' });
  const why =
    'Cannot push for a web page of \\"https://evil.example\\": log in (auth.htpasswd), or use a client that is';
  assert.ok(byPage.body.includes(why), byPage.body);
  const byName = await send('DELETE', path('team/app/manifests/latest'), { headers: { host: 'evil.example:5001' } });
  assert.match(
    byName.body,
    /Cannot delete by the name \\"evil\.example:5001\\".*localhost or an address.*hosted\.names/,
  );
});

test('a page that is looked at by who has logged in changes nothing from another site, and may from the own one', async (t) => {
  const opened = await openWithPasswords(t);
  const alice = basic('alice', 'secret');
  assert.deepEqual(await statusesOf(opened, { ...alice, origin: 'https://evil.example' }), [403]);
  assert.deepEqual(await statusesOf(opened, { ...alice, 'sec-fetch-site': 'same-site' }), [403]);
  for (const own of [
    { origin: 'http://localhost:5001' },
    { origin: 'http://localhost:5001', 'sec-fetch-site': 'same-origin' },
    { host: 'any.example' },
  ]) {
    assert.ok(!(await statusesOf(opened, { ...alice, ...own })).includes(403), JSON.stringify(own));
  }
});

test('names that are configured are as good as localhost', async (t) => {
  const opened = await open(t, undefined, { names: ['images.example.com:5001'], domain: 'cache.corp' });
  for (const host of ['images.example.com', 'cache.corp:5001', 'hosted.entrepot.cache.corp']) {
    assert.ok(!(await statusesOf(opened, { host })).includes(403), host);
  }
});

test('a look at a blob by a page mounts nothing', async (t) => {
  for (const [headers, status] of [
    [{}, 200],
    [{ 'sec-fetch-site': 'cross-site' }, 404],
    [{ host: 'evil.example' }, 404],
  ] as const) {
    const { send, path, registry } = await open(t, ways['the alias in the name']);
    registry.cached.putBlob('other', blob);
    assert.equal((await send('HEAD', path(`team/app/blobs/${digest}`), { headers })).status, status);
  }
});

test('a page that made its name lead here reads nothing, and who is no browser reads by every name', async (t) => {
  const { send, path } = await open(t);
  const browser = { 'accept-language': 'en' };
  const asked = [
    'team/app/manifests/latest',
    `team/app/blobs/${image.blobs[0]!.digest}`,
    'team/app/tags/list',
    '_catalog',
  ];
  for (const rest of asked) {
    const statusFor = async (headers: Record<string, string>) => (await send('GET', path(rest), { headers })).status;
    assert.equal(await statusFor({ ...browser, host: 'evil.example:5001' }), 403, rest);
    assert.equal(await statusFor({ ...browser, host: 'localhost:5001' }), 200, rest);
    assert.equal(await statusFor({ host: 'cache.lan' }), 200, rest);
  }
});

test('a program that asks by `fetch`, as Node.js has it, reads by every name, and no page can ask as it does', async (t) => {
  const { send, path } = await open(t);
  const statusFor = async (headers: Record<string, string>) =>
    (await send('GET', path('team/app/tags/list'), { headers: { host: 'cache.lan', ...headers } })).status;
  const ofNode = { accept: '*/*', 'accept-language': '*', 'sec-fetch-mode': 'cors', 'user-agent': 'node' };
  assert.equal(await statusFor(ofNode), 200);
  // What a page can set of that; and what browsers add to the rest.
  assert.equal(await statusFor({ accept: '*/*', 'accept-language': '*', 'user-agent': 'node' }), 403);
  assert.equal(await statusFor({ ...ofNode, 'sec-fetch-site': 'same-origin' }), 403);
  assert.equal(await statusFor({ ...ofNode, 'sec-fetch-site': 'none' }), 403);
});

test('who has logged in reads by every name', async (t) => {
  const { send, path } = await openWithPasswords(t);
  const headers = { ...basic('alice', 'secret'), 'accept-language': 'en', host: 'cache.lan' };
  assert.equal((await send('GET', path('team/app/tags/list'), { headers })).status, 200);
});

test('at a door of TLS every name will do, as the browser has looked at the certificate', async (t) => {
  const registry = new MemoryRegistry();
  registry.content.push('team/app', image, 'latest');
  const { ca, server } = certificates(['cache.lan']);
  const { paths } = writeTlsFiles(tmpDir(t), server);
  const { url } = await openTestDoor(t, { registries: [{ registry }], tls: paths });
  const headers = { 'accept-language': 'en', host: 'cache.lan' };
  assert.equal((await rawFetch(`${url}/v2/team/app/tags/list`, { headers, ca: ca.cert })).status, 200);
});

test('a manifest that a browser would take for a page is nothing that runs', async (t) => {
  const { send, path, registry } = await open(t);
  const bytes = Buffer.from('{"annotations":{"a":"<script>fetch(0)</script>"}}');
  for (const [mediaType, policy] of [
    ['text/html', "sandbox; default-src 'none'"],
    ['image/svg+xml', "sandbox; default-src 'none'"],
    [image.manifest.mediaType, undefined],
  ] as const) {
    registry.content.putManifest('team/app', bytes, mediaType, 'page');
    for (const method of ['GET', 'HEAD']) {
      const { status, headers } = await send(method, path('team/app/manifests/page'));
      assert.deepEqual([status, headers['content-type']], [200, mediaType]);
      assert.equal(headers['content-security-policy'], policy, mediaType);
    }
  }
});

test('no page of another site may read any answer', async (t) => {
  const { send, path, door } = await open(t);
  const headers = { origin: 'https://evil.example', 'access-control-request-method': 'PUT' };
  for (const [method, asked] of [
    ['GET', path('team/app/tags/list')],
    ['GET', path('')],
    ['OPTIONS', path('team/app/manifests/latest')],
    ['GET', '/metrics'],
    ['GET', '/status'],
  ] as const) {
    const answer = await send(method, asked, { headers });
    const told = Object.keys(answer.headers).filter((name) => name.startsWith('access-control'));
    assert.deepEqual(told, [], asked);
    const { headers: all } = await rawFetch(`${door.url}${asked}`, { method });
    assert.equal(all['x-content-type-options'], 'nosniff', asked);
  }
});

test('a page that made its name lead here learns nothing of upstreams, by any door', async (t) => {
  const cache = await startTestCache({ data: tmpDir(t), upstreams: [], proxy: {} });
  t.after(() => cache.stop());
  for (const port of [cache.port, cache.hostedPort, cache.proxyPort]) {
    for (const path of ['/status', '/metrics', '/', '/healthz', '/ca.crt']) {
      const get = async (headers: Record<string, string>) => (await sendRaw(port, 'GET', path, headers)).status;
      const isTold = path === '/status' || path === '/metrics';
      assert.equal(await get({ host: 'evil.example:5001', 'accept-language': 'en' }), isTold ? 403 : 200, path);
      assert.equal(await get({ host: 'localhost:5001', 'accept-language': 'en' }), 200, path);
      assert.equal(await get({ host: 'cache.lan' }), 200, path);
    }
  }
});
