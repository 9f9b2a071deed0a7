import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { Secret } from '../../../src/util/secret.ts';
import { makeImage, pathsOf } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { EventLog } from '../../support/event-log.ts';
import { type RawAnswer, rawFetch } from '../../support/http/raw-http.ts';
import type { Auth } from '../../support/registry/gatekeeper.ts';
import type { Quirks } from '../../support/registry/quirks.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { startTestRegistry, type TestRegistry } from '../../support/upstream/test-registry.ts';

const username = 'robot';
const password = 'pa55-w0rd';
const ofClient = 'client-s3cret';

/** What must not be seen: the password in every form, tokens, signatures, and what the client itself sent along. */
const secrets = [
  password,
  Buffer.from(`${username}:${password}`).toString('base64'),
  'test-token-', // as the test registry calls its tokens
  'signature-', // as it calls its signatures
  ofClient,
  Buffer.from(`me:${ofClient}`).toString('base64'),
];

function assertNoSecret(what: string, text: string): void {
  for (const secret of secrets) assert.ok(!text.includes(secret), `${secret} is in ${what}: ${text}`);
}

const image = makeImage({ seed: 'app', layers: [5000, 300] });

/** Pulls from an upstream that wants credentials, and looks for them in all that is said about it. */
async function pullAndLook(
  t: TestContext,
  options: { auth: Auth; quirks?: Quirks; given?: string; strike?: (origin: TestRegistry) => void },
): Promise<RawAnswer[]> {
  const { auth, quirks = {}, given = password, strike = () => {} } = options;
  const origin = await startTestRegistry({ auth, quirks });
  origin.content.push('team/app', image, 'latest');
  strike(origin);
  const events = new EventLog();
  const cache = await startTestCache({
    data: tmpDir(t),
    upstreams: [{ name: 'origin.test', urls: [new URL(origin.url)], username, password: new Secret(given) }],
    retry: { firstDelayMs: 1, rounds: 2 },
    download: { firstDelayMs: 1, maxDelayMs: 1, maxFruitlessTries: 1 },
    log: events,
  });
  t.after(() => Promise.all([cache.stop(), origin.close()]));
  const headers = { authorization: `Basic ${Buffer.from(`me:${ofClient}`).toString('base64')}`, cookie: ofClient };
  const paths = pathsOf(image);
  const answers: RawAnswer[] = [];
  for (const path of paths) {
    answers.push(await rawFetch(`${cache.url}/v2/team/app/${path}?token=${ofClient}`, { headers }).catch(asBroken));
  }
  await events.requests(answers.length);
  assertNoSecret('the log', inspect(events.events, { depth: 20, maxStringLength: null, maxArrayLength: null }));
  assertNoSecret('the log as JSON', JSON.stringify(events.events));
  for (const { headers: answered, body } of answers) {
    assertNoSecret('the head of an answer', JSON.stringify(answered));
    assertNoSecret('the body of an answer', body.toString('latin1'));
  }
  assertNoSecret('the metrics', (await rawFetch(`${cache.url}/metrics`)).body.toString());
  // What the client sent along is for the registry itself, where that does not let us in, and for nobody else.
  const isOpen = answers.every(({ status }) => status === 200);
  for (const request of origin.requests.all) {
    const { authorization, ...headers } = request.headers;
    assertNoSecretOfClient(`${request.url} ${JSON.stringify(headers)}`);
    const isForRegistry = request.origin === 'registry' && request.route !== 'token';
    if (isOpen || !isForRegistry) assertNoSecretOfClient(`${authorization}`);
  }
  return answers;
}

function asBroken(error: Error): RawAnswer {
  return { status: 0, headers: {}, body: Buffer.from(inspect(error)), broken: 'before its head' };
}

function assertNoSecretOfClient(sent: string): void {
  for (const secret of secrets.slice(-2)) assert.ok(!sent.includes(secret), `upstream was sent ${secret}: ${sent}`);
}

const bearer: Auth = { kind: 'bearer', username, password, anonymous: false };
const basic: Auth = { kind: 'basic', username, password };
const statuses = (answers: readonly RawAnswer[]) => new Set(answers.map(({ status }) => status));

test('a pull with a password, tokens and signed URLs shows none of them in logs, answers or metrics', async (t) => {
  for (const to of ['absolute', 'relative'] as const) {
    assert.deepEqual(
      statuses(await pullAndLook(t, { auth: bearer, quirks: { redirectBlobs: { to } } })),
      new Set([200]),
    );
  }
  assert.deepEqual(statuses(await pullAndLook(t, { auth: basic })), new Set([200]));
});

test('a pull that is refused shows no secret', async (t) => {
  for (const auth of [bearer, basic]) {
    const answers = await pullAndLook(t, { auth, given: `${password}-wrong` });
    assert.deepEqual(statuses(answers), new Set([401])); // what the client sent along is wrong, too
  }
});

test('signed URLs that are refused, lead nowhere or break off are not shown', async (t) => {
  const redirectBlobs = { to: 'absolute' } as const;
  for (const strike of [
    (origin: TestRegistry) => origin.faults.answer('cdn', { status: 403 }, { times: Infinity }),
    (origin: TestRegistry) => origin.faults.answer('cdn', { status: 500 }, { times: Infinity }),
    (origin: TestRegistry) => origin.faults.closeWithoutAnswer('cdn', { times: Infinity }),
    (origin: TestRegistry) => origin.faults.resetAfterBytes('cdn', 0, { times: Infinity }),
    (origin: TestRegistry) => {
      for (const location of ['ftp://cdn.test/x?signature=signature-1', 'http://[broken?signature=signature-1']) {
        origin.faults.answer('GET blob', { status: 307, headers: { location } });
      }
    },
    (origin: TestRegistry) => {
      const location = `${origin.url}/cdn/loop?signature=signature-1`;
      origin.faults.answer('cdn', { status: 307, headers: { location } }, { times: Infinity });
    },
  ]) {
    const answers = await pullAndLook(t, { auth: bearer, quirks: { redirectBlobs }, strike });
    assert.ok(
      answers.some(({ status, broken }) => status !== 200 || broken !== undefined),
      'nothing went wrong',
    );
  }
});

test('a token server that fails, or repeats in its error what it was sent, makes no secret be shown', async (t) => {
  for (const status of [401, 403, 429, 500]) {
    const body = JSON.stringify({ errors: [{ code: 'DENIED', message: `not ${password} of ${username}` }] });
    const strike = (origin: TestRegistry) => origin.faults.answer('token', { status, body }, { times: Infinity });
    const answers = await pullAndLook(t, { auth: bearer, strike });
    assert.ok(answers.every((answer) => answer.status >= 400));
  }
});
