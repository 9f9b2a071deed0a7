import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chownSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { Authorities, overlapMs } from './authorities.ts';
import { addAuthority, readAuthorities } from './authority-folder.ts';
import { leafLifeMs, makeAuthority } from './certificates.ts';

const dayMs = 24 * 60 * 60_000;

/** Which authority signed for a host. */
async function signerOf(authorities: Authorities, host: string): Promise<string> {
  return new X509Certificate((await authorities.leafFor(host)).cert).issuer;
}

const subjectOf = ({ cert }: { cert: string }) => new X509Certificate(cert).subject;

test('a certificate is made once for a host, and again when half its life is over', async () => {
  const clock = new ManualClock();
  const authorities = new Authorities([await makeAuthority(['ghcr.io'], clock.now())], clock);
  const first = await authorities.leafFor('ghcr.io');
  assert.equal(await authorities.leafFor('ghcr.io'), first);
  clock.advance(leafLifeMs / 2 - 1);
  assert.equal(await authorities.leafFor('ghcr.io'), first);
  clock.advance(1);
  assert.notEqual(await authorities.leafFor('ghcr.io'), first);
});

test('after a renewal the old authority signs what it may for a while, and the new one the rest', async () => {
  const clock = new ManualClock();
  const old = await makeAuthority(['ghcr.io'], clock.now());
  clock.advance(100 * dayMs);
  const renewed = await makeAuthority(['ghcr.io', 'quay.io'], clock.now());
  const authorities = new Authorities([renewed, old], clock);
  assert.equal(authorities.bundle, renewed.cert + old.cert);
  assert.deepEqual(authorities.hosts, ['ghcr.io', 'quay.io']);
  assert.equal(new Authorities([renewed, await makeAuthority(undefined, clock.now())], clock).hosts, undefined);
  assert.equal(await signerOf(authorities, 'ghcr.io'), subjectOf(old));
  assert.equal(await signerOf(authorities, 'quay.io'), subjectOf(renewed));
  assert.equal(authorities.signsUntilMs(old), Math.floor(clock.now() / 1000) * 1000 + overlapMs);
  assert.equal(authorities.signsUntilMs(renewed), renewed.notAfterMs);
  clock.advance(overlapMs + 2 * dayMs);
  assert.equal(await signerOf(authorities, 'ghcr.io'), subjectOf(renewed));
});

test('for a host that no authority may sign for there is no certificate', async () => {
  const clock = new ManualClock();
  const authorities = new Authorities([await makeAuthority(['ghcr.io'], clock.now())], clock);
  assert.equal(authorities.permits('quay.io'), false);
  await assert.rejects(authorities.leafFor('quay.io'), /No authority may sign for quay.io/);
});

test('an authority is found again in its folder, and its key is nobody else’s to read', async (t) => {
  const folder = join(tmpDir(t), 'ca');
  assert.deepEqual(await readAuthorities(folder), { authorities: [], broken: [] });
  const first = await addAuthority(folder, ['ghcr.io'], 1_700_000_000_000);
  const second = await addAuthority(folder, undefined, 1_800_000_000_000);
  const { authorities, broken } = await readAuthorities(folder);
  assert.deepEqual(
    authorities.map(({ cert, key }) => ({ cert, key })),
    [second, first].map(({ cert, key }) => ({ cert, key })),
  );
  assert.deepEqual(broken, []);
  for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.key'))) {
    assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
  }
  assert.equal(statSync(folder).mode & 0o777, 0o700);
});

test('an authority that root makes belongs to whom the data folder does', async (t) => {
  const data = tmpDir(t);
  if (process.getuid?.() === 0) chownSync(data, 1234, 1235); // others can make files of their own only
  const { uid, gid } = statSync(data);
  const folder = join(data, 'ca');
  await addAuthority(folder, undefined, 1_700_000_000_000);
  for (const path of [folder, ...readdirSync(folder).map((name) => join(folder, name))]) {
    assert.deepEqual([statSync(path).uid, statSync(path).gid], [uid, gid], path);
  }
});

test('what is broken in the folder is told and left, and the others are used', async (t) => {
  const folder = join(tmpDir(t), 'ca');
  const made = await addAuthority(folder, undefined, 1_700_000_000_000);
  writeFileSync(join(folder, '1800000000000.crt'), 'not a certificate');
  writeFileSync(join(folder, '1800000000000.key'), made.key);
  const { authorities, broken } = await readAuthorities(folder);
  assert.equal(authorities.length, 1);
  assert.deepEqual(
    broken.map(({ path }) => path),
    [join(folder, '1800000000000.crt')],
  );
});
