import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { runProgram } from '../../../src/cli/program.ts';
import { setupTargets } from '../../../src/setup/targets.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { certificates } from '../../support/tls/certs.ts';

async function run(args: readonly string[], { isRead = false } = {}) {
  const said = { out: '', error: '' };
  const code = await runProgram(args, {
    env: {},
    isRead,
    writeOut(text) {
      said.out += text;
    },
    writeError(text) {
      said.error += text;
    },
  });
  return { code, ...said };
}

async function succeed(args: readonly string[], how?: { isRead: boolean }): Promise<string> {
  const { code, out, error } = await run(args, how);
  assert.deepEqual([code, error], [0, '']);
  return out;
}

const address = ['--address', 'cache.lan:5000'];

test('without a target there is a line for each', async () => {
  const lines = (await succeed(['setup'])).trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => line.split(' ')[0]),
    setupTargets.map(({ name }) => name),
  );
  const listed = JSON.parse(await succeed(['setup', '--json']));
  assert.deepEqual(listed[0].shapes, setupTargets[0]?.shapes);
});

test('a single file is printed as it is where nobody reads it, and with all that is to be known where somebody does', async () => {
  const saved = await succeed(['setup', 'k3s', ...address, '--only', 'ghcr.io']);
  assert.deepEqual(parse(saved), { mirrors: { 'ghcr.io': { endpoint: ['http://cache.lan:5000'] } } });
  const read = await succeed(['setup', 'k3s', ...address, '--only', 'ghcr.io'], { isRead: true });
  assert.ok(read.includes(`==> /etc/rancher/k3s/registries.yaml <==`));
  assert.ok(read.includes(saved));
  assert.match(read, /^Then run:\n\n {2}systemctl restart k3s/m);
});

test('one file of several is printed by its path, or the end of it', async () => {
  const hub = '/etc/containerd/certs.d/docker.io/hosts.toml';
  const text = await succeed(['setup', 'containerd', ...address, '--file', hub]);
  assert.match(text, /^\[host\."http:\/\/cache\.lan:5000"\]$/m);
  assert.equal(await succeed(['setup', 'containerd', ...address, '--file', 'docker.io/hosts.toml']), text);
  const { code, error } = await run(['setup', 'containerd', '--only', 'ghcr.io', '--file', hub]);
  assert.equal(code, 1);
  assert.match(error, /^Cannot find the file ".*docker\.io\/hosts\.toml" of containerd: there are .*ghcr\.io/);
});

test('as JSON there is all of a plan', async () => {
  const plan = JSON.parse(await succeed(['setup', 'containerd', ...address, '--only', 'ghcr.io', '--json']));
  assert.equal(plan.target, 'containerd');
  assert.deepEqual(
    plan.files.map(({ path, mode }: { path: string; mode: string }) => [path, mode]),
    [['/etc/containerd/certs.d/ghcr.io/hosts.toml', '0644']],
  );
  assert.equal(plan.steps.length, 1);
});

test('the script that writes the files is printed, too', async (t) => {
  const script = await succeed(['setup', 'kind', ...address, '--only', 'ghcr.io', '--script']);
  const folder = tmpDir(t);
  execFileSync('sh', ['-s'], { cwd: folder, input: script });
  assert.deepEqual(readdirSync(folder).sort(), ['kind-certs.d', 'kind.yaml']);
});

test('registries.yaml has a command of its own', async () => {
  assert.equal(await succeed(['registries', ...address]), await succeed(['setup', 'k3s', ...address]));
  const { mirrors } = parse(await succeed(['registries', ...address, '--shape', 'vhost', '--domain', 'cache.lan']));
  assert.deepEqual(mirrors['quay.io'].endpoint, ['http://quay.io.cache.lan:5000']);
});

test('where nothing is said of the address, it is the door on this machine, and that is told', async () => {
  const text = await succeed(['setup', 'containerd', '--listen', ':6000'], { isRead: true });
  assert.match(text, /\[host\."http:\/\/127\.0\.0\.1:6000"\]/);
  assert.match(text, /^- http:\/\/127\.0\.0\.1:6000 is for this machine alone: --address gives/m);
  assert.match((await run(['setup', 'containerd', '--listen', ':0'])).error, /^Cannot tell where the door is/);
});

function tlsFlags(t: TestContext, chain: string, key: string): string[] {
  const folder = tmpDir(t);
  writeFileSync(join(folder, 'cert.pem'), chain);
  writeFileSync(join(folder, 'key.pem'), key);
  return [`doors.registry.tls.cert=${folder}/cert.pem`, `doors.registry.tls.key=${folder}/key.pem`].flatMap((set) => [
    '--set',
    set,
  ]);
}

test('a door of TLS is called as its certificate is, and clients are given the authority that is named', async (t) => {
  const { ca, server } = certificates();
  const flags = tlsFlags(t, server.cert, server.key);
  const url = 'https://localhost:5000';
  assert.match(await succeed(['setup', 'containerd', ...flags]), new RegExp(`\\[host\\."${url}"\\]`));
  const file = join(tmpDir(t), 'ca.pem');
  writeFileSync(file, `of the test\n${ca.cert}`);
  const authority = await succeed(['setup', 'k3s', ...flags, '--tls-ca', file, '--file', 'entrepot-ca.crt']);
  assert.equal(authority, ca.cert);
  const { configs } = parse(await succeed(['registries', ...flags, '--tls-ca', file]));
  assert.deepEqual(configs, { 'localhost:5000': { tls: { ca_file: '/etc/rancher/k3s/entrepot-ca.crt' } } });
  writeFileSync(file, '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n');
  assert.match(
    (await run(['setup', 'k3s', '--tls-ca', file])).error,
    /^Cannot use --tls-ca ".*": it holds no certificate/,
  );
});

test('--merge puts it into the files that are there', async (t) => {
  const folder = tmpDir(t);
  const before = process.cwd();
  t.after(() => process.chdir(before));
  mkdirSync(join(folder, 'work'));
  process.chdir(join(folder, 'work'));
  writeFileSync('cluster.yaml', 'metadata: { name: mine }\n');
  const args = ['setup', 'kops', ...address, '--only', 'ghcr.io', '--merge', '--file', 'cluster.yaml'];
  const merged = parse(await succeed(args));
  assert.deepEqual(merged.metadata, { name: 'mine' });
  assert.deepEqual(merged.spec.containerd.registryMirrors, { 'ghcr.io': ['http://cache.lan:5000'] });
});

// Port 80 was meant by a host alone: the files of the clients pointed to where nothing was.
test('a host alone has the port of the door, and that is said', async () => {
  const ask = (...args: string[]) => run(['registries', '--only', 'ghcr.io', ...args]);
  const endpointOf = (out: string) => parse(out).mirrors['ghcr.io'].endpoint[0];
  const taken = await ask('--address', '10.0.0.1', '--listen', ':5055');
  assert.deepEqual([taken.code, endpointOf(taken.out)], [0, 'http://10.0.0.1:5055']);
  assert.equal(
    taken.error,
    '--address 10.0.0.1 is taken for http://10.0.0.1:5055, as the registry door listens there; for port 80 give ' +
      'http://10.0.0.1\n',
  );
  const given = await ask('--address', 'http://cache.example');
  assert.deepEqual([given.error, endpointOf(given.out)], ['', 'http://cache.example']);
  const unknown = await ask('--address', '10.0.0.1', '--listen', ':0');
  assert.deepEqual([unknown.code, unknown.out], [1, '']);
  assert.match(unknown.error, /^Cannot tell the port of "10\.0\.0\.1": .* give the port/);
});

test('what cannot be is said, with what can', async () => {
  for (const [args, message] of [
    [['setup', 'nope'], /^Cannot set up "nope": there are docker, containerd, /],
    [['setup', 'k3s', '--only', 'nope.io'], /^Cannot find registry "nope\.io": there are docker\.io, /],
    [['setup', 'k3s', '--shape', 'nope'], /^Cannot use the shape "nope": there are vhost, alias, ns/],
    [['setup', 'k3s', '--shape', 'vhost'], /^Cannot use virtual hosts: no domain is configured/],
    [['setup', 'kops', '--shape', 'alias'], /^Cannot set up kops by alias: it understands ns, vhost/],
    [
      ['setup', 'k3s', '--address', 'http://me:secret@10.0.0.5'],
      /^Cannot use the address "http:\/\/…@10\.0\.0\.5": expected/,
    ],
    [['setup', 'k3s', '--address', 'http://a/b'], /^Cannot use the address "http:\/\/a\/b": expected a host/],
    [['setup', 'k3s', '--tls-ca', '/nowhere'], /^Cannot read "\/nowhere": no such file or directory \(ENOENT\)/],
  ] as const) {
    const { code, out, error } = await run(args);
    assert.deepEqual([code, out], [1, ''], args.join(' '));
    assert.match(error, message);
  }
});
