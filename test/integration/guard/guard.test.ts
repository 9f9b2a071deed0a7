import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { pathsOf } from '../../support/content/images.ts';
import { assertWhole, takeBytes } from '../../support/http/body-reader.ts';
import { rawFetch, readRest } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { basicAuthorization } from '../../support/registry/token-server.ts';
import { publicRepository, setGuardStage } from '../../support/stages/guard-stage.ts';
import { repository } from '../../support/stages/stage.ts';

const hit = 'Entrepot; hit';
const middle = 1024 * 1024;
const manifest = `/v2/${repository}/manifests/latest`;
const tokenFor = (name: string) => `GET /token?scope=repository:${name}:pull as nobody`;

/** What our own identity is refused by, and how it is found out how clients log in. */
const refusedOnce = [
  tokenFor(repository),
  `GET ${manifest} as Entrepot`,
  tokenFor(repository), // one more try with what the refusal asks for
  `GET ${manifest} as Entrepot`,
  `HEAD ${manifest} as nobody`,
];

test('an open repository is read as before, whatever clients send along', async (t) => {
  const { image, get, asked } = await setGuardStage(t);
  const own = [tokenFor(publicRepository), `GET /v2/${publicRepository}/manifests/latest as Entrepot`];
  for (const authorization of ['Bearer mine', undefined, basicAuthorization('me', 'mine')]) {
    const { status, body } = await get(`${publicRepository}/manifests/latest`, authorization);
    assert.deepEqual([status, body], [200, image.manifest.bytes]);
  }
  assert.deepEqual(asked(), ['GET /v2/ as nobody', ...own]);
});

test('a client without credentials gets upstream’s own challenge, once asked for', async (t) => {
  const { stage, get, asked } = await setGuardStage(t);
  const url = `${stage.origin.url}${manifest}`;
  const upstreams = (await rawFetch(url)).headers['www-authenticate'];
  asked();
  for (let i = 0; i < 3; i++) {
    const { status, headers, body } = await get(`${repository}/manifests/latest`);
    assert.deepEqual([status, headers['www-authenticate']], [401, upstreams]);
    assert.match(body.toString(), /"UNAUTHORIZED"/);
  }
  assert.deepEqual(asked(), ['GET /v2/ as nobody', ...refusedOnce]);
});

test('a client reads what its own token is good for, and its second pull is a hit', async (t) => {
  const { stage, image, login, get, asked } = await setGuardStage(t);
  const alice = await login('alice');
  const blob = image.blobs[1]!;
  for (const [isFirst, status] of [
    [true, 'Entrepot; fwd=miss; stored'],
    [false, hit],
  ] as const) {
    const answers = [
      await get(`${repository}/manifests/latest`, alice),
      await get(`${repository}/blobs/${blob.digest}`, alice),
    ];
    assert.deepEqual(
      answers.map((answer) => [answer.status, answer.headers['cache-status'], answer.body]),
      [
        [200, status, image.manifest.bytes],
        [200, status, blob.bytes],
      ],
    );
    await stage.log.waitFor('blob stored');
    const proven = [
      `HEAD ${manifest} as alice`,
      `GET ${manifest} as alice`,
      `GET /v2/${repository}/blobs/${shorten(blob.digest)} as alice`,
    ];
    assert.deepEqual(asked(), isFirst ? ['GET /v2/ as nobody', ...refusedOnce.slice(0, -1), ...proven] : []);
  }
});

test('what is cached of a guarded repository is nobody’s whom upstream does not let in, by whatever it is asked for', async (t) => {
  const { stage, image, login, get, asked } = await setGuardStage(t);
  const alice = await login('alice');
  const paths = pathsOf(image).map((path) => `${repository}/${path}`);
  for (const path of paths) assert.equal((await get(path, alice)).status, 200, path);
  asked();
  const bob = await login('bob');
  const ofOther = await login('alice', 'lib/other'); // for another repository
  for (const authorization of [undefined, 'Bearer wrong', bob, ofOther, basicAuthorization('alice', 'alice-pw')]) {
    for (const path of paths) {
      for (const method of ['GET', 'HEAD']) {
        const { status, headers } = await get(path, authorization, method);
        const { headers: upstreams } = await rawFetch(`${stage.origin.url}/v2/${path}`, {
          headers: authorization === undefined ? {} : { authorization },
        });
        assert.equal(status, 401, `${method} ${path}`);
        assert.equal(headers['www-authenticate'], upstreams['www-authenticate'], `${method} ${path}`);
      }
    }
  }
  const { body } = await get('_catalog', alice);
  assert.deepEqual(JSON.parse(body.toString()), { repositories: [] });
});

test('a second client needs a proof of its own, which is one HEAD for all that it asks at once', async (t) => {
  const { stage, image, login, get, asked } = await setGuardStage(t);
  const [alice, anna] = [await login('alice'), await login('anna')];
  const paths = image.blobs.map(({ digest }) => `${repository}/blobs/${digest}`);
  for (const path of paths) await get(path, alice);
  await stage.log.waitFor('blob stored', paths.length);
  asked();
  const answers = await Promise.all([...paths, ...paths].map((path) => get(path, anna)));
  for (const { status, headers } of answers) assert.deepEqual([status, headers['cache-status']], [200, hit]);
  assert.deepEqual(asked(), [`HEAD /v2/${paths[0]!.replace(/sha256:.*/, (digest) => shorten(digest))} as anna`]);
});

test('that something is not there is no proof, and no refusal of what is', async (t) => {
  const { image, login, get, asked } = await setGuardStage(t);
  const [alice, anna] = [await login('alice'), await login('anna')];
  const { digest } = image.blobs[0]!;
  const absent = `sha256:${'0'.repeat(64)}`;
  await get(`${repository}/blobs/${digest}`, alice);
  asked();
  const [gone, there] = await Promise.all([
    get(`${repository}/blobs/${absent}`, anna),
    get(`${repository}/blobs/${digest}`, anna),
  ]);
  assert.deepEqual([gone.status, there.status], [404, 200]);
  assert.deepEqual(asked(), [
    `HEAD /v2/${repository}/blobs/${shorten(absent)} as anna`,
    `HEAD /v2/${repository}/blobs/${shorten(digest)} as anna`,
  ]);
});

test('a proof holds for guard.ttl, and then costs one HEAD again', async (t) => {
  const { clock, login, get, asked } = await setGuardStage(t, {
    auth: { tokenLifetimeMs: 86_400_000 },
    cache: { guard: { ttlMs: 60_000 }, tagTtlMs: 3_600_000, negativeTtlMs: 3_600_000 },
  });
  const alice = await login('alice');
  await get(`${repository}/manifests/latest`, alice);
  asked();
  clock.advance(59_999);
  assert.equal((await get(`${repository}/manifests/latest`, alice)).headers['cache-status'], hit);
  assert.deepEqual(asked(), []);
  clock.advance(1);
  const answers = await Promise.all(Array.from({ length: 8 }, () => get(`${repository}/manifests/latest`, alice)));
  for (const { status, headers } of answers) assert.deepEqual([status, headers['cache-status']], [200, hit]);
  assert.deepEqual(asked(), [`HEAD ${manifest} as alice`]);
});

test('a token is worth nothing once it says that it has ended, however young its proof', async (t) => {
  const { clock, login, get } = await setGuardStage(t, {
    auth: { tokenLifetimeMs: 100_000, jwt: true },
    cache: { guard: { ttlMs: 300_000 }, tagTtlMs: 3_600_000 },
  });
  const alice = await login('alice');
  clock.advance(50_000);
  assert.equal((await get(`${repository}/manifests/latest`, alice)).status, 200);
  clock.advance(49_999);
  assert.equal((await get(`${repository}/manifests/latest`, alice)).headers['cache-status'], hit);
  clock.advance(1);
  assert.equal((await get(`${repository}/manifests/latest`, alice)).status, 401);
});

test('a proof is over when upstream refuses the client something else', async (t) => {
  const { stage, image, login, get } = await setGuardStage(t);
  const alice = await login('alice');
  const [first, second] = image.blobs.map(({ digest }) => `${repository}/blobs/${digest}`);
  assert.equal((await get(first!, alice)).status, 200);
  await stage.log.waitFor('blob stored');
  stage.origin.expireTokens();
  assert.equal((await get(first!, alice)).headers['cache-status'], hit);
  assert.equal((await get(second!, alice)).status, 401);
  assert.equal((await get(first!, alice)).status, 401);
});

test('after a restart nothing is proven, and what was guarded still is', async (t) => {
  const { stage, login, get, asked } = await setGuardStage(t, { cache: { tagTtlMs: 3_600_000 } });
  const alice = await login('alice');
  await get(`${repository}/manifests/latest`, alice);
  await stage.restart();
  asked();
  assert.equal((await get(`${repository}/manifests/latest`)).status, 401);
  assert.equal((await get(`${repository}/manifests/latest`, alice)).headers['cache-status'], hit);
  const own = [tokenFor(repository), `HEAD ${manifest} as Entrepot`];
  assert.deepEqual(asked(), [
    'GET /v2/ as nobody',
    ...own,
    ...own,
    `HEAD ${manifest} as nobody`,
    `HEAD ${manifest} as alice`,
  ]);
});

test('a registry that wants a password with each request gets the client’s', async (t) => {
  const { stage, image, get, asked } = await setGuardStage(t, {
    registry: { auth: { kind: 'basic', username: 'alice', password: 'alice-pw' } },
  });
  const right = basicAuthorization('alice', 'alice-pw');
  const refused = await get(`${repository}/manifests/latest`);
  assert.deepEqual([refused.status, refused.headers['www-authenticate']], [401, 'Basic realm="test-registry"']);
  assert.equal((await get(`${repository}/manifests/latest`, basicAuthorization('alice', 'wrong'))).status, 401);
  assert.deepEqual((await get(`${repository}/manifests/latest`, right)).body, image.manifest.bytes);
  assert.deepEqual(
    stage.origin.requests.matching(({ headers }) => headers.authorization === right).map(({ line }) => line),
    [`HEAD ${manifest}`, `GET ${manifest}`],
  );
  asked();
  assert.equal((await get(`${repository}/manifests/latest`, right)).headers['cache-status'], hit);
  assert.deepEqual(asked(), []);
});

test('one transfer serves all who may read it, and nobody joins it without a proof', async (t) => {
  const { stage, login, get, asked } = await setGuardStage(t);
  const { origin } = stage;
  const sizeBytes = 3 * 1024 * 1024;
  const digest = origin.content.putGenerated(repository, 'large', sizeBytes);
  origin.content.putGenerated(publicRepository, 'large', 1000);
  const [alice, anna, bob] = [await login('alice'), await login('anna'), await login('bob')];
  await get(`${repository}/manifests/latest`, alice);
  const gate = origin.faults.stallAfterBytes('GET blob', middle);
  const first = await stage.request(stage.blobUrl(digest), { headers: { authorization: alice } });
  await gate.reached;
  asked();
  for (const authorization of [undefined, bob, 'Bearer wrong']) {
    for (const method of ['GET', 'HEAD']) {
      assert.equal((await get(`${repository}/blobs/${digest}`, authorization, method)).status, 401);
    }
  }
  assert.equal((await get(`${publicRepository}/blobs/${digest}`)).status, 404);
  const second = await stage.request(stage.blobUrl(digest), { headers: { authorization: anna } });
  assert.equal(second.headers['cache-status'], 'Entrepot; fwd=miss; stored; collapsed');
  gate.release();
  for (const message of [first, second]) assertWhole(await readRest(message), digest);
  const blobs = asked().filter((line) => line.startsWith(`GET /v2/${repository}/blobs`));
  assert.deepEqual(blobs, []);
});

/** A download that broke in the middle, and waits to go on. */
async function breakDownload(t: TestContext) {
  const set = await setGuardStage(t, { cache: { download: { firstDelayMs: 200, maxDelayMs: 200 } } });
  const { stage, login, clock } = set;
  const { origin } = stage;
  const digest = origin.content.putGenerated(repository, 'large', 2 * middle);
  const alice = await login('alice');
  await set.get(`${repository}/manifests/latest`, alice); // which tells that it is guarded
  origin.faults.resetAfterBytes('GET blob', middle);
  const first = await stage.request(stage.blobUrl(digest), { headers: { authorization: alice } });
  const begun = await takeBytes(first, middle);
  await stage.log.waitFor('blob download resumed');
  const goOn = async () => clock.advance(Math.ceil((await clock.nextSleep()).delayMs));
  const resumed = (user: string) => `GET /v2/${repository}/blobs/${shorten(digest)} bytes=${middle}- as ${user}`;
  return { ...set, origin, digest, first, begun, goOn, resumed };
}

test('a transfer that breaks goes on with the credentials of any client that waits', async (t) => {
  const { stage, login, asked, origin, digest, first, begun, goOn, resumed } = await breakDownload(t);
  const anna = await login('anna');
  const second = await stage.request(stage.blobUrl(digest), { headers: { authorization: anna } });
  origin.expireTokens();
  const alice = await login('alice');
  const third = await stage.request(stage.blobUrl(digest), { headers: { authorization: alice } });
  asked();
  await goOn();
  const answer = await readRest(first);
  assertWhole({ ...answer, body: Buffer.concat([begun, answer.body]) }, digest);
  for (const message of [second, third]) assertWhole(await readRest(message), digest);
  assert.deepEqual(asked(), [resumed('alice')]);
});

test('a transfer that breaks fails clearly when nobody who waits is let in any more, and a later one goes on', async (t) => {
  const { stage, login, asked, origin, digest, first, goOn, resumed } = await breakDownload(t);
  origin.expireTokens();
  asked();
  await goOn();
  assert.notEqual((await readRest(first)).broken, undefined);
  const { facts } = await stage.log.waitFor('blob download failed');
  assert.equal(facts['reason'], 'Upstream origin.test answered 401: UNAUTHORIZED authentication required');
  assert.deepEqual(asked(), [resumed('alice')]);
  const again = await login('alice');
  const whole = await stage.request(stage.blobUrl(digest), { headers: { authorization: again } });
  assertWhole(await readRest(whole), digest);
  assert.deepEqual(asked().slice(-1), [resumed('alice')]);
});

test('a transfer that breaks when all have gone is given up, as nobody’s credentials are kept for it', async (t) => {
  const { stage, asked, first, goOn } = await breakDownload(t);
  asked();
  first.destroy();
  await stage.log.requests(2);
  await goOn();
  const { facts } = await stage.log.waitFor('blob download failed');
  assert.match(String(facts['reason']), /^Cannot ask origin\.test for "lib\/app": it is guarded, and nobody/);
  assert.deepEqual(asked(), []);
});

test('a redirect’s target and the token server see nothing of what clients send along', async (t) => {
  const { stage, image, login, get } = await setGuardStage(t, {
    registry: { quirks: { redirectBlobs: { to: 'absolute' } }, cdnHost: '127.0.0.2' },
  });
  const { origin } = stage;
  const alice = await login('alice');
  for (const { digest, bytes } of image.blobs) {
    assert.deepEqual((await get(`${repository}/blobs/${digest}`, alice)).body, bytes);
  }
  assert.equal(origin.requests.matching(({ origin: server }) => server === 'cdn').length, 1 + image.blobs.length);
  for (const { origin: server, route, headers } of origin.requests.all) {
    if (server !== 'registry' || route === 'token') assert.equal(headers.authorization, undefined);
  }
});

test('that a redirect’s target refuses says nothing of who may read', async (t) => {
  const { stage, image, get } = await setGuardStage(t, { registry: { quirks: { redirectBlobs: { to: 'absolute' } } } });
  const { digest } = image.blobs[1]!;
  await get(`${publicRepository}/manifests/latest`);
  stage.origin.faults.answer('cdn', { status: 403 });
  assert.equal((await get(`${publicRepository}/blobs/${digest}`)).status, 403);
  assert.equal((await get(`${publicRepository}/manifests/latest`)).headers['cache-status'], hit);
});

test('nothing that a client sends along is in the log, the metrics, or the data folder', async (t) => {
  const { stage, image, login, get } = await setGuardStage(t);
  const alice = await login('alice');
  const basic = basicAuthorization('me', 'client-s3cret');
  for (const authorization of [alice, basic, 'Bearer wrong-s3cret']) {
    for (const path of ['manifests/latest', `blobs/${image.blobs[1]!.digest}`, 'tags/list']) {
      await get(`${repository}/${path}`, authorization);
    }
  }
  const told = [
    inspect(stage.log.events, { depth: 9 }),
    (await rawFetch(`${stage.url}/metrics`)).body.toString(),
    (await rawFetch(`${stage.url}/status`)).body.toString(),
    ...readdirSync(stage.data, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1')),
  ];
  for (const secret of [alice.slice(7), basic.slice(6), 'client-s3cret', 'wrong-s3cret']) {
    for (const text of told) assert.ok(!text.includes(secret), secret);
  }
  assert.match(told[1]!, /entrepot_guard_checks_total\{upstream="origin.test",result="accepted"\} 1\b/);
  assert.match(told[1]!, /entrepot_guard_checks_total\{upstream="origin.test",result="refused"\} 2\b/);
});
