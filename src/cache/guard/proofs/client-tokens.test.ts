import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../../test/support/time/clock.ts';
import { RegistryError } from '../../../oci/errors.ts';
import type { TokenRequest } from '../../../oci/wire/token.ts';
import { ClientTokens } from './client-tokens.ts';

const patient = new AbortController().signal;
const place = '0'.repeat(16);

/** A token server at which logins are broken off as `breaks` says, and whom it was asked by. */
function setUp(breaks: (request: TokenRequest) => boolean) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const tokens = new ClientTokens({
    mode: 'auto',
    kinds: { learn: async () => 'guarded' },
    upstream: {
      renameRealm: () => undefined,
      async passOnLogin(_id, request) {
        asked.push(request.authorization ?? String(request.query));
        if (breaks(request)) throw new RegistryError('UNAVAILABLE', 'Cannot log in: it broke off');
        return { status: 200, headers: {}, body: Buffer.from('a token') };
      },
    },
    challenge: async () => undefined,
    clock,
  });
  /** Logs in as `docker login` does, and gives the status. */
  async function login(authorization: string, query = 'offline_token=true'): Promise<number> {
    const request = { authorization, query: new URLSearchParams(query), form: undefined };
    return await tokens.answer(place, request, patient).then(
      ({ status }) => status,
      (error: RegistryError) => error.status,
    );
  }
  const nobody = (query: string) =>
    tokens.answer(place, { authorization: undefined, query: new URLSearchParams(query), form: undefined }, patient);
  return { clock, tokens, asked, login, nobody };
}

// One client's login that the token server broke off at kept everybody's for ten seconds.
test('a login that the token server breaks off at holds up no other', async () => {
  const { login, asked, clock } = setUp(({ authorization }) => authorization === 'Basic broken');
  assert.equal(await login('Basic broken'), 502);
  assert.equal(await login('Basic right'), 200);
  assert.equal(await login('Basic broken', 'offline_token=true&scope=repository:a:pull'), 502);
  assert.deepEqual(asked, ['Basic broken', 'Basic right']); // it rests by itself
  for (let round = 0; round < 5; round++) {
    clock.advance(10_000);
    assert.equal(await login('Basic broken'), 502);
    assert.equal(await login('Basic right'), 200);
  }
  assert.equal(asked.length, 12);
});

test('a token server that breaks off at three logins one after the other is asked by nobody for ten seconds', async () => {
  let isDown = true;
  const { login, asked, clock } = setUp(() => isDown);
  for (const name of ['a', 'b', 'c', 'd', 'e']) assert.equal(await login(`Basic ${name}`), 502);
  assert.deepEqual(asked.splice(0), ['Basic a', 'Basic b', 'Basic c']);
  clock.advance(10_000);
  for (const name of ['d', 'e', 'f']) assert.equal(await login(`Basic ${name}`), 502);
  assert.deepEqual(asked.splice(0), ['Basic d']); // that it is down still, one tells
  clock.advance(10_000);
  isDown = false;
  for (const name of ['e', 'f', 'a']) assert.equal(await login(`Basic ${name}`), 200);
});

test('of clients without a login, one that the token server breaks off at holds up no other', async () => {
  const broken = 'scope=repository:broken:pull';
  const { nobody, asked } = setUp(({ query }) => String(query) === String(new URLSearchParams(broken)));
  await nobody(broken);
  const answer = await nobody('scope=repository:right:pull');
  assert.equal(Buffer.from(answer.body).toString(), 'a token');
  await nobody(broken);
  assert.equal(asked.length, 2);
});
