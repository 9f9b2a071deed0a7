import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { certificates } from '../../../test/support/tls/certs.ts';
import { checkServerPems, PemProblem, type ServerPems } from './certified-key.ts';

const { ca, server, client } = certificates();
const right: ServerPems = { cert: server.cert, key: server.key, clientCa: ca.cert };
const lines = (pem: string) => pem.trim().split('\n');
const broken = (pem: string) => [lines(pem)[0], 'AAAA', lines(pem).at(-1)].join('\n');
const locked = createPrivateKey(server.key).export({
  ...{ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'secret' },
}) as string;
const shortKey = generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey.export({ type: 'pkcs8', format: 'pem' });

test('a certificate with its key, alone, before its authority’s and with clients’, is valid for as long as it says', () => {
  const day = 24 * 3_600_000;
  for (const pems of [right, { ...right, clientCa: undefined }, { ...right, cert: server.cert + ca.cert }]) {
    const { fromMs, untilMs } = checkServerPems(pems);
    assert.equal(untilMs - fromMs, 2 * day);
    assert.ok(fromMs <= Date.now() && Date.now() < untilMs);
  }
});

const cases: readonly [string, Partial<ServerPems>, keyof ServerPems, RegExp][] = [
  ['an empty file for a certificate', { cert: '' }, 'cert', /^there is no certificate in it/],
  ['a key for a certificate', { cert: server.key }, 'cert', /^there is no certificate in it/],
  ['a certificate that is broken', { cert: broken(server.cert) }, 'cert', /^the certificate in it cannot be read$/],
  [
    'a further certificate that is broken',
    { cert: server.cert + broken(ca.cert) },
    'cert',
    /^it cannot be used for TLS/,
  ],
  ['the authority’s certificate before its own', { cert: ca.cert + server.cert }, 'key', /^it is not the key of/],
  ['a certificate for a key', { key: server.cert }, 'key', /^there is no key in it/],
  ['a key that is broken', { key: broken(server.key) }, 'key', /^it cannot be read$/],
  ['a key with a passphrase', { key: locked }, 'key', /^it needs a passphrase/],
  ['a key of another certificate', { key: client.key }, 'key', /^it is not the key of/],
  ['a key of another kind', { key: String(shortKey) }, 'key', /^it is not the key of/],
  ['clients’ authorities without a certificate', { clientCa: '\n' }, 'clientCa', /^there is no certificate in it/],
  ['a clients’ authority that is broken', { clientCa: broken(ca.cert) }, 'clientCa', /cannot be read$/],
];
for (const [what, wrong, part, reason] of cases) {
  test(`${what} is told, and nothing of what is in it`, () => {
    assert.throws(
      () => checkServerPems({ ...right, ...wrong }),
      (error: unknown) => {
        assert.ok(error instanceof PemProblem);
        assert.equal(error.part, part);
        assert.match(error.message, reason);
        for (const line of lines(server.key).slice(1, -1)) assert.ok(!error.message.includes(line));
        return true;
      },
    );
  });
}
