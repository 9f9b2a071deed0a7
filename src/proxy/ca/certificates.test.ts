import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { certificates } from '../../../test/support/tls/certs.ts';
import {
  type Authority,
  authorityLifeMs,
  leafLifeMs,
  makeAuthority,
  makeLeaf,
  readAuthority,
  skewMs,
} from './certificates.ts';

const nowMs = Date.now();

/** What `openssl verify` says of a leaf for a host, in its strictest mode. */
async function verify(t: TestContext, authority: Authority, host: string): Promise<string> {
  const folder = tmpDir(t);
  const { cert } = await makeLeaf(authority, host, nowMs);
  writeFileSync(join(folder, 'ca.crt'), authority.cert);
  writeFileSync(join(folder, 'leaf.crt'), cert);
  const args = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', join(folder, 'ca.crt')];
  const name = /^[\d.]+$|:/.test(host) ? ['-verify_ip', host] : ['-verify_hostname', host];
  try {
    execFileSync('openssl', [...args, ...name, join(folder, 'leaf.crt')], { stdio: 'pipe' });
    return 'ok';
  } catch (error) {
    return (error as { stderr: Buffer }).stderr.toString();
  }
}

test('a certificate for a configured host is taken by OpenSSL, one for another host is not', async (t) => {
  const authority = await makeAuthority(['ghcr.io', '10.1.2.3', '2001:db8::7'], nowMs);
  for (const host of ['ghcr.io', 'a.ghcr.io', '10.1.2.3', '2001:db8::7']) {
    assert.equal(await verify(t, authority, host), 'ok', host);
    assert.equal(authority.permits(host), true, host);
  }
  for (const host of ['example.com', 'notghcr.io', '10.1.2.4', '2001:db8::8']) {
    assert.match(await verify(t, authority, host), /permitted subtree violation|excluded subtree violation/, host);
    assert.equal(authority.permits(host), false, host);
  }
});

test('an authority that is not limited signs for everything', async (t) => {
  const authority = await makeAuthority(undefined, nowMs);
  for (const host of ['example.com', '10.1.2.4', '::1']) assert.equal(await verify(t, authority, host), 'ok', host);
});

test('a host that is too long for a common name has a certificate all the same', async (t) => {
  const host = `${'a'.repeat(60)}.${'b'.repeat(60)}.ghcr.io`;
  assert.equal(await verify(t, await makeAuthority(['ghcr.io'], nowMs), host), 'ok');
});

test('a certificate is short-lived, begins before now for clocks that are behind, and never outlives its authority', async () => {
  const authority = await makeAuthority(['ghcr.io'], nowMs);
  const times = async (atMs: number) => {
    const leaf = new X509Certificate((await makeLeaf(authority, 'ghcr.io', atMs)).cert);
    return [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
  };
  const second = (ms: number) => Math.floor(ms / 1000) * 1000;
  assert.deepEqual(await times(nowMs + 5 * skewMs), [
    second(nowMs + 4 * skewMs),
    second(nowMs + 5 * skewMs + leafLifeMs),
  ]);
  const lateMs = nowMs + authorityLifeMs - skewMs;
  assert.deepEqual(await times(lateMs), [second(lateMs - skewMs), second(nowMs + authorityLifeMs)]);
});

test('an authority that was made elsewhere signs, of whatever kind its key is', async (t) => {
  const brought = readAuthority(certificates().ca);
  assert.equal(brought.permits('anything.example.com'), true);
  assert.equal(await verify(t, brought, 'anything.example.com'), 'ok');
});

test('what is no authority is refused, and the error says why', () => {
  const { ca, server } = certificates();
  assert.throws(() => readAuthority(server), /none of an authority/);
  assert.throws(() => readAuthority({ cert: ca.cert, key: server.key }), /not that of the certificate/);
  assert.throws(() => readAuthority({ cert: 'nothing', key: ca.key }));
  assert.throws(() => readAuthority({ cert: ca.cert, key: 'nothing' }));
});
