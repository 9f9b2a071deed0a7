import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { readAll } from '../../support/http/read.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { certificates } from '../../support/tls/certs.ts';
import { startTestRegistry, type TestRegistryOptions } from '../../support/upstream/test-registry.ts';
import { patient, repository, startUpstream, type TestClientOptions } from '../../support/upstream/upstream-client.ts';

const bearer = { kind: 'bearer' } as const;

/** A test upstream, and the blob that the tests fetch. */
async function setUp(t: TestContext, serverOptions: TestRegistryOptions = {}, clientOptions: TestClientOptions = {}) {
  const upstream = await startUpstream(t, serverOptions, clientOptions);
  const { digest, bytes } = upstream.image.blobs[1]!;
  return {
    ...upstream,
    digest,
    bytes,
    fetch: async () => readAll(await upstream.registry.getBlob(repository, digest, undefined, patient)),
    blob: `GET /v2/${repository}/blobs/${shorten(digest)}`,
    cdn: `GET /cdn/${shorten(digest)}`,
  };
}

test('a blob is fetched from the CDN that the registry redirects to, which gets no authorization', async (t) => {
  const user = { username: 'robot', password: 'hunter2' };
  const quirks = { redirectBlobs: { to: 'absolute' } } as const;
  for (const auth of [{ ...bearer, ...user }, { kind: 'basic', ...user } as const]) {
    const { server, fetch, bytes, blob, cdn } = await setUp(t, { auth, quirks }, { credentials: user });
    assert.ok((await fetch()).equals(bytes));
    assert.deepEqual(server.requests.lines(/blobs|cdn/), [blob, cdn]);
    const [asked, redirected] = server.requests.matching(/blobs|cdn/);
    assert.ok(asked!.rawHeaders.includes('authorization'));
    assert.equal(redirected!.origin, 'cdn');
    assert.ok(!redirected!.rawHeaders.some((text) => /authorization|cookie|hunter2|test-token/i.test(text)));
    assert.ok(!redirected!.url.includes('test-token'));
  }
});

for (const status of [301, 302, 303, 307, 308] as const) {
  test(`a ${status} is followed, with the same method and the same range`, async (t) => {
    const quirks = { redirectBlobs: { to: 'absolute', status } } as const;
    const { server, registry, digest, bytes, cdn } = await setUp(t, { quirks });
    const part = await readAll(await registry.getBlob(repository, digest, { start: 100, end: 199 }, patient));
    assert.ok(part.equals(bytes.subarray(100, 200)));
    assert.deepEqual(server.requests.lines(/cdn/), [`${cdn} bytes=100-199`]);
    server.requests.clear();
    assert.deepEqual(await registry.statBlob(repository, digest, patient), { sizeBytes: bytes.length });
    assert.deepEqual(server.requests.lines(/cdn/), [cdn.replace('GET', 'HEAD')]);
  });
}

test('a relative redirect is followed on the registry itself, without authorization as its link is signed', async (t) => {
  const quirks = { redirectBlobs: { to: 'relative' } } as const;
  const { server, fetch, bytes, blob, cdn } = await setUp(t, { auth: bearer, quirks });
  assert.ok((await fetch()).equals(bytes));
  const token = `GET /token?scope=repository:${repository}:pull`;
  assert.deepEqual(server.requests.lines(), ['GET /v2/', token, blob, cdn]);
  const redirected = server.requests.all[3]!;
  assert.deepEqual([redirected.origin, redirected.headers.authorization], ['registry', undefined]);
});

test('a redirect within the registry that asks for a token gets the one that is there', async (t) => {
  const { server, fetch, bytes, digest } = await setUp(t, { auth: bearer });
  server.faults.answer('blob', { status: 307, headers: { location: `../blobs/${digest}` } });
  assert.ok((await fetch()).equals(bytes));
  const seen = server.requests.matching(/blobs/).map(({ status, headers }) => [status, headers.authorization]);
  assert.deepEqual(seen, [
    [307, 'Bearer test-token-1'],
    [401, undefined],
    [200, 'Bearer test-token-1'],
  ]);
  assert.equal(server.tokensIssued, 1);
});

test('a redirect is not remembered: every request asks the registry again', async (t) => {
  const quirks = { redirectBlobs: { to: 'absolute', maxUses: 1, status: 301 } } as const;
  const { server, fetch, blob, cdn } = await setUp(t, { quirks });
  await fetch();
  await fetch();
  assert.deepEqual(server.requests.lines(/blobs|cdn/), [blob, cdn, blob, cdn]);
});

test('a link of the CDN that has expired is the CDN’s refusal', async (t) => {
  const quirks = { redirectBlobs: { to: 'absolute', lifetimeMs: 0 } } as const;
  const { fetch } = await setUp(t, { quirks });
  await assert.rejects(fetch(), { code: 'DENIED', message: /answered 403/ });
});

test('redirects that lead in circles end after ten', async (t) => {
  const { server, fetch, blob, digest } = await setUp(t);
  const headers = { location: `/v2/${repository}/blobs/${digest}` };
  server.faults.answer('blob', { status: 307, headers }, { times: Infinity });
  await assert.rejects(fetch(), { code: 'UNAVAILABLE', message: /more than 10 redirects/ });
  assert.deepEqual(server.requests.lines(/blobs/), Array(11).fill(blob));
});

test('ten redirects in a row are followed', async (t) => {
  const { server, fetch, bytes, digest } = await setUp(t);
  const headers = { location: `/v2/${repository}/blobs/${digest}` };
  server.faults.answer('blob', { status: 302, headers }, { times: 10 });
  assert.ok((await fetch()).equals(bytes));
});

test('a redirect from HTTPS to HTTP is refused; nothing is sent there', async (t) => {
  const { ca, server: cert } = certificates();
  const plain = await startTestRegistry();
  t.after(() => plain.close());
  const { server, fetch } = await setUp(t, { tls: cert }, { identity: { ca: ca.cert, insecure: false } });
  server.faults.answer('blob', { status: 307, headers: { location: `${plain.url}/cdn/x` } });
  await assert.rejects(fetch(), { code: 'UNAVAILABLE', message: /HTTPS to HTTP/ });
  assert.deepEqual(plain.requests.lines(), []);
});

for (const location of ['file:///etc/passwd', 'ftp://127.0.0.1/x', 'http://', 'data:,x', 'http://127.0.0.1:99999/']) {
  test(`a redirect to ${location} is refused`, async (t) => {
    const { server, fetch } = await setUp(t);
    server.faults.answer('blob', { status: 307, headers: { location } });
    await assert.rejects(fetch(), { code: 'UNAVAILABLE', message: /redirect/ });
  });
}

test('a redirect without a target is no answer', async (t) => {
  const { server, fetch } = await setUp(t);
  server.faults.answer('blob', { status: 307 });
  await assert.rejects(fetch(), { code: 'UNAVAILABLE', message: /answered 307/ });
});

test('a password in the target of a redirect is not sent', async (t) => {
  const { server, fetch, bytes, digest } = await setUp(t);
  const location = `${server.url.replace('//', '//thief:secret@')}/v2/${repository}/blobs/${digest}#part`;
  server.faults.answer('blob', { status: 307, headers: { location } });
  assert.ok((await fetch()).equals(bytes));
  const last = server.requests.all.at(-1)!;
  assert.equal(last.headers.authorization, undefined);
  assert.equal(last.headers.host, server.authority);
  assert.ok(!last.url.includes('#'));
});

test('a CDN that asks for a token of its own domain gets an anonymous one, and never our password', async (t) => {
  const user = { username: 'robot', password: 'hunter2' };
  // A registry in the place of a CDN, with a token server of its own.
  const stranger = await startTestRegistry({ auth: bearer });
  t.after(() => stranger.close());
  const { server, fetch, bytes, digest } = await setUp(t, { auth: { ...bearer, ...user } }, { credentials: user });
  stranger.content.putBlob(repository, bytes);
  const location = `${stranger.url}/v2/${repository}/blobs/${digest}`;
  server.faults.answer('blob', { status: 307, headers: { location } }, { times: Infinity });
  assert.ok((await fetch()).equals(bytes));
  const sent = stranger.requests.all.map(({ line, headers }) => [line.split('?')[0], headers.authorization]);
  const blob = `GET /v2/${repository}/blobs/${shorten(digest)}`;
  assert.deepEqual(sent, [
    [blob, undefined],
    ['GET /token', undefined],
    [blob, 'Bearer test-token-1'],
  ]);
});

test('a CDN that asks for a password gets none', async (t) => {
  const user = { username: 'robot', password: 'hunter2' };
  const stranger = await startTestRegistry({ auth: { kind: 'basic', ...user } });
  t.after(() => stranger.close());
  const { server, fetch, digest } = await setUp(t, { auth: { kind: 'basic', ...user } }, { credentials: user });
  const location = `${stranger.url}/v2/${repository}/blobs/${digest}`;
  server.faults.answer('blob', { status: 307, headers: { location } });
  await assert.rejects(fetch(), { code: 'DENIED' });
  assert.equal(stranger.requests.all.length, 1);
  assert.equal(stranger.requests.all[0]!.headers.authorization, undefined);
});
