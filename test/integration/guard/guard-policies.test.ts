import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rawFetch } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { basicAuthorization } from '../../support/registry/token-server.ts';
import { writePasswords } from '../../support/stages/access-stage.ts';
import { publicRepository, setGuardStage } from '../../support/stages/guard-stage.ts';
import { repository } from '../../support/stages/stage.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const hit = 'Entrepot; hit';
const manifest = `${repository}/manifests/latest`;
const lasting = { auth: { tokenLifetimeMs: 86_400_000 } };

describe('while upstream cannot be asked', () => {
  const day = { tagTtlMs: 86_400_000, retry: { rounds: 1 } };

  test('a proof that ran out is not renewed, and one that holds is believed', async (t) => {
    const { stage, clock, login, get } = await setGuardStage(t, { ...lasting, cache: day });
    const [alice, anna] = [await login('alice'), await login('anna')];
    await get(manifest, alice);
    stage.origin.faults.answer('any', { status: 503 }, { times: Infinity });
    assert.equal((await get(manifest, alice)).headers['cache-status'], hit);
    assert.equal((await get(manifest, anna)).status, 502);
    clock.advance(300_000);
    const { status, body } = await get(manifest, alice);
    assert.equal(status, 502);
    assert.match(body.toString(), /Cannot check who may read \\"lib\/app\\" of origin\.test: .*503/);
    stage.origin.faults.clear();
    assert.equal((await get(manifest, alice)).headers['cache-status'], hit);
  });

  test('with allow-proven, those are let in whom it accepted before, and did not refuse since', async (t) => {
    const cache = { ...day, guard: { whenUpstreamFails: 'allow-proven' } } as const;
    const { stage, clock, image, login, get, asked } = await setGuardStage(t, { ...lasting, cache });
    const [alice, anna, bob] = [await login('alice'), await login('anna'), await login('bob')];
    const wrong = basicAuthorization('alice', 'alice-pw');
    await get(manifest, alice);
    await get(manifest, anna);
    clock.advance(300_000);
    stage.origin.expireTokens();
    assert.equal((await get(manifest, anna)).status, 401);
    stage.origin.faults.answer('any', { status: 503 }, { times: Infinity });
    asked();
    for (let i = 0; i < 3; i++) assert.equal((await get(manifest, alice)).headers['cache-status'], hit);
    assert.deepEqual(asked(), [`HEAD /v2/${manifest} as alice`]);
    for (const authorization of [undefined, anna, bob, wrong]) {
      const { status } = await get(manifest, authorization);
      assert.ok([401, 403, 502, 503].includes(status), `${authorization} ${status}`);
    }
    const { digest } = image.blobs[0]!; // which is not here
    assert.ok([502, 503].includes((await get(`${repository}/blobs/${digest}`, alice)).status));
    await stage.restart();
    assert.ok([502, 503].includes((await get(manifest, alice)).status));
  });

  test('bytes that are guarded are given to no other repository, and those that are open are', async (t) => {
    const { stage, image, login, get } = await setGuardStage(t, { cache: { retry: { rounds: 1 } } });
    const alice = await login('alice');
    const [secret, open] = image.blobs;
    assert.equal((await get(`${repository}/blobs/${secret!.digest}`, alice)).status, 200);
    assert.equal((await get(`${publicRepository}/blobs/${open!.digest}`)).status, 200);
    await stage.log.waitFor('blob stored', 2);
    stage.origin.faults.answer('any', { status: 503 }, { times: Infinity });
    for (const method of ['HEAD', 'GET']) {
      assert.equal((await get(`lib/else/blobs/${secret!.digest}`, undefined, method)).status, 502);
      assert.equal((await get(`lib/else/blobs/${open!.digest}`, undefined, method)).status, 200);
    }
  });

  test('a guarded download that is under way is joined by no other repository', async (t) => {
    const { stage, login, get } = await setGuardStage(t, { cache: { retry: { rounds: 1 } } });
    const { origin } = stage;
    const digest = origin.content.putGenerated(repository, 'large', 300_000);
    const alice = await login('alice');
    await get(manifest, alice);
    const gate = origin.faults.stallAfterBytes('GET blob', 100_000);
    const first = await stage.request(stage.blobUrl(digest), { headers: { authorization: alice } });
    origin.faults.answer('any', { status: 503 }, { times: Infinity });
    for (const method of ['HEAD', 'GET']) {
      assert.equal((await get(`lib/else/blobs/${digest}`, undefined, method)).status, 502);
    }
    origin.faults.clear();
    gate.release();
    first.resume();
    await stage.log.waitFor('blob stored');
  });

  test('offline, what is guarded is 404 for all, and guarded bytes are nobody’s', async (t) => {
    const { stage, settings, image, login, get, asked } = await setGuardStage(t);
    const alice = await login('alice');
    const { digest } = image.blobs[1]!;
    await get(manifest, alice);
    await get(`${repository}/blobs/${digest}`, alice);
    await stage.log.waitFor('blob stored');
    assert.equal((await get(`${publicRepository}/manifests/latest`)).status, 200);
    asked();
    settings.cache = { ...settings.cache, offline: true };
    await stage.restart();
    for (const authorization of [undefined, alice]) {
      assert.equal((await get(manifest, authorization)).status, 404);
      assert.equal((await get(`${repository}/blobs/${digest}`, authorization)).status, 404);
    }
    assert.equal((await get(`lib/else/blobs/${digest}`)).status, 404);
    assert.equal((await get(`${publicRepository}/manifests/latest`)).status, 200);
    assert.deepEqual(asked(), []);
  });
});

describe('a repository whose kind changes', () => {
  test('one that becomes private is guarded as soon as its tag is asked for again, what is cached of it included', async (t) => {
    const { stage, clock, guarded, image, login, get, asked } = await setGuardStage(t);
    guarded.delete(repository);
    const { digest } = image.blobs[1]!;
    assert.equal((await get(manifest)).status, 200);
    assert.equal((await get(`${repository}/blobs/${digest}`)).status, 200);
    await stage.log.waitFor('blob stored');
    guarded.add(repository);
    stage.origin.expireTokens();
    assert.equal((await get(manifest)).headers['cache-status'], hit); // upstream is not asked yet
    clock.advance(60_000);
    const alice = await login('alice');
    const refused = await get(manifest);
    assert.equal(refused.status, 401);
    assert.match(String(refused.headers['www-authenticate']), /^Bearer /);
    assert.equal((await stage.log.waitFor('repository guarded')).facts['repository'], repository);
    for (const path of [
      manifest,
      `${repository}/blobs/${digest}`,
      `${repository}/manifests/${image.manifest.digest}`,
    ]) {
      assert.equal((await get(path)).status, 401, path);
    }
    asked();
    assert.equal((await get(`${repository}/blobs/${digest}`, alice)).headers['cache-status'], hit);
    assert.deepEqual(asked(), [`HEAD /v2/${repository}/blobs/${shorten(digest)} as alice`]);
    await stage.restart();
    assert.equal((await get(`${repository}/blobs/${digest}`)).status, 401);
  });

  test('one that is private when its tag is asked for behind an answer is guarded from then on', async (t) => {
    const { stage, clock, guarded, get } = await setGuardStage(t, {
      cache: { freshness: { revalidate: 'background' } },
    });
    guarded.delete(repository);
    assert.equal((await get(manifest)).status, 200);
    guarded.add(repository);
    stage.origin.expireTokens();
    clock.advance(60_000);
    assert.equal((await get(manifest)).headers['cache-status'], 'Entrepot; hit; detail=revalidating');
    await stage.log.waitFor('repository guarded');
    assert.equal((await get(manifest)).status, 401);
  });

  test('one that becomes public is open to all, also to those who ask without credentials', async (t) => {
    const { stage, clock, guarded, login, get } = await setGuardStage(t);
    const alice = await login('alice');
    await get(manifest, alice);
    guarded.delete(repository);
    assert.equal((await get(manifest)).status, 401); // upstream’s refusal is remembered for a while
    clock.advance(10_000);
    assert.equal((await get(manifest)).headers['cache-status'], hit);
    assert.equal((await stage.log.waitFor('repository open')).facts['repository'], repository);
    assert.equal((await get(manifest)).headers['cache-status'], hit);
  });

  test('with onDenied: serve, what was open stays so, and what never was is guarded', async (t) => {
    const { stage, clock, guarded, get } = await setGuardStage(t, { cache: { freshness: { onDenied: 'serve' } } });
    guarded.delete(repository);
    assert.equal((await get(manifest)).status, 200);
    guarded.add(repository);
    stage.origin.expireTokens();
    clock.advance(60_000);
    for (let i = 0; i < 2; i++) {
      assert.equal((await get(manifest)).headers['cache-status'], 'Entrepot; hit; detail=stale');
    }
    assert.equal((await get('lib/other/manifests/latest')).status, 401);
  });
});

describe('guard of an upstream', () => {
  test('always: own credentials are used for nobody, and each client needs its own, for what is public as well', async (t) => {
    const { stage, image, login, get, asked } = await setGuardStage(t, { upstream: { guard: 'always' } });
    const path = `${publicRepository}/manifests/latest`;
    const refused = await get(path);
    assert.equal(refused.status, 401);
    const bob = await login('bob', publicRepository);
    assert.deepEqual((await get(path, bob)).body, image.manifest.bytes);
    assert.equal((await get(path, bob)).headers['cache-status'], hit);
    assert.equal((await get(path)).status, 401);
    assert.deepEqual(asked(), [`HEAD /v2/${path} as nobody`, `HEAD /v2/${path} as bob`, `GET /v2/${path} as bob`]);
    assert.equal(stage.origin.tokensIssued, 1);
  });

  test('always: a registry that wants no credentials gets none', async (t) => {
    const { get, asked } = await setGuardStage(t, {
      registry: { auth: { kind: 'none' } },
      upstream: { guard: 'always' },
    });
    assert.equal((await get(manifest)).status, 200);
    assert.equal((await get(manifest)).headers['cache-status'], hit);
    assert.deepEqual(asked(), [`HEAD /v2/${manifest} as nobody`, `GET /v2/${manifest} as nobody`]);
  });

  test('always: what was open before is so no more', async (t) => {
    const { stage, settings, get, asked } = await setGuardStage(t);
    const path = `${publicRepository}/manifests/latest`;
    assert.equal((await get(path)).status, 200);
    settings.upstream = { guard: 'always' };
    await stage.restart();
    asked();
    assert.equal((await get(path)).status, 401);
    assert.deepEqual(asked(), [`HEAD /v2/${path} as nobody`]);
  });

  test('never: what our own identity may not read is 403, and nothing of clients is passed on', async (t) => {
    const { login, get, asked } = await setGuardStage(t, { upstream: { guard: 'never' } });
    const alice = await login('alice');
    const { status, headers } = await get(manifest, alice);
    assert.deepEqual([status, headers['www-authenticate']], [403, undefined]);
    const token = `GET /token?scope=repository:${repository}:pull as nobody`;
    const ask = `GET /v2/${manifest} as Entrepot`;
    assert.deepEqual(asked(), ['GET /v2/ as nobody', token, ask, token, ask]);
  });
});

test('the registry that is pushed to takes nothing from what is guarded, also of what was open when it was cached', async (t) => {
  const { stage, clock, guarded, image, login, get } = await setGuardStage(t);
  const alice = await login('alice');
  const [config, layer, small] = image.blobs.map(({ digest }) => digest);
  guarded.delete('lib/other');
  assert.equal((await get(`${repository}/blobs/${config}`, alice)).status, 200);
  assert.equal((await get('lib/other/manifests/latest')).status, 200);
  assert.equal((await get(`lib/other/blobs/${layer}`)).status, 200);
  assert.equal((await get(`${publicRepository}/blobs/${small}`)).status, 200);
  await stage.log.waitFor('blob stored', 3);
  guarded.add('lib/other');
  stage.origin.expireTokens();
  clock.advance(60_000);
  assert.equal((await get('lib/other/manifests/latest')).status, 401);
  const mount = (digest: string | undefined, from: string) =>
    get(`hosted.entrepot/team/app/blobs/uploads/?mount=${digest}${from}`, alice, 'POST');
  for (const digest of [config, layer]) {
    assert.equal((await get(`hosted.entrepot/team/app/blobs/${digest}`, alice, 'HEAD')).status, 404);
    for (const from of ['', `&from=hosted.entrepot/${repository}`, '&from=hosted.entrepot/lib/other']) {
      assert.equal((await mount(digest, from)).status, 202);
    }
  }
  assert.equal((await get(`hosted.entrepot/team/app/blobs/${small}`, undefined, 'HEAD')).status, 200);
  assert.equal((await mount(small, '')).status, 201);
});

test('where Entrepot has users of its own, their passwords stay here, and what is guarded is refused', async (t) => {
  const passwords = writePasswords(t, { ci: 'secret' });
  const { get, asked } = await setGuardStage(t, { cache: { auth: passwords.auth() } });
  const ci = basicAuthorization('ci', 'secret');
  assert.equal((await get(`${publicRepository}/manifests/latest`, ci)).status, 200);
  const { status, headers, body } = await get(manifest, ci);
  assert.deepEqual([status, headers['www-authenticate']], [403, undefined]);
  assert.match(body.toString(), /by this door nobody can log in to origin\.test/);
  assert.deepEqual(
    asked().filter((line) => line.endsWith('as a stranger')),
    [],
  );
});

test('what one upstream accepts is no proof for another that has the same', async (t) => {
  const second = await startTestRegistry({ auth: { kind: 'basic', username: 'u', password: 'other' } });
  t.after(() => second.close());
  const set = await setGuardStage(t, { others: [{ name: 'second.test', urls: [new URL(second.url)] }] });
  second.content.push(repository, set.image, 'latest');
  const alice = await set.login('alice');
  assert.equal((await set.get(manifest, alice)).status, 200);
  const { status } = await rawFetch(`${set.stage.url}/v2/second.test/${manifest}`, {
    headers: { authorization: alice },
  });
  assert.equal(status, 401);
});
