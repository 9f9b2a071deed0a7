import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { addAuthority } from '../../../src/proxy/ca/authority-folder.ts';
import { makeAuthority } from '../../../src/proxy/ca/certificates.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { askConnect, shakeHands } from '../../support/stages/proxy-client.ts';
import { startTestCache, type TestCacheOptions } from '../../support/stages/test-cache.ts';
import { ManualClock } from '../../support/time/clock.ts';

const hosts = ['origin.test', 'other.test'];
const nowMs = Date.now();

/** A proxy door with an authority for one of two registries, and a clock that tells when it looks for another. */
async function openStage(t: TestContext, more: (folder: string) => Partial<TestCacheOptions> = () => ({})) {
  const data = tmpDir(t);
  const folder = join(data, 'ca');
  const clock = new ManualClock(nowMs);
  const upstreams = hosts.map((name) => ({ name, urls: [new URL(`https://${name}`)] }));
  const first = await addAuthority(folder, [hosts[0]!], nowMs - 86_400_000);
  const cache = await startTestCache({ data, upstreams, clock, proxy: {}, ...more(folder) });
  t.after(() => cache.stop());
  const isLook = (delayMs: number) => delayMs === 2_000;
  await clock.nextSleep(isLook);
  const settle = async () => {
    for (const _look of [1, 2]) {
      clock.advance(2_000);
      await clock.nextSleep(isLook);
    }
  };
  const bundle = async () => (await rawFetch(`${cache.url}/ca.crt`)).body.toString();
  /** Who signed for a host, as a client finds it that trusts what it fetches now. */
  const issuerFor = async (host: string) => {
    const { status, socket } = await askConnect(cache.proxyPort, `${host}:443`);
    assert.equal(status, 200);
    const secure = await shakeHands(socket, { servername: host, ca: await bundle() });
    const { issuer } = new X509Certificate(secure.getPeerCertificate().raw);
    secure.destroy();
    return issuer;
  };
  return { cache, folder, first, settle, bundle, issuerFor };
}

const subjectOf = ({ cert }: { readonly cert: string }) => new X509Certificate(cert).subject;

test('a running server takes a renewed authority for what the old one may not sign, and gives both', async (t) => {
  const { cache, folder, first, settle, bundle, issuerFor } = await openStage(t);
  assert.equal(await bundle(), first.cert);
  assert.equal(await issuerFor(hosts[0]!), subjectOf(first));
  const renewed = await addAuthority(folder, hosts, nowMs);
  await settle();
  assert.equal(await bundle(), renewed.cert + first.cert);
  assert.equal(await issuerFor(hosts[0]!), subjectOf(first)); // most clients know that one alone
  assert.equal(await issuerFor(hosts[1]!), subjectOf(renewed));
  const { facts } = await cache.event('authorities read again');
  assert.deepEqual(facts, { path: renewed.path, hosts, count: 2 });
  const script = (await rawFetch(`${cache.url}/setup/proxy.sh`)).body.toString();
  for (const { cert } of [renewed, first]) assert.ok(script.includes(cert.trim()));
});

test('one that is taken away signs for nothing any more', async (t) => {
  const { folder, first, settle, bundle, issuerFor } = await openStage(t);
  const renewed = await addAuthority(folder, hosts, nowMs);
  await settle();
  assert.equal(await issuerFor(hosts[0]!), subjectOf(first));
  rmSync(first.path);
  await settle();
  assert.equal(await bundle(), renewed.cert);
  assert.equal(await issuerFor(hosts[0]!), subjectOf(renewed));
});

test('what cannot be read leaves what was read before in use, and says so', async (t) => {
  const { cache, folder, first, settle, bundle, issuerFor } = await openStage(t);
  writeFileSync(first.path, 'no certificate');
  await settle();
  assert.equal(await bundle(), first.cert);
  assert.equal(await issuerFor(hosts[0]!), subjectOf(first));
  assert.equal((await cache.event('authority cannot be read')).facts['path'], first.path);
  const renewed = await addAuthority(folder, hosts, nowMs);
  await settle();
  assert.equal(await bundle(), renewed.cert + first.cert);
  const aside = join(folder, 'aside');
  for (const name of readdirSync(folder)) renameSync(join(folder, name), `${aside}-${name}`);
  await settle();
  assert.equal(await bundle(), renewed.cert + first.cert);
  await cache.event('authorities cannot be read again, those before are kept');
});

test('an authority that was brought is read again, once its certificate and key fit together', async (t) => {
  const pairs = await Promise.all([makeAuthority(hosts, nowMs), makeAuthority(hosts, nowMs)]);
  const [before, after] = pairs as [(typeof pairs)[0], (typeof pairs)[0]];
  let ca = { cert: '', key: '' };
  const { cache, settle, bundle, issuerFor } = await openStage(t, (folder) => {
    ca = { cert: join(folder, 'own.pem'), key: join(folder, 'own.key') };
    writeFileSync(ca.cert, before.cert);
    writeFileSync(ca.key, before.key);
    return { proxy: { ca } };
  });
  assert.equal(await bundle(), before.cert);
  writeFileSync(ca.cert, after.cert);
  await settle();
  assert.equal(await bundle(), before.cert);
  await cache.event('authorities cannot be read again, those before are kept');
  writeFileSync(ca.key, after.key);
  await settle();
  assert.equal(await bundle(), after.cert);
  assert.equal(await issuerFor(hosts[0]!), subjectOf(after));
});
