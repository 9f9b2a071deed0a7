import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RegistryError } from '../../../src/oci/errors.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';
import {
  latest,
  makeClient,
  patient,
  repository,
  skipSleeps,
  startUpstream,
} from '../../support/upstream/upstream-client.ts';

const other = parseRepository('library/other');
const tokenFor = (name: string) => `GET /token?scope=repository:${name}:pull`;
const manifestOf = (name: string) => `GET /v2/${name}/manifests/latest`;
const bearer = { kind: 'bearer' } as const;
const user = { username: 'robot', password: 'hunter2:%' };

describe('tokens', () => {
  test('the first request is a ping, one token, and the request itself', async (t) => {
    const { registry, server } = await startUpstream(t, { auth: bearer });
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(server.requests.lines(), ['GET /v2/', tokenFor(repository), manifestOf(repository)]);
    const [ping, token, manifest] = server.requests.all;
    assert.deepEqual([ping!.headers.authorization, token!.headers.authorization], [undefined, undefined]);
    assert.equal(manifest!.headers.authorization, 'Bearer test-token-1');
  });

  test('a token serves every request of its repository, another repository has its own', async (t) => {
    const { registry, server, image } = await startUpstream(t, { auth: bearer });
    server.content.push(other, image, latest);
    const { digest } = image.blobs[0]!;
    await registry.getManifest(repository, latest, patient);
    server.requests.clear();
    await registry.resolveManifest(repository, image.manifest.digest, patient);
    await registry.statBlob(repository, digest, patient);
    await registry.listTags(repository, {}, patient);
    assert.equal(server.tokensIssued, 1);
    await registry.getManifest(other, latest, patient);
    assert.deepEqual(server.requests.lines().slice(3), [tokenFor(other), manifestOf(other)]);
    assert.equal(server.tokensIssued, 2);
    server.requests.clear();
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(server.requests.lines(), [manifestOf(repository)]);
  });

  test('thirty-two first requests at once need one ping and one token', async (t) => {
    const { registry, server } = await startUpstream(t, { auth: bearer });
    const all = Array.from({ length: 32 }, () => registry.getManifest(repository, latest, patient));
    await Promise.all(all);
    const lines = server.requests.lines();
    assert.deepEqual(lines.slice(0, 2), ['GET /v2/', tokenFor(repository)]);
    assert.deepEqual(lines.slice(2), Array(32).fill(manifestOf(repository)));
  });

  test('a token is renewed before it ends, so that no request is refused', async (t) => {
    const { registry, server, clock } = await startUpstream(t, { auth: { ...bearer, tokenLifetimeMs: 300_000 } });
    await registry.getManifest(repository, latest, patient);
    server.requests.clear();
    clock.advance(269_999);
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(server.requests.lines(), [manifestOf(repository)]);
    clock.advance(1);
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(server.requests.lines().slice(1), [tokenFor(repository), manifestOf(repository)]);
    assert.ok(server.requests.all.every(({ status }) => status === 200));
  });

  test('a token that is revoked in mid-use is replaced once, and the request is repeated once', async (t) => {
    const { registry, server } = await startUpstream(t, { auth: bearer });
    await registry.getManifest(repository, latest, patient);
    server.requests.clear();
    server.expireTokens();
    await registry.getManifest(repository, latest, patient);
    const repeated = [manifestOf(repository), tokenFor(repository), manifestOf(repository)];
    assert.deepEqual(server.requests.lines(), repeated);
    assert.deepEqual(
      server.requests.all.map(({ status }) => status),
      [401, 200, 200],
    );
  });

  test('a token that is revoked under many requests is replaced once for all of them', async (t) => {
    const { registry, server } = await startUpstream(t, { auth: bearer });
    await registry.getManifest(repository, latest, patient);
    server.expireTokens();
    await Promise.all(Array.from({ length: 8 }, () => registry.getManifest(repository, latest, patient)));
    assert.equal(server.tokensIssued, 2);
  });

  test('a server that refuses every token is asked twice, not for ever', async (t) => {
    const { registry, server } = await startUpstream(t, { auth: bearer });
    const challenge = { 'www-authenticate': `Bearer realm="${server.url}/token",service="s"` };
    server.faults.answer('manifest', { status: 401, headers: challenge }, { times: Infinity });
    await assert.rejects(registry.getManifest(repository, latest, patient), { code: 'DENIED', status: 403 });
    assert.deepEqual(server.requests.lines(/manifests/), [manifestOf(repository), manifestOf(repository)]);
    assert.equal(server.tokensIssued, 2);
  });

  test('ghcr.io’s challenges, whose ping names a scope that is nobody’s, get the right token', async (t) => {
    const quirks = { placeholderScope: true, noExpiresIn: true, accessTokenOnly: true };
    const { registry, server } = await startUpstream(t, { auth: bearer, quirks });
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(server.requests.lines(/token/), [tokenFor(repository)]);
  });

  test('a registry that pings well and refuses all the same gets its token after the first 401', async (t) => {
    const { registry, server } = await startUpstream(t, { auth: bearer, quirks: { pingOk: true } });
    await registry.getManifest(repository, latest, patient);
    const first = ['GET /v2/', manifestOf(repository), tokenFor(repository), manifestOf(repository)];
    assert.deepEqual(server.requests.lines(), first);
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(server.requests.lines(), [...first, manifestOf(repository)]);
  });

  test('the catalog has a scope of its own', async (t) => {
    const { registry, server } = await startUpstream(t, { auth: bearer });
    await registry.listRepositories({}, patient);
    assert.deepEqual(server.requests.lines(), ['GET /v2/', 'GET /token?scope=registry:catalog:*', 'GET /v2/_catalog']);
  });
});

describe('credentials', () => {
  test('go to the token server, whose token goes to the registry', async (t) => {
    const guarded = new Set([repository]);
    const { registry, server } = await startUpstream(
      t,
      { auth: { ...bearer, ...user, guarded } },
      { credentials: user },
    );
    await registry.getManifest(repository, latest, patient);
    const [ping, token, manifest] = server.requests.all;
    assert.equal(ping!.headers.authorization, undefined);
    assert.equal(token!.headers.authorization, `Basic ${Buffer.from('robot:hunter2:%').toString('base64')}`);
    assert.equal(manifest!.headers.authorization, 'Bearer test-token-1');
  });

  test('go with every request to a registry that wants them so, once it has asked', async (t) => {
    const { registry, server } = await startUpstream(t, { auth: { kind: 'basic', ...user } }, { credentials: user });
    await registry.getManifest(repository, latest, patient);
    await registry.getManifest(repository, latest, patient);
    assert.deepEqual(server.requests.lines(), ['GET /v2/', manifestOf(repository), manifestOf(repository)]);
    const basic = `Basic ${Buffer.from('robot:hunter2:%').toString('base64')}`;
    const sent = server.requests.all.map(({ headers }) => headers.authorization);
    assert.deepEqual(sent, [undefined, basic, basic]);
  });

  /** The error of a request, which tells of no secret in any form. */
  async function refusal(request: Promise<unknown>): Promise<RegistryError> {
    const error = await request.then(
      () => assert.fail('it was let in'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof RegistryError);
    const told = JSON.stringify([error.message, error.detail, error.headers, String(error.cause)]);
    const secrets = ['hunter2', 'wrong', Buffer.from('robot:wrong').toString('base64'), 'test-token'];
    for (const secret of secrets) assert.ok(!told.includes(secret), told);
    return error;
  }

  test('that the token server refuses are DENIED, with a hint and without a secret; nothing is tried again', async (t) => {
    const wrong = { username: 'robot', password: 'wrong' };
    const { registry, server } = await startUpstream(t, { auth: { ...bearer, ...user } }, { credentials: wrong });
    const error = await refusal(registry.getManifest(repository, latest, patient));
    assert.deepEqual([error.code, error.status], ['DENIED', 403]);
    assert.match(error.message, /token.*401.*credentials/);
    assert.deepEqual(server.requests.lines(), ['GET /v2/', tokenFor(repository)]);
  });

  test('that the registry refuses are DENIED, and not sent twice', async (t) => {
    const wrong = { username: 'robot', password: 'wrong' };
    const { registry, server } = await startUpstream(t, { auth: { kind: 'basic', ...user } }, { credentials: wrong });
    const error = await refusal(registry.getManifest(repository, latest, patient));
    assert.deepEqual([error.code, error.status], ['DENIED', 403]);
    assert.match(error.message, /origin\.test answered 401/);
    assert.deepEqual(server.requests.lines(), ['GET /v2/', manifestOf(repository)]);
  });

  test('that are wanted and not there are DENIED', async (t) => {
    const { registry } = await startUpstream(t, { auth: { kind: 'basic', ...user } });
    assert.equal((await refusal(registry.getManifest(repository, latest, patient))).code, 'DENIED');
  });

  test('a guarded repository is DENIED to a token without it', async (t) => {
    const guarded = new Set([repository]);
    const { registry, server } = await startUpstream(t, { auth: { ...bearer, ...user, guarded } });
    assert.equal((await refusal(registry.getManifest(repository, latest, patient))).code, 'DENIED');
    assert.equal(server.requests.lines(/manifests/).length, 2);
  });

  test('a token server that fails or limits says nothing about the credentials, and is asked again later', async (t) => {
    for (const [status, code] of [
      [429, 'TOOMANYREQUESTS'],
      [408, 'UNAVAILABLE'],
      [425, 'UNAVAILABLE'],
      [500, 'UNAVAILABLE'],
      [503, 'UNAVAILABLE'],
    ] as const) {
      const { registry, server, clock } = await startUpstream(
        t,
        { auth: { ...bearer, ...user } },
        { credentials: user },
      );
      skipSleeps(clock);
      server.faults.answer('token', { status }, { times: status === 429 ? 1 : 3 });
      const error = await refusal(registry.getManifest(repository, latest, patient));
      assert.equal(error.code, code);
      assert.match(error.message, new RegExp(`token.*${status}`));
      await registry.getManifest(repository, latest, patient); // and nothing of it is remembered
    }
  });

  test('a token server that does not know what it is asked is UNAVAILABLE, is not blamed on credentials, nor asked again at once', async (t) => {
    for (const status of [204, 302, 400, 404, 405, 422]) {
      const { registry, server } = await startUpstream(t, { auth: { ...bearer, ...user } }, { credentials: user });
      server.faults.answer('token', { status });
      const error = await refusal(registry.getManifest(repository, latest, patient));
      assert.equal(error.code, 'UNAVAILABLE');
      assert.match(error.message, new RegExp(`token.*${status}: it is no token server for this registry`));
      assert.deepEqual(server.requests.lines(), ['GET /v2/', tokenFor(repository)]);
      await registry.getManifest(repository, latest, patient); // and nothing of it is remembered
    }
  });

  test('that a token server refuses by 400, as OAuth 2 has it, are DENIED', async (t) => {
    const { registry, server } = await startUpstream(t, { auth: { ...bearer, ...user } }, { credentials: user });
    server.faults.answer('token', { status: 400, body: '{"error":"invalid_grant"}' });
    const error = await refusal(registry.getManifest(repository, latest, patient));
    assert.equal(error.code, 'DENIED');
    assert.match(error.message, /credentials/);
  });

  test('a token server whose answer is no JSON, has no end or no token is UNAVAILABLE', async (t) => {
    const bodies = ['<html>', '{}', ' '.repeat(300_000)];
    for (const body of bodies) {
      const { registry, server } = await startUpstream(t, { auth: bearer });
      server.faults.answer('token', { status: 200, body });
      assert.equal((await refusal(registry.getManifest(repository, latest, patient))).code, 'UNAVAILABLE');
    }
  });
});

describe('the realm guard', () => {
  const elsewhere = { ...bearer, ...user, tokenHost: '127.0.0.2' };

  test('a realm on another host is not asked at all', async (t) => {
    const { registry, server } = await startUpstream(t, { auth: elsewhere }, { credentials: user });
    await assert.rejects(registry.getManifest(repository, latest, patient), {
      code: 'UNAVAILABLE',
      message: /"127\.0\.0\.2".*tokenHosts/,
    });
    assert.deepEqual(
      server.requests.all.map(({ origin, line }) => [origin, line]),
      [['registry', 'GET /v2/']],
    );
    for (const { rawHeaders } of server.requests.all) {
      assert.ok(!rawHeaders.some((text) => /authorization|hunter2/i.test(text)));
    }
  });

  test('a realm on another host is asked, with the credentials, when the configuration names it', async (t) => {
    const options = { credentials: user, tokenHosts: ['127.0.0.2'] };
    const { registry, server } = await startUpstream(t, { auth: elsewhere }, options);
    await registry.getManifest(repository, latest, patient);
    const token = server.requests.matching(({ origin }) => origin === 'token')[0]!;
    assert.equal(token.headers.authorization, `Basic ${Buffer.from('robot:hunter2:%').toString('base64')}`);
  });

  test('a challenge that names a foreign realm only later is refused then', async (t) => {
    const thief = await startTestRegistry();
    t.after(() => thief.close());
    const { registry, server } = await startUpstream(t, { auth: bearer }, { credentials: undefined });
    await registry.getManifest(repository, latest, patient);
    const realm = thief.url.replace('127.0.0.1', 'localhost');
    const headers = { 'www-authenticate': `Bearer realm="${realm}/token"` };
    server.faults.answer('manifest', { status: 401, headers });
    await assert.rejects(registry.getManifest(repository, latest, patient), { code: 'UNAVAILABLE' });
    assert.deepEqual(thief.requests.lines(), []);
  });
});

test('each of several urls has tokens of its own, and gets no other’s', async (t) => {
  const { server: first } = await startUpstream(t, { auth: bearer });
  const { server: second } = await startUpstream(t, { auth: bearer });
  const { registry } = makeClient(t, [first.url, second.url]);
  await registry.getManifest(repository, latest, patient);
  first.faults.answer('manifest', { status: 503 });
  await registry.getManifest(repository, latest, patient);
  assert.deepEqual(second.requests.lines(), ['GET /v2/', tokenFor(repository), manifestOf(repository)]);
  assert.equal(second.requests.all[2]!.status, 200);
});
