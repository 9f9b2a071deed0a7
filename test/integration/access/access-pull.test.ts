import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { AccessRuleConfig } from '../../../src/config/config.ts';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { type RawRequestOptions, rawFetch } from '../../support/http/raw-http.ts';
import { basic, writePasswords } from '../../support/stages/access-stage.ts';
import { repository, type Stage, type StageOptions, setStage } from '../../support/stages/stage.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { ManualClock } from '../../support/time/clock.ts';

const image = makeImage({ seed: 'app', layers: [1000] });
const alice = basic('alice', 'correct horse');
const bob = basic('bob', 'battery staple');
const wrong = basic('alice', 'swordfish');
const challenge = 'Basic realm="Entrepot"';

/** Everybody may pull what is in `lib`; alice may pull all. */
const openRules: readonly AccessRuleConfig[] = [
  { users: ['anonymous'], doors: ['registry'], repositories: [/^origin\.test\/lib\/[^/]*$/], allow: ['pull'] },
  { users: ['alice'], doors: ['registry'], repositories: [/^/], allow: ['pull'] },
];

async function setUp(
  t: TestContext,
  { rules, ...options }: StageOptions['cache'] & { rules?: readonly AccessRuleConfig[] } = {},
) {
  const passwords = writePasswords(t, { alice: 'correct horse', bob: 'battery staple' });
  const stage = await setStage(t, { cache: { auth: passwords.auth(rules), ...options } });
  for (const name of [repository, 'private/app']) stage.origin.content.push(name, image, 'latest');
  return { stage, passwords, clock: options.clock };
}

/** Every kind of request that a registry answers. */
function requestsOf(name: string): readonly (readonly [path: string, method: string])[] {
  const paths = [
    `manifests/latest`,
    `manifests/${image.manifest.digest}`,
    `blobs/${image.blobs[0]?.digest}`,
    'tags/list',
  ];
  return [
    ...paths.map((path) => [`/v2/${name}/${path}`, 'GET'] as const),
    ...paths.slice(0, 3).map((path) => [`/v2/${name}/${path}`, 'HEAD'] as const),
    [`/v2/${name}/referrers/${image.manifest.digest}`, 'GET'],
  ];
}

const ofTheDoor = [
  '/v2/',
  '/v2',
  '/v2/_catalog',
  '/origin.test/v2/',
  '/v2/origin.test/_catalog',
  '/v2/?ns=origin.test',
].map((path) => [path, 'GET'] as const);

async function statuses(
  stage: Stage,
  requests: readonly (readonly [string, string])[],
  headers: RawRequestOptions['headers'],
) {
  const found: (readonly [string, string, number])[] = [];
  for (const [path, method] of requests) {
    const { status } = await rawFetch(stage.url + path, { method, ...(headers ? { headers } : {}) });
    found.push([path, method, status]);
  }
  return found;
}

function all(requests: readonly (readonly [string, string])[], status: number) {
  return requests.map(([path, method]) => [path, method, status]);
}

test('where nobody may do anything without a login, every request asks for one, and no upstream is asked', async (t) => {
  const { stage } = await setUp(t);
  const requests = [...requestsOf(repository), ...ofTheDoor, ['/v2/quay.test/a/tags/list', 'GET'] as const];
  for (const headers of [{}, { authorization: 'Basic Og==' }, { authorization: 'Bearer token' }]) {
    assert.deepEqual(await statuses(stage, requests, headers), all(requests, 401));
  }
  const refused = await rawFetch(`${stage.url}/v2/`);
  assert.equal(refused.headers['www-authenticate'], challenge);
  assert.equal(refused.headers['docker-distribution-api-version'], 'registry/2.0');
  assert.equal(JSON.parse(refused.body.toString()).errors[0].code, 'UNAUTHORIZED');
  assert.deepEqual(stage.origin.requests.lines(), []);
});

test('whoever logs in there may pull, by every kind of request', async (t) => {
  const { stage } = await setUp(t);
  const requests = [...requestsOf(repository), ...ofTheDoor];
  for (const headers of [alice, bob]) {
    assert.deepEqual(await statuses(stage, requests, headers), all(requests, 200));
  }
});

test('what a rule opens to everybody needs no login, and the door says so at /v2/', async (t) => {
  const { stage } = await setUp(t, { rules: openRules });
  const open = [...requestsOf(repository), ...ofTheDoor];
  const guarded = requestsOf('private/app');
  assert.deepEqual(await statuses(stage, open, {}), all(open, 200));
  assert.deepEqual(await statuses(stage, open, bob), all(open, 200));
  assert.deepEqual(await statuses(stage, guarded, {}), all(guarded, 401));
  assert.deepEqual(await statuses(stage, guarded, bob), all(guarded, 403));
  const before = stage.origin.requests.lines().length;
  assert.ok(!stage.origin.requests.lines().some((line) => line.includes('private')), 'upstream was asked for it');
  assert.deepEqual(await statuses(stage, guarded, alice), all(guarded, 200));
  assert.ok(stage.origin.requests.lines().length > before);
});

test('a wrong password is refused everywhere, also where none is needed', async (t) => {
  const { stage } = await setUp(t, { rules: openRules });
  // Of each address and user, three failures are not slowed.
  const [manifest, , blob] = requestsOf(repository);
  const requests = [['/v2/', 'GET'] as const, manifest, blob].filter((request) => request !== undefined);
  assert.deepEqual(await statuses(stage, requests, wrong), all(requests, 401));
  assert.deepEqual(stage.origin.requests.lines(), []);
});

test('the catalog tells of what may be pulled, and of nothing else', async (t) => {
  const { stage } = await setUp(t, { rules: openRules });
  for (const [path] of [...requestsOf(repository), ...requestsOf('private/app')]) {
    await rawFetch(stage.url + path, { headers: alice });
  }
  const list = async (path: string, headers: RawRequestOptions['headers'] = {}) =>
    JSON.parse((await rawFetch(stage.url + path, { headers })).body.toString()).repositories;
  for (const path of ['/v2/_catalog', '/v2/_catalog?n=1', '/v2/origin.test/_catalog']) {
    assert.deepEqual(await list(path), [repository]);
    assert.deepEqual(await list(path, bob), [repository]);
  }
  assert.deepEqual(await list('/v2/_catalog', alice), [repository, 'private/app']);
});

test('health can be asked without a login; metrics and status where the door is open, or with one', async (t) => {
  const paths = ['/', '/healthz', '/readyz', '/metrics', '/status'].map((path) => [path, 'GET'] as const);
  const closed = (await setUp(t)).stage;
  const withLogin = [...all(paths.slice(0, 3), 200), ...all(paths.slice(3), 401)];
  assert.deepEqual(await statuses(closed, paths, {}), withLogin);
  assert.deepEqual(await statuses(closed, paths, wrong), withLogin);
  assert.deepEqual(await statuses(closed, paths, bob), all(paths, 200));
  assert.equal((await rawFetch(`${closed.url}/none`)).status, 401);
  const open = (await setUp(t, { rules: openRules })).stage;
  assert.deepEqual(await statuses(open, paths, {}), all(paths, 200));
});

test('a thousand requests with one password cost one login', async (t) => {
  const { stage } = await setUp(t);
  await rawFetch(stage.manifestUrl('latest'), { headers: alice });
  for (let count = 0; count < 50; count++) {
    const together = Array.from({ length: 20 }, () => rawFetch(stage.manifestUrl('latest'), { headers: alice }));
    for (const { status } of await Promise.all(together)) assert.equal(status, 200);
  }
  const scrape = parsePrometheusText((await rawFetch(`${stage.url}/metrics`, { headers: alice })).body.toString());
  assert.equal(scrape.value('entrepot_logins_total', { result: 'proven' }), 1);
});

test('no password reaches an upstream or the log, which has who asked and who failed', async (t) => {
  const { stage } = await setUp(t);
  await rawFetch(stage.manifestUrl('latest'), { headers: alice });
  await rawFetch(stage.manifestUrl('latest'), { headers: wrong });
  await stage.log.requests(2);
  const [first, second] = stage.log.named('request');
  assert.equal(first?.facts['user'], 'alice');
  assert.deepEqual([second?.facts['status'], second?.facts['user']], [401, undefined]);
  assert.deepEqual(stage.log.named('login failed')[0]?.facts, { user: 'alice', client: '127.0.0.1' });
  const told = JSON.stringify(stage.log.events, (_key, value) =>
    value instanceof Error ? { ...value, text: `${value.stack}` } : value,
  );
  for (const secret of [
    'correct horse',
    'swordfish',
    alice.authorization.slice(6),
    wrong.authorization.slice(6),
    '$2b$',
  ]) {
    assert.ok(!told.includes(secret), secret);
  }
  for (const { headers } of stage.origin.requests.all) assert.equal(headers.authorization, undefined);
});

test('failed logins wait longer and longer, until the client leaves, and keep no other client waiting', async (t) => {
  const clock = new ManualClock();
  const { stage } = await setUp(t, { clock });
  const guess = (password: string, signal?: AbortSignal) =>
    rawFetch(`${stage.url}/v2/`, { headers: basic('alice', password), ...(signal ? { signal } : {}) });
  await rawFetch(stage.manifestUrl('latest'), { headers: bob });
  for (const password of ['a', 'b', 'c']) assert.equal((await guess(password)).status, 401);
  for (const delayMs of [500, 1000]) {
    const slowed = guess(`slow ${delayMs}`);
    await clock.nextSleep((ms) => ms === delayMs);
    assert.equal((await rawFetch(stage.manifestUrl('latest'), { headers: bob })).status, 200);
    clock.advance(delayMs);
    assert.equal((await slowed).status, 401);
  }
  const gone = new AbortController();
  const left = guess('never answered', gone.signal);
  await clock.nextSleep((ms) => ms === 2000);
  const failuresBefore = stage.log.named('login failed').length;
  gone.abort(new Error('The client has gone'));
  await assert.rejects(left);
  await stage.log.requests(9);
  assert.equal(stage.log.named('request').at(-1)?.facts['status'], 499);
  assert.equal(stage.log.named('login failed').length, failuresBefore);
});

test('a file that changes counts within two seconds; a broken one counts as it was', async (t) => {
  const clock = new ManualClock();
  const { stage, passwords } = await setUp(t, { clock });
  const status = async (headers: RawRequestOptions['headers'] & object) =>
    (await rawFetch(`${stage.url}/v2/`, { headers })).status;
  assert.deepEqual([await status(alice), await status(bob)], [200, 200]);
  passwords.write({ alice: 'new', carol: 'secret' });
  clock.advance(2_000);
  assert.deepEqual([await status(alice), await status(bob), await status(basic('carol', 'secret'))], [401, 401, 200]);
  writeFileSync(passwords.path, 'alice:swordfish\n');
  clock.advance(2_000);
  assert.equal(await status(basic('carol', 'secret')), 200);
  const broken = stage.log.named('htpasswd cannot be used, what it said before counts');
  assert.deepEqual(
    broken.map(({ facts }) => String(facts['reason']).slice(0, 7)),
    ['line 1:'],
  );
});

test('a file of passwords that cannot be used keeps it from starting, and nothing is left open', async (t) => {
  const htpasswd = join(tmpDir(t), 'htpasswd');
  writeFileSync(htpasswd, '# people\nalice:$apr1$Kq5lpJ8L$TnwvSHgDWcK6D8P\n');
  const auth = { htpasswd, rules: undefined, rememberForMs: 1 };
  const start = startTestCache({ data: tmpDir(t, { assertClosed: true }), upstreams: ['http://127.0.0.1:1'], auth });
  await assert.rejects(start, (error: Error) => {
    assert.match(error.message, /^Cannot use auth\.htpasswd ".*htpasswd": line 2: its hash is MD5 \(apr1\)/);
    return !error.message.includes('TnwvSHgDWcK6D8P');
  });
});
