import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type FakeSystem, fakeSystem } from '../../../test/support/command/fake-system.ts';
import { shells } from '../../../test/support/pages/shells.ts';
import { proxyScript, quote } from './proxy-script.ts';

const golden = new URL('../../../test/golden/proxy-script/', import.meta.url);
const [newer, older] = ['new.pem', 'old.pem'].map((name) => readFileSync(new URL(name, golden), 'utf8')) as [
  string,
  string,
];
const made = { proxy: 'http://cache.lan:3128', hosts: ['docker.io', 'ghcr.io'] };
const script = proxyScript({ ...made, bundle: newer });

const release = (text: string) => ({ 'etc/os-release': `${text}\n` });
const systemd = (...names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [`usr/lib/systemd/system/${name}.service`, '[Service]\n']));
const debianStore = { 'usr/local/share/ca-certificates/corp.crt': 'of somebody else\n', 'etc/rc.d/keep': '' };
const updateCa = 'usr/sbin/update-ca-certificates';
const systemctl = 'usr/bin/systemctl';

/** The systems that the script knows, each with other things installed. */
const systems: Readonly<Record<string, (t: TestContext) => FakeSystem>> = {
  debian: (t) =>
    fakeSystem(
      t,
      {
        ...release('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian'),
        ...debianStore,
        ...systemd('docker', 'containerd'),
        'etc/systemd/system/docker.service.d/limits.conf': '[Service]\nLimitNOFILE=65536\n',
      },
      [updateCa, systemctl, 'usr/bin/podman'],
    ),
  ubuntu: (t) =>
    fakeSystem(
      t,
      {
        ...release('ID=ubuntu\nID_LIKE=debian'),
        ...debianStore,
        'etc/systemd/system/k3s.service': '[Service]\nEnvironmentFile=-/etc/systemd/system/k3s.service.env\n',
        'etc/systemd/system/k3s.service.env':
          "K3S_TOKEN='s3cret'\nHTTPS_PROXY=http://corp:8080\nNO_PROXY='10.42.0.0/16,10.43.0.0/16,.svc,127.0.0.0/8'\n",
      },
      [updateCa, systemctl],
    ),
  fedora: (t) =>
    fakeSystem(
      t,
      {
        ...release('ID=fedora\nVERSION_ID=42'),
        'etc/containers/containers.conf': '[containers]\nenv = ["A=b"]\n[engine]\n# env = []\nrunc = "crun"\n',
      },
      ['usr/bin/update-ca-trust', systemctl, 'usr/bin/podman'],
    ),
  rocky: (t) =>
    fakeSystem(
      t,
      {
        ...release('ID="rocky"\nID_LIKE="rhel centos fedora"'),
        ...systemd('docker'),
        'etc/systemd/system/docker.service.d/no-proxy.conf':
          '[Service]\n#Environment=NO_PROXY=old.corp\nEnvironment="NO_PROXY=.corp,10.0.0.0/8,$(id)"\n',
      },
      ['usr/bin/update-ca-trust', systemctl],
    ),
  alpine: (t) =>
    fakeSystem(
      t,
      {
        ...release('NAME="Alpine Linux"\nID=alpine'),
        ...debianStore,
        'etc/init.d/docker': '#!/sbin/openrc-run\n',
        'etc/conf.d/docker': 'DOCKER_OPTS=""\nexport NO_PROXY="registry.lan"\n',
        'etc/init.d/k3s': '#!/sbin/openrc-run\n',
      },
      [updateCa, 'sbin/rc-service'],
    ),
  flatcar: (t) =>
    fakeSystem(
      t,
      { ...release('ID=flatcar\nID_LIKE=coreos'), ...systemd('docker', 'containerd'), 'etc/ssl/certs/own.pem': '' },
      [updateCa, systemctl],
    ),
};

const plain = (t: TestContext) => fakeSystem(t, { ...release('ID=debian'), ...systemd('docker') }, [updateCa]);

function succeed(system: FakeSystem, args: readonly string[], text = script, shell: readonly string[] = ['sh']) {
  const { code, out, error } = system.run(shell, text, args);
  assert.equal(error, '');
  assert.equal(code, 0, out);
  return out;
}

/** Runs the script where it cannot work; nothing may have changed. */
function fail(system: FakeSystem, args: readonly string[], text = script): string {
  const before = system.tree();
  const { code, error } = system.run(['sh'], text, args);
  assert.equal(code, 1);
  assert.deepEqual(system.tree(), before);
  assert.deepEqual(system.calls(), []);
  return error;
}

/** What a system has that it had not before, as the golden files have it. */
function describeChange(before: ReturnType<FakeSystem['tree']>, after: ReturnType<FakeSystem['tree']>): string {
  for (const [path, was] of Object.entries(before)) assert.equal(after[path], was, path);
  const added = Object.entries(after).filter(([path]) => !(path in before));
  return added.map(([path, text]) => `==> ${path} ${text}\n`).join('');
}

describe('on every system', () => {
  for (const [name, make] of Object.entries(systems)) {
    for (const shell of shells) {
      test(`${name}, ${shell.join(' ')}: it says what it does, does no more the second time, and undoes it all`, (t) => {
        const system = make(t);
        const before = system.tree();
        const out = succeed(system, [], script, shell);
        const calls = system.calls();
        const after = system.tree();
        const text = `${out}\n${calls.map((call) => `called: ${call}\n`).join('')}\n${describeChange(before, after)}`;
        const file = new URL(`${name}.txt`, golden);
        if (process.env['ENTREPOT_WRITE_GOLDEN']) writeFileSync(file, text);
        assert.equal(text, readFileSync(file, 'utf8'));

        assert.doesNotMatch(succeed(system, [], script, shell), /^write:/m);
        assert.deepEqual(system.tree(), after);
        assert.deepEqual(system.calls(), calls);

        const undone = succeed(system, ['--undo'], script, shell);
        assert.deepEqual(system.tree(), before);
        const fresh = ['debian', 'ubuntu'].includes(name) ? ' --fresh' : '';
        assert.deepEqual(system.calls(), [`${calls[0]}${fresh}`]);
        assert.equal(undone.match(/^remove: /gm)?.length, out.match(/^write: /gm)?.length);
        assert.match(succeed(system, ['--undo'], script, shell), /^There was nothing to remove$/m);
        assert.deepEqual(system.calls(), []);
      });
    }

    test(`${name}: a dry run says the same, and does nothing`, (t) => {
      const system = make(t);
      const before = system.tree();
      const dry = succeed(system, ['--dry-run']);
      assert.deepEqual(system.tree(), before);
      assert.deepEqual(system.calls(), []);
      assert.equal(dry, `${succeed(system, [])}Nothing was done: this was a dry run\n`);
      const after = system.tree();
      const undo = succeed(system, ['--undo', '--dry-run']);
      assert.deepEqual(system.tree(), after);
      assert.equal(undo, `${succeed(system, ['--undo'])}Nothing was done: this was a dry run\n`);
    });
  }
});

test('after a renewal the new authority is trusted too, later alone, and undone is everything', (t) => {
  const system = systems['rocky']!(t);
  const before = system.tree();
  const certificates = () => Object.keys(system.tree()).filter((path) => /entrepot-proxy-.*\.crt$/.test(path));
  succeed(system, [], proxyScript({ ...made, bundle: older }));
  const [first] = certificates();
  succeed(system, [], proxyScript({ ...made, bundle: newer + older }));
  assert.equal(certificates().length, 2);
  succeed(system, [], script);
  assert.equal(certificates().length, 1);
  assert.notEqual(certificates()[0], first);
  succeed(system, ['--undo'], script);
  assert.deepEqual(system.tree(), before);
});

test('the certificates that are written are those of the authority, byte for byte', (t) => {
  const system = plain(t);
  succeed(system, [], proxyScript({ ...made, bundle: newer + older }));
  const tree = system.tree();
  const texts = Object.keys(tree).flatMap((path) => (path.includes('entrepot-proxy-') ? [tree[path]] : []));
  for (const pem of [newer, older]) assert.equal(texts.filter((text) => text?.endsWith(pem)).length, 1);
});

test('services are restarted when that is asked for, in the way of the system', (t) => {
  const debian = systems['debian']!(t);
  succeed(debian, ['--restart', 'docker']);
  const restarted = ['systemctl daemon-reload', 'systemctl try-restart docker'];
  assert.deepEqual(debian.calls(), ['update-ca-certificates', ...restarted]);
  succeed(debian, ['--undo', '--restart']);
  assert.deepEqual(debian.calls(), ['update-ca-certificates --fresh', ...restarted]);
  const alpine = systems['alpine']!(t);
  succeed(alpine, ['--restart', 'docker']);
  assert.deepEqual(alpine.calls(), ['update-ca-certificates', 'rc-service --ifstarted docker restart']);
});

test('what is named alone is set up, and undone', (t) => {
  const system = systems['debian']!(t);
  const own = () => Object.keys(system.tree()).filter((path) => path.includes('entrepot-proxy.conf'));
  succeed(system, ['docker', 'podman']);
  assert.deepEqual(own(), [
    '/etc/containers/containers.conf.d/entrepot-proxy.conf',
    '/etc/systemd/system/docker.service.d/entrepot-proxy.conf',
  ]);
  const out = succeed(system, ['--undo', 'docker']);
  assert.deepEqual(own(), ['/etc/containers/containers.conf.d/entrepot-proxy.conf']);
  assert.match(out, /The authority stays/);
  assert.match(fail(plain(t), ['k3s']), /k3s is not installed here: nothing was changed/);
});

test('where nothing is installed the authority is trusted, and that is said', (t) => {
  const system = fakeSystem(t, release('ID=debian'), [updateCa]);
  assert.match(succeed(system, []), /Found none of docker containerd podman k3s: only the authority is trusted/);
});

test('another address of the proxy may be given, and a password in it is nobody else’s to read', (t) => {
  const system = plain(t);
  succeed(system, ['--proxy', 'http://ci:p%40ss@10.0.0.7:3128']);
  const text = system.tree()['/etc/systemd/system/docker.service.d/entrepot-proxy.conf'] ?? '';
  assert.match(text, /^600\n/);
  assert.match(text, /^Environment="HTTPS_PROXY=http:\/\/ci:p%%40ss@10\.0\.0\.7:3128"$/m);
  succeed(system, ['--proxy', 'http://[fd00::1]:3128']);
  const now = system.tree()['/etc/systemd/system/docker.service.d/entrepot-proxy.conf'] ?? '';
  assert.match(now, /^644\n(.*\n)+Environment="HTTPS_PROXY=http:\/\/\[fd00::1\]:3128"$/m);
  const fedora = systems['fedora']!(t);
  assert.match(fail(fedora, ['--proxy', 'http://ci:x@10.0.0.7:3128']), /podman reads the proxy as every user/);
});

test('more hosts may be given that are reached without the proxy', (t) => {
  const system = plain(t);
  succeed(system, ['--no-proxy', 'registry.lan,10.0.0.0/8,localhost']);
  const text = system.tree()['/etc/systemd/system/docker.service.d/entrepot-proxy.conf'] ?? '';
  assert.match(text, /^Environment="NO_PROXY=localhost,127\.0\.0\.0\/8,::1,registry\.lan,10\.0\.0\.0\/8"$/m);
  // Not the names of files that are like it.
  succeed(system, ['--no-proxy', '/*']);
  const now = system.tree()['/etc/systemd/system/docker.service.d/entrepot-proxy.conf'] ?? '';
  assert.match(now, /NO_PROXY=localhost,127\.0\.0\.0\/8,::1,\/\*"$/m);
  assert.match(fail(plain(t), ['--no-proxy', 'a$(id)']), /cannot use these hosts/);
});

test('whatever is in the way is told before anything is changed', (t) => {
  const drop = 'etc/systemd/system/docker.service.d';
  const cases: [path: string, text: string, expected: RegExp][] = [
    [
      `${drop}/http-proxy.conf`,
      '[Service]\nEnvironment="HTTPS_PROXY=http://corp:8080"\n',
      /http-proxy\.conf sets a proxy/,
    ],
    [`${drop}/entrepot-proxy.conf`, '[Service]\n', /entrepot-proxy\.conf is there already and was not made/],
    ['etc/docker/daemon.json', '{"proxies": {}}', /daemon\.json has "proxies"/],
  ];
  for (const [path, text, expected] of cases) {
    const system = plain(t);
    system.write(path, text);
    assert.match(fail(system, []), expected);
  }
  const linked = plain(t);
  linked.write(`${drop}/elsewhere`, '');
  symlinkSync('elsewhere', join(linked.root, drop, 'entrepot-proxy.conf'));
  assert.match(fail(linked, []), /was not made by this script/);
  const fedora = systems['fedora']!(t);
  fedora.write('etc/containers/containers.conf.d/own.conf', '[engine]\nenv = ["HTTPS_PROXY=http://corp:8080"]\n');
  assert.match(fail(fedora, []), /own\.conf sets env of \[engine\] for podman/);
});

test('files of others stay when it is undone, also those that are called as its own', (t) => {
  const system = plain(t);
  system.write('usr/local/share/ca-certificates/entrepot-proxy-own.crt', 'mine\n');
  const before = system.tree();
  succeed(system, []);
  succeed(system, ['--undo']);
  assert.deepEqual(system.tree(), before);
});

test('a system that is not known is told so, and so is a command that is missing or fails', (t) => {
  assert.match(fail(fakeSystem(t, release('ID=plan9'), []), []), /where this system \(plan9 \) keeps its authorities/);
  assert.match(fail(fakeSystem(t, { 'etc/hostname': '' }, []), []), /there is no \/etc\/os-release/);
  assert.match(fail(fakeSystem(t, release('ID=debian'), []), []), /install ca-certificates/);
  const broken = plain(t);
  broken.write(updateCa, '#!/bin/sh\necho "disk full" >&2\nexit 3\n', 0o755);
  const { code, error } = broken.run(['sh'], script, []);
  assert.equal(code, 1);
  assert.equal(error, 'disk full\nproxy.sh: update-ca-certificates failed\n');
});

// The programs of a mounted system were run with the machine's own files before them, and changed those.
test('what is run for a system in a folder is run in there, or nothing is done', (t) => {
  const system = plain(t);
  const denied = 'chroot() { echo "chroot: Operation not permitted" >&2; return 125; }\n';
  const before = system.tree();
  for (const args of [[], ['--undo']]) {
    const { code, error } = system.run(['sh'], denied + script, args);
    assert.equal(code, 1);
    assert.match(error, /^chroot: Operation not permitted\nproxy\.sh: cannot run .*: nothing was changed;/);
  }
  assert.deepEqual(system.tree(), before);
  succeed(system, []);
  assert.deepEqual(system.calls(), ['update-ca-certificates']);
});

test('a wrong command line is told, and what no address of a proxy can be', (t) => {
  assert.match(fail(plain(t), ['--undoo']), /does not know "--undoo"/);
  assert.match(fail(plain(t), ['--proxy']), /wants an address/);
  assert.match(fail(plain(t), ['--no-proxy']), /wants hosts/);
  assert.match(fail(plain(t), ['--proxy', 'cache.lan:3128']), /begins with http:\/\//);
  for (const odd of [
    'http://a b',
    'http://a"',
    "http://a'",
    'http://a$(id)',
    'http://a\nb',
    'http://a\\b',
    'http://a`',
  ]) {
    assert.match(fail(plain(t), ['--proxy', odd]), /cannot use this proxy/);
  }
  assert.match(succeed(plain(t), ['--help']), /^Usage: sh proxy\.sh/);
});

test('whatever stands in the configuration is text to the script', (t) => {
  const odd = 'it\'s $(touch /tmp/x) `id` "quoted" \\ #@CERTIFICATES@ $& %s';
  assert.equal(execFileSync('sh', ['-c', `printf %s ${quote(odd)}`], { encoding: 'utf8' }), odd);
  const system = plain(t);
  const text = proxyScript({ ...made, bundle: `surplus ${newer} 'more'`, hosts: [odd], note: odd });
  assert.equal(text.includes('surplus'), false);
  const out = succeed(system, ['--dry-run'], text);
  assert.ok(out.includes(`which can sign for ${odd}\n${odd}\n`), out);
});
