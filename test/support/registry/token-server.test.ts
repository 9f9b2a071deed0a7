import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makeImage } from '../content/images.ts';
import { rawFetch } from '../http/raw-http.ts';
import { ManualClock } from '../time/clock.ts';
import { startTestRegistry, type TestRegistryOptions } from '../upstream/test-registry.ts';
import { basicAuthorization } from './token-server.ts';

const manifestPath = '/v2/library/app/manifests/latest';

async function setUp(t: TestContext, options: TestRegistryOptions) {
  const registry = await startTestRegistry(options);
  t.after(() => registry.close());
  registry.content.push('library/app', makeImage({ seed: 'image', layers: [10] }), 'latest');
  const fetchToken = async (repository: string, authorization?: string) => {
    const url = `${registry.url}/token?service=test-registry&scope=repository:${repository}:pull`;
    const answer = await rawFetch(url, authorization === undefined ? {} : { headers: { authorization } });
    return { status: answer.status, ...(JSON.parse(answer.body.toString()) as Record<string, unknown>) };
  };
  const statusWith = async (authorization: unknown, path = manifestPath) =>
    (await rawFetch(registry.url + path, { headers: { authorization: String(authorization) } })).status;
  const challengeAt = async (path: string) => (await rawFetch(registry.url + path)).headers['www-authenticate'];
  return { registry, fetchToken, statusWith, challengeAt };
}

test('a token opens the repository that it was asked for, until it expires', async (t) => {
  const clock = new ManualClock();
  const { registry, fetchToken, statusWith, challengeAt } = await setUp(t, { auth: { kind: 'bearer' }, clock });
  const realm = `realm="${registry.url}/token",service="test-registry"`;
  assert.equal(await challengeAt('/v2/'), `Bearer ${realm}`);
  assert.equal(await challengeAt(manifestPath), `Bearer ${realm},scope="repository:library/app:pull"`);
  const { token, access_token, expires_in } = (await fetchToken('library/app')) as Record<string, unknown>;
  assert.deepEqual([token, expires_in], [access_token, 300]);
  assert.equal(await statusWith(`Bearer ${token}`), 200);
  assert.equal(await statusWith(`Bearer ${token}`, '/v2/'), 200);
  assert.equal(await statusWith(`Bearer ${token}`, '/v2/library/other/manifests/latest'), 401);
  clock.advance(300_000);
  assert.equal(await statusWith(`Bearer ${token}`), 401);
  assert.equal(registry.tokensIssued, 1);
});

test('expireTokens() makes every token invalid at once', async (t) => {
  const { registry, fetchToken, statusWith } = await setUp(t, { auth: { kind: 'bearer' } });
  const { token } = (await fetchToken('library/app')) as Record<string, unknown>;
  assert.equal(await statusWith(`Bearer ${token}`), 200);
  registry.expireTokens();
  assert.equal(await statusWith(`Bearer ${token}`), 401);
});

test('a guarded repository is for the user only, and a wrong password is refused', async (t) => {
  const guarded = new Set(['library/app']);
  const auth = { kind: 'bearer', username: 'u', password: 'p', guarded } as const;
  const { fetchToken, statusWith } = await setUp(t, { auth });
  const anonymous = (await fetchToken('library/app')) as Record<string, unknown>;
  assert.equal(anonymous['status'], 200);
  assert.equal(await statusWith(`Bearer ${anonymous['token']}`), 401);
  assert.equal((await fetchToken('library/app', basicAuthorization('u', 'wrong'))).status, 401);
  const user = (await fetchToken('library/app', basicAuthorization('u', 'p'))) as Record<string, unknown>;
  assert.equal(await statusWith(`Bearer ${user['token']}`), 200);
  guarded.delete('library/app');
  const later = (await fetchToken('library/app')) as Record<string, unknown>;
  assert.equal(await statusWith(`Bearer ${later['token']}`), 200);
});

test('nobody gets a token anonymously where that is off', async (t) => {
  const auth = { kind: 'bearer', username: 'u', password: 'p', anonymous: false } as const;
  const { fetchToken } = await setUp(t, { auth });
  assert.equal((await fetchToken('library/app')).status, 401);
  assert.equal((await fetchToken('library/app', basicAuthorization('u', 'p'))).status, 200);
});

test('token quirks: placeholderScope, pingOk, noExpiresIn, accessTokenOnly, hidesUnknownRepositories', async (t) => {
  const auth = { kind: 'bearer' } as const;
  const { registry, fetchToken, statusWith, challengeAt } = await setUp(t, {
    auth,
    quirks: { placeholderScope: true },
  });
  assert.match(String(await challengeAt('/v2/')), /scope="repository:user\/image:pull"/);
  registry.setQuirks({ pingOk: true });
  assert.equal(await challengeAt('/v2/'), undefined);
  assert.match(String(await challengeAt(manifestPath)), /^Bearer /);
  registry.setQuirks({ noExpiresIn: true, accessTokenOnly: true });
  const bare = await fetchToken('library/app');
  assert.deepEqual(Object.keys(bare).sort(), ['access_token', 'issued_at', 'status']);
  const absent = '/v2/library/absent/manifests/latest';
  const statusOfAbsent = async () => {
    const { token } = (await fetchToken('library/absent')) as Record<string, unknown>;
    return statusWith(`Bearer ${token}`, absent);
  };
  registry.setQuirks({});
  assert.equal(await statusOfAbsent(), 404);
  registry.setQuirks({ hidesUnknownRepositories: true });
  assert.equal(await statusOfAbsent(), 401);
});

test('tokens come from a second server, or the realm leads astray', async (t) => {
  const { registry, challengeAt } = await setUp(t, { auth: { kind: 'bearer', tokenHost: '127.0.0.2' } });
  const realm = /realm="([^"]+)"/.exec(String(await challengeAt('/v2/')))?.[1] ?? '';
  assert.equal(new URL(realm).hostname, '127.0.0.2');
  const answer = await rawFetch(`${realm}?scope=repository:library/app:pull`);
  assert.equal(answer.status, 200);
  assert.equal((await rawFetch(`${registry.url}/token`)).status, 401); // here it is a path like any other
  const token = registry.requests.lines(({ origin }) => origin === 'token');
  assert.deepEqual(token, ['GET /token?scope=repository:library/app:pull']);
  const astray = await setUp(t, { auth: { kind: 'bearer', realm: 'http://elsewhere.example.com/token' } });
  assert.match(String(await astray.challengeAt('/v2/')), /realm="http:\/\/elsewhere\.example\.com\/token"/);
});

test('basic authentication wants the user and password', async (t) => {
  const auth = { kind: 'basic', username: 'u', password: 'p:w' } as const;
  const { challengeAt, statusWith } = await setUp(t, { auth });
  assert.equal(await challengeAt('/v2/'), 'Basic realm="test-registry"');
  assert.equal(await statusWith(basicAuthorization('u', 'p:w')), 200);
  assert.equal(await statusWith(basicAuthorization('u', 'p')), 401);
});
