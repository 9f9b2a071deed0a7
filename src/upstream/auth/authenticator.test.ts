import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { headOf } from '../../../test/support/upstream/upstream-answer.ts';
import { fixedCredentials } from '../credentials/credential-source.ts';
import type { ResponseHead } from '../transport/head.ts';
import { Authenticator, type AuthenticatorOptions } from './authenticator.ts';
import { TokenCache } from './tokens.ts';

const patient = new AbortController().signal;
const scope = 'repository:library/app:pull';
const bearer = 'Bearer realm="https://r.test/token",service="s"';
const basic = 'Basic realm="r"';
const credentials = fixedCredentials({ username: 'u', password: 'p' });
const basicValue = 'Basic dTpw';

function challengeOf(value: string): ResponseHead {
  return headOf(401, { 'www-authenticate': value });
}

/** An authenticator whose server answers `/v2/` so; its token server gives out token-1, token-2 and so on. */
function setUp(pingAnswer: ResponseHead | (() => Promise<ResponseHead>), options: Partial<AuthenticatorOptions> = {}) {
  const seen = { pings: 0, tokens: [] as URL[] };
  const tokens = new TokenCache(async ({ url }) => {
    seen.tokens.push(url);
    return Buffer.from(`{"token":"token-${seen.tokens.length}"}`);
  }, new ManualClock());
  const authenticator = new Authenticator({
    server: new URL('https://r.test'),
    credentials: undefined,
    tokenHosts: [],
    tokens,
    ping: async () => {
      seen.pings++;
      return typeof pingAnswer === 'function' ? pingAnswer() : pingAnswer;
    },
    ...options,
  });
  const authorize = async () => (await authenticator.authorize(scope, patient))?.value;
  return { authenticator, authorize, seen };
}

describe('the first Authorization', () => {
  test('is a token where the ping asks for one; the server is pinged once', async () => {
    const { authorize, seen } = setUp(challengeOf(bearer));
    assert.deepEqual([await authorize(), await authorize()], ['Bearer token-1', 'Bearer token-1']);
    assert.equal(seen.pings, 1);
    assert.equal(seen.tokens[0]!.href, `https://r.test/token?service=s&scope=${encodeURIComponent(scope)}`);
  });

  test('is the password where the ping asks for it, and none when there is none', async () => {
    assert.equal(await setUp(challengeOf(basic), { credentials }).authorize(), basicValue);
    assert.equal(await setUp(challengeOf(basic)).authorize(), undefined);
  });

  test('is a token rather than the password where the server takes either', async () => {
    for (const both of [`${bearer}, ${basic}`, `${basic}, ${bearer}`]) {
      assert.equal(await setUp(challengeOf(both), { credentials }).authorize(), 'Bearer token-1');
    }
  });

  test('is the password where a token’s challenge names no realm', async () => {
    assert.equal(await setUp(challengeOf(`Bearer service="s", ${basic}`), { credentials }).authorize(), basicValue);
  });

  test('is none where the ping asks for nothing, or for nothing that we know', async () => {
    for (const head of [headOf(200), headOf(404), headOf(401), challengeOf('Negotiate'), challengeOf('@@')]) {
      const { authorize, seen } = setUp(head, { credentials });
      assert.deepEqual([await authorize(), await authorize()], [undefined, undefined]);
      assert.equal(seen.pings, 1);
    }
  });

  test('is none, for now, where the ping fails: the next request pings again', async () => {
    for (const status of [429, 500, 503]) {
      let answer = headOf(status);
      const { authorize, seen } = setUp(async () => answer);
      assert.equal(await authorize(), undefined);
      answer = challengeOf(bearer);
      assert.equal(await authorize(), 'Bearer token-1');
      assert.equal(seen.pings, 2);
    }
  });

  test('is none for a server that was met by a redirect: it is not even pinged', async () => {
    const stranger = new Authenticator({
      server: new URL('https://cdn.test'),
      credentials: undefined,
      tokenHosts: [],
      tokens: new TokenCache(() => assert.fail('no token is asked for'), new ManualClock()),
    });
    assert.equal(await stranger.authorize(scope, patient), undefined);
  });

  test('is refused where the realm is foreign, before anything is sent to it', async () => {
    const { authorize, seen } = setUp(challengeOf('Bearer realm="https://evil.example/token"'), { credentials });
    await assert.rejects(authorize(), { code: 'UNAVAILABLE', message: /evil\.example/ });
    assert.deepEqual(seen.tokens, []);
  });
});

describe('one ping serves all who wait for it', () => {
  /** A ping that answers when the test says so. */
  function setUpHeld() {
    const pings: (PromiseWithResolvers<ResponseHead> & { signal: AbortSignal })[] = [];
    const { authenticator } = setUp(headOf(200), {
      ping: (signal) => {
        const ping = { ...Promise.withResolvers<ResponseHead>(), signal };
        signal.addEventListener('abort', () => ping.reject(signal.reason));
        pings.push(ping);
        return ping.promise;
      },
    });
    return { authenticator, pings };
  }

  test('thirty-two requests ping once', async () => {
    const { authenticator, pings } = setUpHeld();
    const waiters = Array.from({ length: 32 }, () => authenticator.authorize(scope, patient));
    assert.equal(pings.length, 1);
    pings[0]!.resolve(challengeOf(bearer));
    for (const waiter of waiters) assert.equal((await waiter)?.value, 'Bearer token-1');
  });

  test('a request that leaves takes its own leave only', async () => {
    const { authenticator, pings } = setUpHeld();
    const leaver = new AbortController();
    const left = authenticator.authorize(scope, leaver.signal); // the one that pings
    const stayed = authenticator.authorize(scope, patient);
    const reason = new Error('client gone');
    leaver.abort(reason);
    await assert.rejects(left, reason);
    assert.equal(pings[0]!.signal.aborted, false);
    pings[0]!.resolve(challengeOf(bearer));
    assert.equal((await stayed)?.value, 'Bearer token-1');
    assert.equal(pings.length, 1);
  });

  test('a request that waits for another’s ping can leave, too', async () => {
    const { authenticator, pings } = setUpHeld();
    const leaver = new AbortController();
    const stayed = authenticator.authorize(scope, patient);
    const left = authenticator.authorize(scope, leaver.signal);
    leaver.abort(new Error('client gone'));
    await assert.rejects(left, /client gone/);
    pings[0]!.resolve(headOf(200));
    assert.equal(await stayed, undefined);
  });

  test('a ping that failed is the failure of all who waited, and the next request pings again', async () => {
    const { authenticator, pings } = setUpHeld();
    const waiters = [authenticator.authorize(scope, patient), authenticator.authorize(scope, patient)];
    pings[0]!.reject(new Error('unreachable'));
    for (const waiter of waiters) await assert.rejects(waiter, /unreachable/);
    const next = authenticator.authorize(scope, patient);
    pings[1]!.resolve(headOf(200));
    assert.equal(await next, undefined);
  });
});

describe('after a 401', () => {
  test('a token that was refused is replaced', async () => {
    const { authenticator } = setUp(challengeOf(bearer));
    const sent = await authenticator.authorize(scope, patient);
    const next = await authenticator.reauthorize(challengeOf(bearer), scope, sent, patient);
    assert.equal(next?.value, 'Bearer token-2');
  });

  test('a token that others have replaced meanwhile is taken from them', async () => {
    const { authenticator, seen } = setUp(challengeOf(bearer));
    const sent = await authenticator.authorize(scope, patient);
    const both = await Promise.all(
      [1, 2].map(() => authenticator.reauthorize(challengeOf(bearer), scope, sent, patient)),
    );
    const late = await authenticator.reauthorize(challengeOf(bearer), scope, sent, patient);
    assert.deepEqual(
      [...both, late].map((next) => next?.value),
      ['Bearer token-2', 'Bearer token-2', 'Bearer token-2'],
    );
    assert.equal(seen.tokens.length, 2);
  });

  test('a password that was refused is not sent again', async () => {
    const { authenticator } = setUp(challengeOf(basic), { credentials });
    const sent = await authenticator.authorize(scope, patient);
    assert.equal(await authenticator.reauthorize(challengeOf(basic), scope, sent, patient), undefined);
  });

  test('what the server wants now is answered, whatever the ping said', async () => {
    const { authenticator, authorize, seen } = setUp(headOf(200), { credentials });
    assert.equal(await authorize(), undefined);
    const next = await authenticator.reauthorize(challengeOf(bearer), scope, undefined, patient);
    assert.equal(next?.value, 'Bearer token-1');
    assert.equal(await authorize(), 'Bearer token-1'); // and from now on at once
    assert.equal(seen.pings, 1);
  });

  test('a refusal without a challenge that we know is final', async () => {
    const { authenticator } = setUp(challengeOf(bearer));
    const sent = await authenticator.authorize(scope, patient);
    for (const head of [headOf(401), challengeOf('Negotiate abc=')]) {
      assert.equal(await authenticator.reauthorize(head, scope, sent, patient), undefined);
    }
  });
});
