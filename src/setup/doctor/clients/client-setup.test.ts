import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setupViewOf } from '../../../../test/support/command/setup-views.ts';
import type { SetupTarget, SetupView } from '../../target.ts';
import { buildkit } from '../../targets/buildkit.ts';
import { containerd } from '../../targets/containerd.ts';
import { docker } from '../../targets/docker.ts';
import { podman } from '../../targets/podman.ts';
import { type MachineFiles, mirrorsFor, withoutLogin } from './client-setup.ts';
import { readContainerdSetup } from './containerd-setup.ts';
import { readDockerSetup } from './docker-setup.ts';
import { readPodmanSetup } from './podman-setup.ts';

type Files = Readonly<Record<string, string>>;

/** A machine that has these files and no others. */
function machineOf(files: Files): MachineFiles {
  return {
    read: (path) => files[path],
    list: (folder) => {
      const inside = Object.keys(files).filter((path) => path.startsWith(`${folder}/`));
      return [...new Set(inside.map((path) => path.slice(folder.length + 1).split('/')[0] ?? ''))].sort();
    },
  };
}

function filesOf(target: SetupTarget, view: Partial<SetupView> = {}): Files {
  return Object.fromEntries(target.plan(setupViewOf(view)).files.map((file) => [file.path, file.render(undefined)]));
}

test('what the set-up writes for a client is what is read of it', () => {
  const view = { address: 'https://cache.test:5443', ca: 'the authority' };
  const authority = (folder: string) => [`${folder}/cache.test:5443/entrepot.crt`];

  const [ofDocker] = mirrorsFor(readDockerSetup(machineOf(filesOf(docker, view))), 'docker.io');
  const base = 'https://cache.test:5443';
  const common = { base, isUnchecked: false };
  assert.deepEqual(ofDocker, {
    ...common,
    namePrefix: '',
    sendsNamespace: false,
    authorities: authority('/etc/docker/certs.d'),
  });

  const ofPodman = mirrorsFor(readPodmanSetup(machineOf(filesOf(podman, view)), {}), 'ghcr.io');
  assert.deepEqual(ofPodman, [
    { ...common, namePrefix: 'ghcr.io/', sendsNamespace: false, authorities: authority('/etc/containers/certs.d') },
  ]);

  const setup = readContainerdSetup(machineOf(filesOf(containerd, view)));
  const expected = {
    ...common,
    namePrefix: '',
    sendsNamespace: true,
    authorities: ['/etc/containerd/entrepot-ca.crt'],
  };
  for (const registry of ['ghcr.io', 'registry.corp:5443', 'anything.test']) {
    assert.deepEqual(mirrorsFor(setup, registry), [expected], registry);
  }
  const alias = readContainerdSetup(machineOf(filesOf(containerd, { ...view, shape: 'alias' })));
  const [mirror] = mirrorsFor(alias, 'ghcr.io');
  assert.match(
    `${mirror?.base}/v2/${mirror?.namePrefix}owner/app`,
    /^https:\/\/cache\.test:5443(\/ghcr\.io\/v2|\/v2\/ghcr\.io)\/owner\/app$/,
  );
});

test('a daemon.json with a mark of the byte order is read as docker reads it', () => {
  const files = { '/etc/docker/daemon.json': '\ufeff{"registry-mirrors": ["http://cache.test:5000"]}' };
  const setup = readDockerSetup(machineOf(files));
  assert.deepEqual(setup.findings, []);
  assert.equal(mirrorsFor(setup, 'docker.io')[0]?.base, 'http://cache.test:5000');
});

test('a machine without any of them has none', () => {
  const files = machineOf({ ...filesOf(buildkit), '/etc/containers/registries.conf': '# nothing\n' });
  for (const setup of [readDockerSetup(files), readPodmanSetup(files, {}), readContainerdSetup(files)]) {
    assert.equal(setup.isHere, false, setup.client);
    assert.equal(mirrorsFor(setup, 'docker.io').length, 0);
  }
  const installed = machineOf({ '/usr/bin/dockerd': '', '/usr/bin/skopeo': '', '/usr/local/bin/containerd': '' });
  for (const setup of [readDockerSetup(installed), readPodmanSetup(installed, {}), readContainerdSetup(installed)]) {
    assert.equal(setup.isHere, true, setup.client);
  }
});

test('files that a client does not read are told of, with what to do', () => {
  const cases: [Files, RegExp][] = [
    [{ '/etc/docker/daemon.json': '{' }, /docker does not start with it: mend/],
    [
      { '/etc/docker/daemon.json': '{"registry-mirrors": ["http://a.test/path"]}' },
      /"http:\/\/a\.test\/path" has a path, with which older/,
    ],
    [{ '/etc/docker/daemon.json': '{"registry-mirrors": ["a.test"]}' }, /"a\.test" has no http:\/\//],
    [{ '/etc/containers/registries.conf': '[registries.search]\nregistries = []\n' }, /is of version 1/],
    [{ '/etc/containers/registries.conf.d/x.conf': '[[registry' }, /x\.conf is not TOML/],
    [
      { '/etc/containerd/certs.d/_default/hosts.toml': '' },
      /^Without \/etc\/containerd\/config\.toml .* there is no config_path/,
    ],
    [{ '/etc/containerd/certs.d/a/hosts.toml': '=' }, /a\/hosts\.toml is not TOML/],
    [{ '/etc/containerd/config.toml': '=' }, /does not start with it/],
    [
      {
        '/etc/containerd/config.toml':
          '[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/containerd/certs.d"\n[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\nendpoint = []\n',
      },
      /registry\.mirrors beside config_path/,
    ],
  ];
  for (const [files, text] of cases) {
    const machine = machineOf(files);
    const findings = [readDockerSetup(machine), readPodmanSetup(machine, {}), readContainerdSetup(machine)].flatMap(
      (setup) => setup.findings,
    );
    assert.match(findings.map((finding) => `${finding.text}: ${finding.remedy}`).join('\n'), text);
    for (const { level } of findings) assert.notEqual(level, 'ok');
  }
});

test('the folder of hosts.toml is where config_path has it, and hosts that are not pulled from do not count', () => {
  const files = machineOf({
    '/etc/containerd/config.toml':
      'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = "/opt/certs.d:/etc/docker/certs.d"\n',
    '/opt/certs.d/ghcr.io/hosts.toml':
      '[host."http://push.test"]\ncapabilities = ["push"]\n[host."http://10.0.0.5:5000/v2/ghcr.io/"]\noverride_path = true\nskip_verify = true\n',
  });
  const setup = readContainerdSetup(files);
  assert.deepEqual(setup.findings, []);
  assert.deepEqual(mirrorsFor(setup, 'ghcr.io'), [
    { base: 'http://10.0.0.5:5000', namePrefix: 'ghcr.io/', sendsNamespace: true, authorities: [], isUnchecked: true },
  ]);
});

test('the last table of a registry counts for podman', () => {
  const one = (mirror: string) => `[[registry]]\nlocation = "ghcr.io"\n[[registry.mirror]]\nlocation = "${mirror}"\n`;
  const files = machineOf({
    '/etc/containers/registries.conf': one('a.test'),
    '/etc/containers/registries.conf.d/20.conf': one('c.test'),
    '/etc/containers/registries.conf.d/10.conf': one('b.test'),
  });
  assert.deepEqual(
    mirrorsFor(readPodmanSetup(files, {}), 'ghcr.io').map(({ base }) => base),
    ['https://c.test'],
  );
});

// The short names that Debian brings were shown as a file by which podman is set up.
test('of the files of podman those are named that its mirrors are of', () => {
  const drop = '/etc/containers/registries.conf.d';
  const files = machineOf({
    '/etc/containers/registries.conf': 'unqualified-search-registries = ["docker.io"]\n',
    [`${drop}/entrepot.conf`]: '[[registry]]\nlocation = "ghcr.io"\n[[registry.mirror]]\nlocation = "a.test"\n',
    [`${drop}/own.conf`]: '[[registry]]\nlocation = "blocked.test"\nblocked = true\n',
    [`${drop}/shortnames.conf`]: '[aliases]\n"fedora" = "registry.fedoraproject.org/fedora"\n',
  });
  assert.deepEqual(readPodmanSetup(files, {}).files, [`${drop}/entrepot.conf`]);
});

test('proxies are found where a service is given them', () => {
  const files = machineOf({
    '/etc/systemd/system/docker.service.d/entrepot-proxy.conf':
      '[Service]\nEnvironment="HTTPS_PROXY=http://a:p%%40@cache.test:3128"\n',
    '/lib/systemd/system/docker.service.d/00.conf': '[Service]\nEnvironment=HTTPS_PROXY=http://other.test\n',
    '/etc/systemd/system/containerd.service.d/x.txt': 'Environment=HTTPS_PROXY=http://no.test\n',
    '/etc/docker/daemon.json': '{}',
  });
  assert.equal(readDockerSetup(files).proxy, 'http://a:p%40@cache.test:3128');
  assert.equal(readContainerdSetup(files).proxy, undefined);
  assert.equal(readPodmanSetup(files, { HTTPS_PROXY: 'http://env.test' }).proxy, 'http://env.test');
  const own = machineOf({ '/etc/docker/daemon.json': '{"proxies": {"https-proxy": "http://json.test"}}' });
  assert.equal(readDockerSetup(own).proxy, 'http://json.test');
});

// A password of a mirror or a proxy was printed.
test('no login that is in a file of a client is told', () => {
  const daemon = JSON.stringify({
    'registry-mirrors': ['https://ann:secret@cache.test', 'ann:secret@cache.test:5000'],
  });
  const setup = readDockerSetup(machineOf({ '/etc/docker/daemon.json': daemon }));
  assert.equal(setup.findings.length, 2);
  assert.match(setup.findings[0]?.text ?? '', /"https:\/\/cache\.test" is more than a host and a port/);
  assert.doesNotMatch(JSON.stringify([setup.findings, setup.mirrors.get('docker.io')]), /secret/);
  assert.equal(withoutLogin('ann:se@cret@proxy.test:3128'), 'proxy.test:3128');
  assert.equal(withoutLogin('http://proxy.test:3128/a@b'), 'http://proxy.test:3128/a@b');
});

test('an address that is none in a hosts.toml is told, and no other is lost by it', () => {
  const path = '/etc/containerd/certs.d/docker.io/hosts.toml';
  const text = '[host."http://a b"]\n[host."http://cache.test:5000"]\n';
  const setup = readContainerdSetup(machineOf({ [path]: text }));
  assert.deepEqual(
    setup.mirrors.get('docker.io')?.map(({ base }) => base),
    ['http://cache.test:5000'],
  );
  const told = setup.findings.filter(({ level }) => level === 'fail').map((finding) => finding.text);
  assert.deepEqual(told, [`${path} has "http://a b" as a host, which is no address`]);
});
