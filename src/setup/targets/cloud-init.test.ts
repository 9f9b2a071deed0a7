import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { setupViewOf, setupViews } from '../../../test/support/command/setup-views.ts';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import type { SetupView } from '../target.ts';
import { cloudInit } from './cloud-init.ts';
import { containerd } from './containerd.ts';
import { docker } from './docker.ts';

interface UserData {
  readonly write_files: readonly { path: string; owner: string; permissions: string; content: string }[];
  readonly runcmd: readonly (readonly string[])[];
}

function userDataOf(view: SetupView): UserData {
  const [file] = cloudInit.plan(view).files;
  const text = file?.render(undefined) ?? '';
  assert.match(text, /^#cloud-config\n/);
  return parse(text) as UserData;
}

/** Boots a machine with these files for the first time, and gives the files that it has then, and what was said. */
function boot(t: TestContext, view: SetupView, files: Readonly<Record<string, string>> = {}) {
  const root = tmpDir(t);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const run = () => {
    const [script] = userDataOf(view).write_files;
    const options = { input: script?.content ?? '', env: { PATH: process.env['PATH'], ENTREPOT_ROOT: root } };
    return execFileSync('sh', ['-s'], { ...options, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
  };
  const read = (path: string) => readFileSync(join(root, path), 'utf8');
  const all = () =>
    readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(root, path)).isFile());
  return { root, run, read, all };
}

test('the user data writes one script, and runs it', () => {
  for (const [kind, view] of Object.entries(setupViews)) {
    const { write_files: written, runcmd } = userDataOf(view);
    assert.deepEqual(runcmd, [['sh', '/usr/local/lib/entrepot/first-boot.sh']], kind);
    assert.equal(written.length, 1);
    assert.match(written[0]?.content ?? '', /^#!\/bin\/sh\n[\s\S]*\nexit 0\n$/);
  }
});

test('a new machine has the files of docker and containerd after its first boot, and a second one changes nothing', (t) => {
  const view = setupViews['secure']!;
  const machine = boot(t, view);
  assert.equal(machine.run(), '');
  const files = [...docker.plan(view).files, ...containerd.plan(view).files];
  for (const file of files) assert.equal(machine.read(file.path), file.render(undefined), file.path);
  assert.equal(machine.all().length, files.length + 1);
  assert.match(machine.read('etc/containerd/config.toml'), /config_path = "\/etc\/containerd\/certs\.d"/);
  assert.equal(machine.run(), '');
});

test('what the image brings is kept: daemon.json is merged, with its mode, and other files are left alone', (t) => {
  const machine = boot(t, setupViewOf(), {
    'etc/docker/daemon.json': '{"bip": "10.1.0.1/24", "registry-mirrors": ["https://a.test"]}',
    'etc/containerd/certs.d/ghcr.io/hosts.toml': 'server = "https://mine"\n',
    'etc/containerd/config.toml': 'version = 2\n',
  });
  chmodSync(join(machine.root, 'etc/docker/daemon.json'), 0o640);
  const said = machine.run();
  assert.deepEqual(JSON.parse(machine.read('etc/docker/daemon.json')), {
    bip: '10.1.0.1/24',
    'registry-mirrors': ['http://10.0.0.5:5000', 'https://a.test'],
    'insecure-registries': ['10.0.0.5:5000'],
  });
  assert.equal(statSync(join(machine.root, 'etc/docker/daemon.json')).mode & 0o777, 0o640);
  assert.equal(machine.read('etc/containerd/certs.d/ghcr.io/hosts.toml'), 'server = "https://mine"\n');
  assert.equal(machine.read('etc/containerd/config.toml'), 'version = 2\n');
  assert.match(said, /^entrepot: .*certs\.d\/ghcr\.io\/hosts\.toml is there already, and left as it is$/m);
  assert.match(said, /^entrepot: \/etc\/containerd\/config\.toml has no config_path/m);
});

test('a daemon.json with a mark of the byte order is merged, too', (t) => {
  const machine = boot(t, setupViewOf(), { 'etc/docker/daemon.json': '\ufeff{"mtu": 1400}\r\n' });
  machine.run();
  const { mtu, 'registry-mirrors': mirrors } = JSON.parse(machine.read('etc/docker/daemon.json'));
  assert.deepEqual([mtu, mirrors], [1400, ['http://10.0.0.5:5000']]);
});

test('a daemon.json that cannot be read is left alone, and a disk that cannot be written fails no boot', (t) => {
  const machine = boot(t, setupViewOf(), { 'etc/docker/daemon.json': '{"a": ', 'etc/containerd': 'a file in the way' });
  assert.match(machine.run(), /^entrepot: \/etc\/docker\/daemon\.json is left as it is$/m);
  assert.equal(machine.read('etc/docker/daemon.json'), '{"a": ');
});

test('docker is left out where it can have no mirror, and so it says', () => {
  const view = setupViewOf({ defaultRegistry: undefined });
  assert.doesNotMatch(userDataOf(view).write_files[0]?.content ?? '', /put '[^']*daemon\.json/);
  assert.match(cloudInit.plan(view).notes.join('\n'), /Docker is left out/);
});
