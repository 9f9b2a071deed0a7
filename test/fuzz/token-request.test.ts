import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClientTokens } from '../../src/cache/guard/proofs/client-tokens.ts';
import { RegistryError } from '../../src/oci/errors.ts';
import { anonymousToken, isWithoutLogin, type TokenRequest } from '../../src/oci/wire/token.ts';
import { parseChallenges } from '../../src/upstream/auth/challenge.ts';
import { KnownRealms } from '../../src/upstream/auth/known-realms.ts';
import { passOnLogin } from '../../src/upstream/auth/pass-on-login.ts';
import type { TokenRequest as ServerRequest } from '../../src/upstream/auth/tokens.ts';
import { TransportError } from '../../src/upstream/transport/errors.ts';
import { renderHead } from '../../src/upstream/transport/head.ts';
import { ManualClock } from '../support/time/clock.ts';

const never = new AbortController().signal;

const name = fc.oneof(
  fc.constantFrom('scope', 'service', 'account', 'realm', 'password', 'refresh_token', 'grant_type', 'offline_token'),
  fc.string({ maxLength: 10 }),
);
const value = fc.oneof(
  fc.constantFrom('repository:lib/app:pull', 'repository:lib/open:pull', 'repository::', 'true', '', 'a\r\nHost: evil'),
  fc.constantFrom('https://evil.test/', '../..', '%00', '#', '?', '&', '\ud800', 'repository:LIB/App:pull'),
  fc.string({ maxLength: 30, unit: 'binary' }),
);
const parameters = fc.array(fc.tuple(name, value), { maxLength: 6 }).map((pairs) => new URLSearchParams(pairs));
const raw = fc.string({ maxLength: 60 }).map((text) => new URLSearchParams(text));
const authorization = fc.option(
  fc.oneof(
    fc.constantFrom('Basic YTpi', 'Basic Og==', `Bearer ${anonymousToken}`, `bearer  ${anonymousToken}~`, 'Bearer x'),
    // What node:http lets through.
    fc.stringMatching(/^[\x21-\x7e][\x20-\x7e]{0,30}$/),
  ),
  { nil: undefined },
);
const request: fc.Arbitrary<TokenRequest> = fc.record({
  authorization,
  query: fc.oneof(parameters, raw),
  form: fc.option(fc.oneof(parameters, raw), { nil: undefined }),
});

/** What is sent to a realm that cannot be reached. */
async function sentFor(realm: URL, asked: TokenRequest): Promise<ServerRequest> {
  let sent: ServerRequest | undefined;
  const send = async (one: ServerRequest) => {
    sent = one;
    throw new TransportError('CONNECT_FAILED', 'no way there');
  };
  await assert.rejects(passOnLogin(send, realm, asked, never), (error) => error instanceof RegistryError);
  return sent!;
}

test('whatever a client asks with, it goes to the realm, in one request, and never with a token of ours', async () => {
  const realm = new URL('https://auth.test/token?tenant=one');
  await fc.assert(
    fc.asyncProperty(request, async (asked) => {
      const { method, url, headers, body = '' } = await sentFor(realm, asked);
      assert.deepEqual([url.origin, url.pathname, url.username], ['https://auth.test', '/token', '']);
      assert.equal(url.searchParams.get('tenant'), 'one');
      assert.equal(method, asked.form === undefined ? 'GET' : 'POST');
      assert.match(body, /^[\x21-\x7e]*$/);
      assert.ok(!Object.values(headers).some((one) => one.includes(anonymousToken)));
      const head = renderHead(method, `${url.pathname}${url.search}`, Object.entries(headers));
      assert.equal(head.split('\r\n').length, 1 + Object.keys(headers).length + 2);
      // What was said arrives as it was meant.
      assert.deepEqual([...url.searchParams].slice(1), [...new URLSearchParams(String(asked.query))]);
      assert.deepEqual([...new URLSearchParams(body)], [...new URLSearchParams(String(asked.form ?? ''))]);
    }),
    { numRuns: 3_000 },
  );
});

test('whatever a client asks with, only who logs in, or wants what is guarded, costs upstream anything', async () => {
  await fc.assert(
    fc.asyncProperty(request, async (asked) => {
      let passedOn = 0;
      const tokens = new ClientTokens({
        mode: 'auto',
        kinds: { learn: async (repository) => (repository === 'lib/app' ? 'guarded' : undefined) },
        upstream: {
          renameRealm: () => undefined,
          async passOnLogin() {
            passedOn++;
            return { status: 401, headers: {}, body: Buffer.from('no') };
          },
        },
        challenge: async () => undefined,
        clock: new ManualClock(),
      });
      const { status, body } = await tokens.answer('0'.repeat(16), asked, never);
      const scopes = [...asked.query.getAll('scope'), ...(asked.form?.getAll('scope') ?? [])];
      const wantsGuarded = scopes.some((scope) => scope.split(' ').includes('repository:lib/app:pull'));
      const isPassedOn = !isWithoutLogin(asked) || wantsGuarded;
      assert.deepEqual([passedOn, status], isPassedOn ? [1, 401] : [0, 200]);
      if (!isPassedOn) assert.equal(JSON.parse(Buffer.from(body).toString()).token, anonymousToken);
    }),
    { numRuns: 3_000 },
  );
});

const parameterText = fc.string({ maxLength: 20, unit: fc.constantFrom(...'ab ,=;"\\\t/:') });

test('whatever a challenge says beside its realm, it says still when that is ours', () => {
  const registry = new URL('https://registry.test');
  const realm = 'https://registry.test/token';
  const place = 'https://registry.test/entrepot/token/';
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), parameterText, { maxKeys: 4 }), (others) => {
      const { realm: _realm, ...more } = others;
      const quote = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
      const all = Object.entries({ realm, ...more }).map(([key, text]) => `${key}=${quote(text)}`);
      const header = `Bearer ${all.join(',')}`;
      const realms = new KnownRealms(registry, []);
      realms.note({ status: 401, headers: new Map([['www-authenticate', header]]), persistent: true });
      const [renamed, ...none] = parseChallenges(realms.rename(header, place) ?? '');
      assert.equal(none.length, 0);
      const { realm: ours, ...kept } = Object.fromEntries(renamed!.parameters);
      assert.ok(ours?.startsWith(place));
      assert.deepEqual(kept, more);
    }),
    { numRuns: 2_000 },
  );
});
