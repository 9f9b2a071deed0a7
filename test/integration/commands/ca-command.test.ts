import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { addAuthority } from '../../../src/proxy/ca/authority-folder.ts';
import { runCommandLine } from '../../support/command/run-tool.ts';
import { tmpDir, type WithAfter } from '../../support/disk/tmp.ts';
import { certificates } from '../../support/tls/certs.ts';

const dayMs = 86_400_000;
/** The command line with a data folder and these registries. */
function commandLine(t: WithAfter, ...names: readonly string[]) {
  const data = join(tmpDir(t), 'data');
  const config = join(data, '..', 'entrepot.yaml');
  const setUp = (...hosts: readonly string[]) => {
    const entries = hosts.map((host) => host.split('=')); // NAME, or NAME=HOST where it is asked elsewhere
    const upstreams = Object.fromEntries(entries.map(([name, host = name]) => [name, { url: `https://${host}` }]));
    writeFileSync(config, JSON.stringify({ data, builtinUpstreams: false, upstreams }));
  };
  setUp(...names);
  const run = (...args: readonly string[]) => runCommandLine(['ca', ...args, '--config', config]);
  return { data, folder: join(data, 'ca'), setUp, run };
}

test('without an authority that is said, and one can be made before the server starts', async (t) => {
  const { folder, run } = commandLine(t, 'ghcr.io');
  const none = await run('show');
  assert.equal(none.code, 1);
  assert.match(none.error, /There is no authority in ".*" yet: the server makes one when it starts/);
  assert.equal(existsSync(folder), false);
  const { code, out } = await run('renew');
  assert.equal(code, 0);
  assert.match(out, /^Made Entrepot \S+ \w+, valid to \d{4}-\d\d-\d\d\n/);
  assert.match(out, /Then clients have to trust it/);
  assert.equal(readdirSync(folder).length, 2);
});

test('what an authority is, may sign for and signs is shown', async (t) => {
  const { folder, run } = commandLine(t, 'ghcr.io', 'corp.test=10.1.2.3:5443');
  await run('renew');
  const [name = ''] = readdirSync(folder).filter((entry) => entry.endsWith('.crt'));
  const cert = readFileSync(join(folder, name), 'utf8');
  const { subject, fingerprint256 } = new X509Certificate(cert);
  const { code, out, error } = await run('show');
  assert.deepEqual([code, error], [0, '']);
  for (const line of [
    subject.replace('CN=', ''),
    `  SHA-256:    ${fingerprint256}`,
    `  File:       ${join(folder, name)}`,
    '  May sign:   corp.test, ghcr.io, 10.1.2.3',
    '  Signs now:  every configured host',
  ]) {
    assert.ok(out.split('\n').includes(line), `${line}\n${out}`);
  }
  assert.equal((await run('show', '--pem')).out, cert);
  const json = JSON.parse((await run('show', '--json')).out);
  assert.deepEqual(json.authorities[0].hosts, ['corp.test', 'ghcr.io', '10.1.2.3']);
  assert.deepEqual(json.uncovered, []);
});

test('a registry that was added is named, and a renewal signs for it, beside the old one for the rest', async (t) => {
  const { setUp, run } = commandLine(t, 'ghcr.io');
  await run('renew');
  const old = JSON.parse((await run('show', '--json')).out).authorities[0];
  setUp('ghcr.io', 'quay.io');
  assert.match((await run('show')).out, /\nThe newest may not sign for quay\.io: run `entrepot ca renew`\n$/);
  const { code, out } = await run('renew');
  assert.equal(code, 0);
  const signsUntil = new Date(Date.now() + 30 * dayMs).toISOString().slice(0, 10);
  assert.ok(out.includes(`${old.subject} signs on until ${signsUntil}, for 1 of the hosts.`), out);
  assert.match(out, /The new one signs at once, as none before may, for:\n {2}quay\.io\n/);
  assert.ok(out.includes(`Clients have to trust the new one by ${signsUntil}`), out);
  const { authorities, uncovered } = JSON.parse((await run('show', '--json')).out);
  assert.deepEqual(
    authorities.map(({ signs }: { signs: string[] }) => signs),
    [['quay.io'], ['ghcr.io']],
  );
  assert.equal(authorities[1].sha256, old.sha256);
  assert.deepEqual(uncovered, []);
  assert.equal((await run('show', '--pem')).out.match(/BEGIN CERTIFICATE/g)?.length, 2);
});

test('an authority that is not limited covers every registry', async (t) => {
  const { setUp, run } = commandLine(t, 'ghcr.io');
  assert.match((await run('renew', '--set', 'proxy.constrain=false')).out, /^ {2}May sign: {3}every host$/m);
  setUp('ghcr.io', 'quay.io');
  assert.doesNotMatch((await run('show')).out, /may not sign/);
});

test('an authority whose time is over signs nothing, and says so', async (t) => {
  const { data, folder, run } = commandLine(t, 'ghcr.io');
  await addAuthority(folder, ['ghcr.io'], Date.now() - 11 * 365 * dayMs);
  const { out } = await run('show');
  assert.match(out, /^ {2}Valid: .*, which is over$/m);
  assert.match(out, /^ {2}Signs now: {2}nothing$/m);
  assert.match((await run('renew')).out, /Then clients have to trust it/);
  assert.equal(readdirSync(join(data, 'ca')).length, 4);
});

test('an authority that was brought is shown, and not renewed here', async (t) => {
  const { folder, run } = commandLine(t, 'ghcr.io');
  const files = tmpDir(t);
  const { ca } = certificates();
  const [cert, key] = [join(files, 'ca.crt'), join(files, 'ca.key')];
  writeFileSync(cert, ca.cert);
  writeFileSync(key, ca.key);
  const brought = ['--set', `proxy.ca.cert=${cert}`, '--set', `proxy.ca.key=${key}`];
  assert.match((await run('show', ...brought)).out, new RegExp(`File: +${cert}`));
  const { code, error } = await run('renew', ...brought);
  assert.equal(code, 1);
  assert.equal(
    error,
    `Cannot renew the authority in "${cert}": it was brought (proxy.ca); put a new one in its place\n`,
  );
  assert.equal(existsSync(folder), false);
  writeFileSync(key, 'nothing');
  const broken = await run('show', ...brought);
  assert.equal(broken.code, 1);
  assert.match(broken.error, /^Cannot use proxy\.ca ".*ca\.crt": .*\n$/);
});

test('an authority that cannot be read is told, and the others are shown', async (t) => {
  const { folder, run } = commandLine(t, 'ghcr.io');
  await run('renew');
  writeFileSync(join(folder, '1900000000000.crt'), 'nothing');
  const { code, out, error } = await run('show');
  assert.equal(code, 0);
  assert.match(error, /^Cannot read ".*1900000000000\.crt": /);
  assert.match(out, /Signs now: {2}every configured host/);
});
