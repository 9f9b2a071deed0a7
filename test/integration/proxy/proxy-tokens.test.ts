import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { anonymousToken } from '../../../src/oci/wire/token.ts';
import { Secret } from '../../../src/util/secret.ts';
import { systemClock } from '../../../src/util/time/clock.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { basicAuthorization } from '../../support/registry/token-server.ts';
import { type GuardStageOptions, publicRepository, readers, setGuardStage } from '../../support/stages/guard-stage.ts';
import { type ProxiedClient, proxiedClient } from '../../support/stages/proxied-client.ts';
import { askProxy } from '../../support/stages/proxy-client.ts';
import { repository } from '../../support/stages/stage.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const host = 'origin.test';
const own = 'GET /v2/ as nobody'; // our own identity asks how to log in, and the first client has it asked, too
const passwordOf = (user: keyof typeof readers) => basicAuthorization(user, readers[user].password);
const tokenFor = (name: string, user: string) => `GET /token?scope=repository:${name}:pull as ${user}`;
const form = { 'content-type': 'application/x-www-form-urlencoded' };

/** A cache with a proxy door in front of a registry with a token server, and a client that comes by that door. */
async function openStage(t: TestContext, { cache, ...options }: GuardStageOptions = {}) {
  // Its certificates are looked at by somebody whose clock is the system's.
  const set = await setGuardStage(t, {
    nowMs: Date.now(),
    ...options,
    cache: { proxy: {}, tagTtlMs: 3_600_000, ...cache },
  });
  let client = proxiedClient(set.stage, host);
  return {
    ...set,
    client: (): ProxiedClient => client,
    restart: async () => {
      await set.stage.restart();
      client = proxiedClient(set.stage, host);
    },
    /** As `docker pull`, of which every request is answered well. */
    async pullsWell(name: string, login?: string) {
      assert.deepEqual(await client.pull(name, set.image, login), Array(1 + set.image.blobs.length).fill(200));
    },
  };
}

describe('a client that learns from /v2/ how to log in, and does not', () => {
  test('pulls what is open and here at no cost to upstream and its token server', async (t) => {
    const { stage, image, asked, pullsWell, restart } = await openStage(t);
    await pullsWell(publicRepository);
    await stage.log.waitFor('blob stored', image.blobs.length);
    const blobs = image.blobs.map(({ digest }) => `GET /v2/${publicRepository}/blobs/${shorten(digest)} as Entrepot`);
    assert.deepEqual(asked(), [
      ...[own, own, tokenFor(publicRepository, 'nobody')],
      ...[`GET /v2/${publicRepository}/manifests/latest as Entrepot`, ...blobs],
    ]);
    await pullsWell(publicRepository);
    assert.deepEqual(asked(), []);
    await restart();
    await pullsWell(publicRepository);
    await pullsWell(publicRepository);
    assert.deepEqual(asked(), [own]);
  });

  test('does so where the door leads to registries alone, too', async (t) => {
    const { asked, pullsWell } = await openStage(t, { cache: { proxy: { others: 'deny' } } });
    await pullsWell(publicRepository);
    asked();
    await pullsWell(publicRepository);
    assert.deepEqual(asked(), []);
  });

  test('does so with the registry and its token server gone, before a restart and after', async (t) => {
    const { stage, image, pullsWell, restart, client } = await openStage(t, {
      cache: { clock: systemClock, circuit: { firstRestMs: 60_000 } },
    });
    await pullsWell(publicRepository);
    await stage.log.waitFor('blob stored', image.blobs.length);
    stage.origin.faults.closeWithoutAnswer('any', { times: Number.POSITIVE_INFINITY });
    await pullsWell(publicRepository);
    await restart();
    await pullsWell(publicRepository);
    assert.equal((await client().ask('/v2/')).status, 200); // nobody can say how to log in
    stage.origin.faults.clear();
  });

  test('is answered with upstream’s 401 for what is guarded, cached or not, and is sent to us for a token', async (t) => {
    const { client, image, pullsWell, asked } = await openStage(t);
    const refused = Array(1 + image.blobs.length).fill(401);
    assert.deepEqual(await client().pull(repository, image), refused);
    await pullsWell(repository, passwordOf('alice'));
    assert.deepEqual(await client().pull(repository, image), refused);
    assert.deepEqual(await client().pull(repository, image, passwordOf('bob')), refused);
    asked();
    const { status, headers } = await client().ask(`/v2/${repository}/manifests/latest`);
    assert.equal(status, 401);
    const scope = `service="test-registry",scope="repository:${repository}:pull"`;
    assert.equal(headers['www-authenticate'], `Bearer realm="https://${host}${await client().place()}",${scope}`);
  });

  test('has a token that is good for nothing, and goes nowhere', async (t) => {
    const { client, asked, pullsWell, stage } = await openStage(t);
    await pullsWell(repository, passwordOf('alice'));
    const answer = await client().ask(`${await client().place()}?service=test-registry`);
    const token = JSON.parse(answer.body.toString()) as Record<string, unknown>;
    assert.deepEqual(
      { ...token, issued_at: '' },
      {
        ...{ token: anonymousToken, access_token: anonymousToken, expires_in: 300, issued_at: '' },
      },
    );
    assert.equal(answer.headers['cache-control'], 'no-store');
    asked();
    const authorization = `Bearer ${anonymousToken}`;
    for (const path of ['manifests/latest', 'tags/list']) {
      for (const { status } of [
        await client().ask(`/v2/${repository}/${path}`, { headers: { authorization } }),
        await rawFetch(`${stage.url}/v2/${repository}/${path}`, { headers: { authorization } }),
      ]) {
        assert.equal(status, 401);
      }
    }
    // Not even when it is used to log in by.
    await client().ask(`${await client().place()}?scope=repository:${repository}:pull`, { headers: { authorization } });
    const lines = asked();
    assert.ok(lines.length > 0);
    for (const line of lines) assert.doesNotMatch(line, /a stranger/);
  });

  test('gets upstream’s own token for nobody where our own identity counts for nobody', async (t) => {
    const { pullsWell, asked } = await openStage(t, { upstream: { guard: 'always' } });
    await pullsWell(publicRepository);
    assert.deepEqual(asked().slice(0, 2), [own, tokenFor(publicRepository, 'nobody')]);
  });

  test('gets it where our own identity is refused, too, as upstream may let nobody in particular read', async (t) => {
    const { client, image, pullsWell, asked } = await openStage(t, {
      upstream: { username: 'me', password: new Secret('wrong') },
    });
    assert.equal((await client().pull(publicRepository, image))[0], 401); // nobody knew
    asked();
    await pullsWell(publicRepository);
    assert.deepEqual(asked().slice(0, 1), [tokenFor(publicRepository, 'nobody')]);
  });
});

describe('a login through the proxy door', () => {
  test('goes to the token server that upstream names, and what that gives is good as ever', async (t) => {
    const { stage, image, asked, pullsWell } = await openStage(t, { auth: { tokenHost: '127.0.0.1' } });
    await pullsWell(repository, passwordOf('alice'));
    await stage.log.waitFor('blob stored', image.blobs.length);
    const byPassword = (line: string) => line.endsWith('by password');
    assert.deepEqual(asked().filter(byPassword), [tokenFor(repository, 'alice by password')]);
    await pullsWell(repository, passwordOf('anna'));
    const lines = asked();
    assert.deepEqual(lines.filter(byPassword), [tokenFor(repository, 'anna by password')]);
    assert.deepEqual(
      lines.map((line) => line.split(' ')[0]),
      ['GET', 'HEAD'], // the token, and the proof
    );
  });

  test('is posted as a form by who has a refresh token, or likes it so', async (t) => {
    const { client } = await openStage(t, { auth: { identityToken: 'refresh-s3cret' } });
    const place = await client().place();
    const scope = `repository:${repository}:pull`;
    const post = (fields: Readonly<Record<string, string>>) =>
      client().ask(place, { method: 'POST', headers: form, body: String(new URLSearchParams({ scope, ...fields })) });
    const refresh = { grant_type: 'refresh_token', refresh_token: 'refresh-s3cret', client_id: 'docker' };
    const password = { grant_type: 'password', username: 'alice', password: readers.alice.password };
    for (const fields of [refresh, password]) {
      const { status, body } = await post(fields);
      assert.equal(status, 200);
      const { token } = JSON.parse(body.toString()) as { token: string };
      const headers = { authorization: `Bearer ${token}` };
      assert.equal((await client().ask(`/v2/${repository}/manifests/latest`, { headers })).status, 200);
    }
    for (const fields of [
      { ...refresh, refresh_token: 'wrong' },
      { ...password, password: 'wrong' },
    ]) {
      assert.equal((await post(fields)).status, 401);
    }
  });

  test('that upstream refuses is refused in its words', async (t) => {
    const { client, stage } = await openStage(t);
    const query = `?service=test-registry&scope=repository:${repository}:pull`;
    const headers = { authorization: basicAuthorization('alice', 'wrong') };
    const upstreams = await rawFetch(`${stage.origin.url}/token${query}`, { headers });
    const { status, body } = await client().ask(`${await client().place()}${query}`, { headers });
    assert.deepEqual([status, body], [401, upstreams.body]);
    stage.origin.faults.answer('token', { status: 429, headers: { 'retry-after': '7' } });
    const limited = await client().ask(`${await client().place()}${query}`, { headers });
    assert.deepEqual([limited.status, limited.headers['retry-after']], [429, '7']);
  });

  test('is possible after a restart where it was before', async (t) => {
    const { client, restart, asked } = await openStage(t);
    const place = await client().place();
    await restart();
    asked();
    const headers = { authorization: passwordOf('alice') };
    const { status } = await client().ask(`${place}?scope=repository:${repository}:pull`, { headers });
    assert.equal(status, 200);
    assert.deepEqual(asked(), [own, tokenFor(repository, 'alice by password')]);
  });

  test('is not led elsewhere by the token server', async (t) => {
    const other = await startTestRegistry();
    t.after(() => other.close());
    const { client, stage } = await openStage(t);
    const place = await client().place();
    stage.origin.faults.answer('token', { status: 307, headers: { location: `${other.url}/token` } });
    const { status } = await client().ask(place, { headers: { authorization: passwordOf('alice') } });
    assert.equal(status, 502);
    assert.equal(other.requests.all.length, 0);
  });

  test('goes to no token server that upstream may not name: clients are sent there themselves', async (t) => {
    const other = await startTestRegistry({ auth: { kind: 'bearer', readers } });
    t.after(() => other.close());
    const realm = 'https://auth.elsewhere.test/token';
    const { client } = await openStage(t, { auth: { realm } });
    const { status, headers } = await client().ask('/v2/');
    assert.deepEqual([status, headers['www-authenticate']], [401, `Bearer realm="${realm}",service="test-registry"`]);
    for (const id of ['0'.repeat(16), '', '../token', encodeURIComponent(`${other.url}/token`)]) {
      const headers = { authorization: passwordOf('alice') };
      assert.equal((await client().ask(`/entrepot/token/${id}`, { headers })).status, 404, id);
    }
    assert.equal(other.requests.all.length, 0);
  });

  test('lets who reads what is open do so while the token server is gone, and says so to who wants to keep it', async (t) => {
    const { client, stage, clock, pullsWell, asked } = await openStage(t);
    await pullsWell(publicRepository);
    const place = await client().place();
    const { faults } = stage.origin;
    const headers = { authorization: passwordOf('alice') };
    faults.closeWithoutAnswer('token', { times: Number.POSITIVE_INFINITY });
    const kept = await client().ask(`${place}?offline_token=true`, { headers });
    assert.deepEqual([kept.status, /Cannot log in at 127\.0\.0\.1/.test(kept.body.toString())], [502, true]);
    asked();
    await pullsWell(publicRepository, passwordOf('alice'));
    assert.deepEqual(asked(), []); // nobody waits for it again so soon
    clock.advance(10_000);
    faults.clear();
    faults.answer('token', { status: 503 });
    await pullsWell(publicRepository, passwordOf('alice'));
    await pullsWell(repository, passwordOf('alice'));
    assert.deepEqual(asked().slice(0, 2), [
      tokenFor(publicRepository, 'alice by password'),
      tokenFor(repository, 'alice by password'),
    ]);
  });

  test('stays between client and token server: no other registry, log, metric or file has any of it', async (t) => {
    const other = await startTestRegistry({ auth: { kind: 'bearer', readers } });
    t.after(() => other.close());
    const { client, stage, pullsWell } = await openStage(t, {
      auth: { tokenHost: '127.0.0.1', identityToken: 'refresh-s3cret' },
      others: [{ name: 'other.test', urls: [new URL(other.url)] }],
    });
    const place = await client().place();
    // The place is of one host: at another it is none.
    const elsewhere = proxiedClient(stage, 'other.test');
    const headers = { authorization: basicAuthorization('alice', 'pass-s3cret') };
    const query = '?scope=repository:lib/app:pull&password=query-s3cret';
    assert.equal((await client().ask(`${place}${query}`, { headers })).status, 401);
    assert.equal((await elsewhere.ask(`${place}${query}`, { headers })).status, 404);
    const body = 'grant_type=refresh_token&client_id=x&refresh_token=refresh-s3cret';
    assert.equal((await client().ask(place, { method: 'POST', headers: form, body })).status, 200);
    await pullsWell(repository, passwordOf('alice'));
    for (const { origin, headers } of stage.origin.requests.all) {
      if (origin !== 'token') assert.doesNotMatch(headers.authorization ?? '', /^Basic/);
    }
    const told = [
      inspect(stage.log.events, { depth: 9 }),
      (await rawFetch(`${stage.url}/metrics`)).body.toString(),
      ...readdirSync(stage.data, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1')),
      inspect(other.requests.all, { depth: 4 }),
    ];
    const secrets = ['pass-s3cret', 'query-s3cret', 'refresh-s3cret', readers.alice.password];
    for (const secret of [...secrets, ...secrets.map((one) => Buffer.from(`alice:${one}`).toString('base64'))]) {
      for (const text of told) assert.ok(!text.includes(secret), secret);
    }
  });
});

test('the token path takes what token requests are made of, and nothing else', async (t) => {
  const { client } = await openStage(t, { cache: { proxy: { others: 'deny' } } });
  const place = await client().place();
  for (const [status, options] of [
    [405, { method: 'HEAD' }],
    [405, { method: 'PUT', body: 'x' }],
    [400, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }],
    [413, { method: 'POST', headers: form, body: `a=${'b'.repeat(64 * 1024)}` }],
    [200, { method: 'POST', headers: form, body: `a=${'b'.repeat(64 * 1024 - 2)}` }],
  ] as const) {
    assert.equal((await client().ask(place, options)).status, status, options.method);
  }
  assert.equal((await client().ask('/entrepot/token')).status, 404);
  assert.equal((await client().ask('/token')).status, 404);
});

test('a registry that wants a password with each request is as it was', async (t) => {
  const { client, image } = await openStage(t, {
    registry: { auth: { kind: 'basic', username: 'alice', password: 'alice-pw' } },
  });
  const { status, headers } = await client().ask('/v2/');
  assert.deepEqual([status, headers['www-authenticate']], [401, 'Basic realm="test-registry"']);
  const authorization = basicAuthorization('alice', 'alice-pw');
  const answer = await client().ask(`/v2/${repository}/manifests/latest`, { headers: { authorization } });
  assert.deepEqual([answer.status, answer.body], [200, image.manifest.bytes]);
});

test('a registry of plain HTTP has its tokens on its own host, too', async (t) => {
  const { stage } = await openStage(t);
  const { authority } = stage.origin;
  const ask = async (path: string, more = '') => {
    const head = `GET http://${authority}${path} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n${more}\r\n`;
    const { status, head: answer, socket } = await askProxy(stage.proxyPort, head);
    return { status, answer, body: await text(socket.resume()) };
  };
  const { status, answer } = await ask('/v2/');
  const [, path] = new RegExp(`Bearer realm="http://${authority}(/entrepot/token/\\w+)",service=`).exec(answer) ?? [];
  assert.deepEqual([status, path !== undefined], [401, true], answer);
  assert.match((await ask(path!)).body, new RegExp(anonymousToken));
  const login = `Authorization: ${passwordOf('alice')}\r\n`;
  assert.match((await ask(`${path}?scope=repository:${repository}:pull`, login)).body, /"test-token-\d+"/);
});
