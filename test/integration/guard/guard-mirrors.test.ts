import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { Repository, Tag } from '../../../src/oci/reference.ts';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { basicAuthorization } from '../../support/registry/token-server.ts';
import { type GuardStage, setGuardStage } from '../../support/stages/guard-stage.ts';
import { askConnect } from '../../support/stages/proxy-client.ts';
import { repository } from '../../support/stages/stage.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { startTestRegistry, type TestRegistry } from '../../support/upstream/test-registry.ts';
import { makeClient } from '../../support/upstream/upstream-client.ts';

// A mirror that is asked before the registry itself, and is not who clients have logged in to.

const manifest = `${repository}/manifests/latest`;

/** A cache that asks a mirror first, which wants a login, too, and then the registry. */
async function setUp(t: TestContext): Promise<GuardStage & { readonly mirror: TestRegistry }> {
  const mirror = await startTestRegistry({ auth: { kind: 'basic', username: 'mirror', password: 'mirror-pw' } });
  t.after(() => mirror.close());
  const opened = await setGuardStage(t);
  const own = new URL(opened.stage.origin.url);
  const before = new URL(mirror.url);
  opened.settings.upstream = { urls: [before, own], ownUrls: [own] };
  await opened.stage.restart();
  return { ...opened, mirror };
}

test('what clients send for a registry never reaches a mirror that is asked before it', async (t) => {
  const { mirror, image, login, get } = await setUp(t);
  const alice = await login('alice');
  for (const authorization of [alice, 'Bearer forged', 'Basic YWxpY2U6cHc=']) {
    for (const path of [manifest, `${repository}/blobs/${image.blobs[1]!.digest}`, `${repository}/tags/list`]) {
      const { status } = await get(path, authorization);
      assert.equal(status, authorization === alice ? 200 : 401, path);
    }
  }
  const told = JSON.stringify(mirror.requests.all.map(({ headers }) => headers));
  for (const secret of [alice, 'forged', 'YWxpY2U6cHc=']) assert.ok(!told.includes(secret.replace('Bearer ', '')));
  assert.ok(mirror.requests.all.length > 0, 'the mirror was asked as our own identity');
});

test('it is the registry, and no mirror, that says where clients log in', async (t) => {
  const { stage, get } = await setUp(t);
  const { status, headers } = await get(manifest);
  assert.equal(status, 401);
  assert.ok(headers['www-authenticate']?.includes(`realm="${stage.origin.url}/token"`), headers['www-authenticate']);
});

test('no login is passed on to the token server of a mirror', async (t) => {
  const [mirror, own] = [
    await startTestRegistry({ auth: { kind: 'bearer' } }),
    await startTestRegistry({ auth: { kind: 'bearer' } }),
  ];
  t.after(() => Promise.all([mirror.close(), own.close()]));
  for (const { content } of [mirror, own]) content.push(repository, makeImage({ seed: 'app', layers: [1] }), 'latest');
  const urls = [mirror.url, own.url];
  const { registry } = makeClient(t, urls, { ownUrls: [new URL(own.url)] });
  const signal = new AbortController().signal;
  await registry.getManifest(repository as Repository, 'latest' as Tag, signal); // by the mirror, which has named its realm
  await registry.challenge(signal); // of the registry, which has named its own
  for (const [{ url }, isPassedOn] of [
    [mirror, false],
    [own, true],
  ] as const) {
    const realm = `${url}/token`;
    assert.equal(registry.renameRealm(`Bearer realm="${realm}"`, 'http://here/') !== undefined, isPassedOn, realm);
    const id = createHash('sha256').update(realm).digest('hex').slice(0, 16);
    const request = { authorization: basicAuthorization('alice', 'pw'), query: new URLSearchParams(), form: undefined };
    const passedOn = registry.passOnLogin(id, request, signal);
    if (isPassedOn) await passedOn;
    else await assert.rejects(passedOn, { code: 'NOT_FOUND' });
  }
  const told = (server: TestRegistry) => JSON.stringify(server.requests.all.map(({ headers }) => headers));
  const login = basicAuthorization('alice', 'pw');
  assert.deepEqual([told(mirror).includes(login), told(own).includes(login)], [false, true]);
});

test('where only a mirror is known, nobody logs in, and the answer says what would change that', async (t) => {
  const { stage, settings, login, get, asked } = await setGuardStage(t);
  const alice = await login('alice');
  settings.upstream = { ownUrls: [] };
  await stage.restart();
  const { status, body } = await get(manifest, alice);
  assert.equal(status, 403);
  assert.match(
    body.toString(),
    /none of its URLs is known to be the registry's own; .* add its host to the upstream's names/,
  );
  assert.ok(asked().every((line) => !line.endsWith(' as alice')));
  assert.equal((await get(manifest)).status, 403);
});

test('connections to a mirror are not taken for the registry by the proxy door', async (t) => {
  const own = new URL('https://registry.test');
  const cache = await startTestCache({
    data: tmpDir(t),
    upstreams: [{ name: 'registry.test', urls: [new URL('https://mirror.test'), own], ownUrls: [own] }],
    proxy: { others: 'deny' },
  });
  t.after(() => cache.stop());
  for (const [host, status] of [
    ['registry.test', 200],
    ['mirror.test', 403],
  ] as const) {
    const answer = await askConnect(cache.proxyPort, `${host}:443`);
    answer.socket.destroy();
    assert.equal(answer.status, status, host);
  }
});
