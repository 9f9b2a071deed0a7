import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { basicAuthorization, TokenCache, type TokenQuestion, type TokenRequest } from './tokens.ts';

const patient = new AbortController().signal;
const question: TokenQuestion = {
  realm: new URL('https://auth.test/token?account=a'),
  service: 'registry.test',
  scope: 'repository:library/app:pull',
  credentials: undefined,
};

interface Asked extends TokenRequest {
  readonly signal: AbortSignal;
}

/** A token cache over a server that answers with these bodies in turn, then with token-1, token-2 and so on. */
function setUp(...bodies: unknown[]) {
  const clock = new ManualClock();
  const asked: Asked[] = [];
  const cache = new TokenCache(async (request, signal) => {
    asked.push({ ...request, signal });
    const body = bodies[asked.length - 1] ?? { token: `token-${asked.length}`, expires_in: 300 };
    return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  }, clock);
  return {
    clock,
    asked,
    cache,
    get: (changes: Partial<TokenQuestion> = {}) => cache.get({ ...question, ...changes }, patient),
  };
}

describe('what is asked of the token server', () => {
  test('service and scope stand in the query, beside what the realm has in its own', async () => {
    const { asked, get } = setUp();
    await get();
    const { origin, pathname, searchParams } = asked[0]!.url;
    assert.equal(origin + pathname, 'https://auth.test/token');
    assert.deepEqual(Object.fromEntries(searchParams), {
      account: 'a',
      service: 'registry.test',
      scope: 'repository:library/app:pull',
    });
    assert.deepEqual(asked[0]!.headers, {});
  });

  test('what the challenge did not name is left out', async () => {
    const { asked, get } = setUp();
    await get({ service: undefined, scope: undefined });
    assert.equal(asked[0]!.url.href, 'https://auth.test/token?account=a');
  });

  test('credentials go as basic authorization, in UTF-8, with all colons of the password', async () => {
    const { asked, get } = setUp();
    await get({ credentials: { username: 'ü', password: 'p:w' } });
    assert.equal(asked[0]!.headers['authorization'], `Basic ${Buffer.from('ü:p:w', 'utf8').toString('base64')}`);
    // RFC 7617, section 2: its own example.
    const example = basicAuthorization({ username: 'Aladdin', password: 'open sesame' });
    assert.equal(example, 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==');
  });

  test('an identity token goes in a form, by POST, and in no URL or header', async () => {
    const { asked, get } = setUp({ access_token: 'token-1' });
    assert.equal(await get({ credentials: { identityToken: 'i+d/t=' } }), 'token-1');
    const { method, url, headers, body } = asked[0]!;
    assert.deepEqual([method, url.href], ['POST', 'https://auth.test/token?account=a']);
    assert.deepEqual(headers, { 'content-type': 'application/x-www-form-urlencoded' });
    assert.deepEqual(Object.fromEntries(new URLSearchParams(body)), {
      grant_type: 'refresh_token',
      client_id: 'entrepot',
      service: 'registry.test',
      scope: 'repository:library/app:pull',
      refresh_token: 'i+d/t=',
    });
  });

  test('the realm that was handed in stays as it was', async () => {
    const { get } = setUp();
    await get();
    assert.equal(question.realm.href, 'https://auth.test/token?account=a');
  });
});

describe('a token is used again', () => {
  test('for the same question', async () => {
    const { asked, get } = setUp();
    assert.deepEqual([await get(), await get(), await get()], ['token-1', 'token-1', 'token-1']);
    assert.equal(asked.length, 1);
  });

  const others: Record<string, Partial<TokenQuestion>> = {
    scope: { scope: 'repository:library/other:pull' },
    service: { service: 'other' },
    realm: { realm: new URL('https://auth.test/token') },
    user: { credentials: { username: 'u', password: 'p' } },
  };
  for (const [what, changes] of Object.entries(others)) {
    test(`but not for another ${what}`, async () => {
      const { get } = setUp();
      assert.deepEqual([await get(), await get(changes), await get()], ['token-1', 'token-2', 'token-1']);
    });
  }

  test('but not for another password of the same user', async () => {
    const { get } = setUp();
    const tokens = [
      await get({ credentials: { username: 'u', password: 'old' } }),
      await get({ credentials: { username: 'u', password: 'new' } }),
    ];
    assert.deepEqual(tokens, ['token-1', 'token-2']);
  });
});

// How long a token that was answered so is used, in seconds.
const lives: Record<string, readonly [answer: object, usedSeconds: number]> = {
  '300 s is renewed when a tenth is left, which is 30 s': [{ expires_in: 300 }, 270],
  '900 s is renewed no more than 30 s early': [{ expires_in: 900 }, 870],
  '100 s is renewed when a tenth is left': [{ expires_in: 100 }, 90],
  'a life that is not told counts as 60 s': [{}, 54],
  '5 s counts as 60 s': [{ expires_in: 5 }, 54],
  '0 s counts as 60 s': [{ expires_in: 0 }, 54],
  'less than nothing counts as 60 s': [{ expires_in: -10 }, 54],
  'null counts as 60 s': [{ expires_in: null }, 54],
  'a word counts as 60 s': [{ expires_in: 'soon' }, 54],
  'a number in a string is a number': [{ expires_in: '300' }, 270],
};

describe('the life of a token: ', () => {
  for (const [what, [answer, usedSeconds]] of Object.entries(lives)) {
    test(what, async () => {
      const { clock, get } = setUp({ token: 'first', ...answer });
      assert.equal(await get(), 'first');
      clock.advance(usedSeconds * 1000 - 1);
      assert.equal(await get(), 'first');
      clock.advance(1);
      assert.equal(await get(), 'token-2');
    });
  }

  test('it begins when the token was asked for, not when it came', async () => {
    const clock = new ManualClock();
    let count = 0;
    const cache = new TokenCache(async () => {
      clock.advance(20_000);
      return Buffer.from(JSON.stringify({ token: `token-${++count}`, expires_in: 300 }));
    }, clock);
    await cache.get(question, patient);
    clock.advance(250_000 - 1);
    assert.equal(await cache.get(question, patient), 'token-1');
    clock.advance(1);
    assert.equal(await cache.get(question, patient), 'token-2');
  });
});

describe('a token that was refused', () => {
  test('is asked for anew', async () => {
    const { cache, get } = setUp();
    cache.reject(question, await get());
    assert.equal(await get(), 'token-2');
  });

  test('leaves the one in peace that has taken its place', async () => {
    const { cache, get, asked } = setUp();
    const first = await get();
    cache.reject(question, first);
    await get();
    cache.reject(question, first); // another request, whose refusal came later
    assert.equal(await get(), 'token-2');
    assert.equal(asked.length, 2);
  });

  test('leaves those of other questions in peace', async () => {
    const { cache, get } = setUp();
    const other = { scope: 'repository:b:pull' };
    const first = await get();
    await get(other);
    cache.reject(question, first);
    assert.equal(await get(other), 'token-2');
  });
});

describe('any number of waiters', () => {
  /** A token cache whose server answers when the test says so. */
  function setUpHeld() {
    const answers: PromiseWithResolvers<Uint8Array>[] = [];
    const signals: AbortSignal[] = [];
    const cache = new TokenCache((_request, signal) => {
      const answer = Promise.withResolvers<Uint8Array>();
      answers.push(answer);
      signals.push(signal);
      signal.addEventListener('abort', () => answer.reject(signal.reason));
      return answer.promise;
    }, new ManualClock());
    const answer = (index: number) => answers[index]!.resolve(Buffer.from(`{"token":"token-${index + 1}"}`));
    return { cache, answers, signals, answer };
  }

  test('share one request', async () => {
    const { cache, answers, answer } = setUpHeld();
    const waiters = Array.from({ length: 32 }, () => cache.get(question, patient));
    assert.equal(answers.length, 1);
    answer(0);
    assert.deepEqual(new Set(await Promise.all(waiters)), new Set(['token-1']));
  });

  test('get their token when the one who asked first has left', async () => {
    const { cache, answers, signals, answer } = setUpHeld();
    const leaver = new AbortController();
    const left = cache.get(question, leaver.signal);
    const stayed = cache.get(question, patient);
    const reason = new Error('client gone');
    leaver.abort(reason);
    await assert.rejects(left, reason);
    assert.equal(signals[0]!.aborted, false);
    answer(0);
    assert.equal(await stayed, 'token-1');
    assert.equal(answers.length, 1);
  });

  test('end the request when all have left, and the next asks anew', async () => {
    const { cache, signals, answer } = setUpHeld();
    const leaver = new AbortController();
    const left = cache.get(question, leaver.signal);
    leaver.abort(new Error('client gone'));
    await assert.rejects(left, /client gone/);
    assert.equal(signals[0]!.aborted, true);
    const next = cache.get(question, patient);
    answer(1);
    assert.equal(await next, 'token-2');
  });

  test('share a failure, which is not remembered', async () => {
    const { cache, answers, answer } = setUpHeld();
    const waiters = [cache.get(question, patient), cache.get(question, patient)];
    answers[0]!.reject(new Error('down'));
    for (const waiter of waiters) await assert.rejects(waiter, /down/);
    const next = cache.get(question, patient);
    answer(1);
    assert.equal(await next, 'token-2');
  });
});

describe('the answer of a token server', () => {
  test('may name the token as OAuth 2 does', async () => {
    assert.equal(await setUp({ access_token: 'oauth' }).get(), 'oauth');
    assert.equal(await setUp({ token: '', access_token: 'oauth' }).get(), 'oauth');
    assert.equal(await setUp({ token: 'own', access_token: 'oauth' }).get(), 'own');
  });

  const nonsense: Record<string, unknown> = {
    'no JSON': '<html>',
    nothing: '""',
    'a list': [],
    null: 'null',
    'no token': { expires_in: 300 },
    'an empty token': { token: '' },
    'a token that is no text': { token: 5 },
    'a token that would end its header': { token: 'a\r\nX-Evil: 1' },
    'a token with a blank': { token: 'a b' },
  };
  for (const [what, body] of Object.entries(nonsense)) {
    test(`is refused when it is ${what}, and not remembered`, async () => {
      const { get } = setUp(body);
      await assert.rejects(get(), { name: 'RegistryError', code: 'UNAVAILABLE', message: /auth\.test/ });
      assert.equal(await get(), 'token-2');
    });
  }
});

test('ten thousand tokens are kept; then the oldest goes', async () => {
  const { get, asked } = setUp();
  const of = (index: number) => get({ scope: `repository:r${index}:pull` });
  for (let index = 0; index <= 10_000; index++) await of(index);
  assert.equal(await of(10_000), 'token-10001');
  assert.equal(await of(1), 'token-2');
  assert.equal(asked.length, 10_001);
  assert.equal(await of(0), 'token-10002');
});
