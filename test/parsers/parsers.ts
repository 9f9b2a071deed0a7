import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { SetupShape, SetupTarget, SetupView } from '../../src/setup/target.ts';
import { buildkit } from '../../src/setup/targets/buildkit.ts';
import { k3d } from '../../src/setup/targets/clusters/k3d.ts';
import { k3s } from '../../src/setup/targets/clusters/k3s.ts';
import { kind } from '../../src/setup/targets/clusters/kind.ts';
import { containerd } from '../../src/setup/targets/containerd.ts';
import { docker } from '../../src/setup/targets/docker.ts';
import { setupViewOf, setupViews } from '../support/command/setup-views.ts';
import { tmpDir } from '../support/disk/tmp.ts';
import { certificates } from '../support/tls/certs.ts';

// `make test-parsers`: what is generated for clients, read by the Go code of these clients. Nothing else here needs Go.

const folder = import.meta.dirname;
const builder = { after: (end: () => void) => void process.once('exit', end) };
const program = join(tmpDir(builder), 'parsers');
execFileSync('go', ['build', '-o', program, '.'], { cwd: folder, stdio: 'inherit' });

/** What one of the parsers understands; it throws when that is an error. */
function parse(...args: readonly string[]) {
  return JSON.parse(execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** Writes the files of a plan below a folder. */
function writePlan(t: TestContext, target: SetupTarget, view: SetupView): string {
  const root = tmpDir(t);
  for (const { path, render } of target.plan(view).files) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    // What stands in a file is where containerd looks for it, which is elsewhere here.
    writeFileSync(file, render(undefined).replaceAll('"/etc/containerd/entrepot-ca.crt"', '"../../entrepot-ca.crt"'));
  }
  return root;
}

const { ca } = certificates();
const domain = 'cache.example.com';
const plain = setupViewOf({ domain, hostedNames: ['localhost:5001'] });
const secure = { ...plain, address: `https://${domain}`, ca: ca.cert };

const pullOnly = { pull: true, resolve: true, push: false };
const everything = { pull: true, resolve: true, push: true };

describe('containerd 2 asks', () => {
  const expected: readonly [SetupShape, SetupView, hub: string, hosted: string][] = [
    ['ns', plain, 'http://10.0.0.5:5000/v2', 'http://10.0.0.5:5000/v2'],
    ['alias', plain, 'http://10.0.0.5:5000/docker.io/v2', 'http://10.0.0.5:5000/hosted.entrepot/v2'],
    ['vhost', plain, `http://docker.io.${domain}:5000/v2`, `http://hosted.entrepot.${domain}:5000/v2`],
    ['ns', secure, `https://${domain}/v2`, `https://${domain}/v2`],
    ['alias', secure, `https://${domain}/docker.io/v2`, `https://${domain}/hosted.entrepot/v2`],
    ['vhost', secure, `https://docker.io.${domain}/v2`, `https://hosted.entrepot.${domain}/v2`],
  ];
  for (const [shape, view, hub, hosted] of expected) {
    test(`by ${shape}, ${view.address}: the cache first, then the registry, and for what is pushed the cache alone`, (t) => {
      const certs = join(writePlan(t, containerd, { ...view, shape }), '/etc/containerd/certs.d');
      const hosts = (registry: string) => parse('hosts', certs, registry);
      const itself = { address: 'https://registry-1.docker.io/v2', ...everything };
      assert.deepEqual(hosts('docker.io'), [{ address: hub, ...pullOnly }, itself]);
      assert.deepEqual(hosts('localhost:5001'), [{ address: hosted, ...everything }]);
      assert.equal(hosts('registry.corp:5443').at(-1).address, 'https://registry.corp:5443/v2');
      const others = hosts('quay.io').map(({ address }: { address: string }) => address);
      assert.deepEqual(others, [...(shape === 'ns' ? [`${view.address}/v2`] : []), 'https://quay.io/v2']);
    });
  }

  test('what another’s file has beside it, in its order', (t) => {
    const root = tmpDir(t);
    const file = join(root, 'docker.io', 'hosts.toml');
    mkdirSync(dirname(file), { recursive: true });
    const before = 'server = "https://own.corp"\n[host."https://mirror.corp"]\n  capabilities = ["pull"]\n';
    const plan = containerd.plan(plain).files.find(({ path }) => path.includes('/docker.io/'));
    writeFileSync(file, plan?.render(before) ?? '');
    const addresses = parse('hosts', root, 'docker.io').map(({ address }: { address: string }) => address);
    assert.deepEqual(addresses, ['http://10.0.0.5:5000/v2', 'https://mirror.corp/v2', 'https://own.corp/v2']);
  });
});

describe('the types of k3s, RKE2 and k3d', () => {
  for (const target of [k3s, k3d]) {
    for (const [name, view] of Object.entries({ ...setupViews, secure })) {
      for (const shape of target.shapes) {
        if (shape === 'vhost' && view.domain === undefined) continue;
        test(`have every key of ${target.name}’s registries.yaml: ${name}, ${shape}`, (t) => {
          const root = writePlan(t, target, { ...view, shape });
          const path = target === k3s ? '/etc/rancher/k3s/registries.yaml' : 'k3d-registries.yaml';
          const { mirrors, configs } = parse('registries', join(root, path));
          const names = [...view.registries.map((registry) => registry.name), ...view.hostedNames];
          assert.deepEqual(Object.keys(mirrors), [...names, ...(shape === 'ns' ? ['*'] : [])].sort());
          for (const mirror of Object.values<{ endpoint: string[] }>(mirrors)) {
            const [endpoint = ''] = mirror.endpoint;
            assert.equal(mirror.endpoint.length, 1);
            const { tls } = configs?.[new URL(endpoint).host] ?? {};
            assert.equal(tls?.ca_file, view.ca === undefined ? undefined : '/etc/rancher/k3s/entrepot-ca.crt');
          }
        });
      }
    }
  }

  test('do not have the key of the older example: the check is one that can fail', (t) => {
    const file = join(tmpDir(t), 'registries.yaml');
    writeFileSync(file, 'configs:\n  "docker.io":\n    tls:\n      insecure: true\n');
    assert.throws(() => parse('registries', file), /field insecure not found/);
  });
});

describe('docker', () => {
  for (const shape of docker.shapes) {
    for (const view of [plain, secure, { ...setupViewOf({ domain }), address: 'http://127.0.0.1:5000' }]) {
      test(`takes daemon.json: ${view.address}, ${shape}`, (t) => {
        const root = writePlan(t, docker, { ...view, shape });
        const understood = parse('docker', join(root, '/etc/docker/daemon.json'));
        const { protocol, host, port } = new URL(view.address);
        const mirror = shape === 'ns' ? host : `docker.io.${domain}${port && ':'}${port}`;
        assert.deepEqual(understood.Mirrors, [`${protocol}//${mirror}/`]);
        const named = Object.values<{ Name: string; Secure: boolean }>(understood.IndexConfigs);
        const insecure = named.filter(({ Secure }) => !Secure).map(({ Name }) => Name);
        assert.equal(insecure.includes(host), protocol === 'http:' && !host.startsWith('127.'));
        assert.equal(insecure.includes(`ghcr.io.${domain}:${port}`), protocol === 'http:');
      });
    }
  }

  test('does not take a mirror with a query: the check is one that can fail', (t) => {
    const file = join(tmpDir(t), 'daemon.json');
    writeFileSync(file, '{"registry-mirrors": ["http://10.0.0.5:5000/?x"]}');
    assert.throws(() => parse('docker', file), /invalid mirror/);
  });
});

describe('BuildKit', () => {
  for (const shape of buildkit.shapes) {
    for (const view of [plain, secure]) {
      test(`understands buildkitd.toml: ${view.address}, ${shape}`, (t) => {
        const root = writePlan(t, buildkit, { ...view, shape });
        const understood = parse('buildkit', join(root, '/etc/buildkit/buildkitd.toml'));
        const { host, port, protocol } = new URL(view.address);
        const own = `docker.io.${domain}${port && ':'}${port}`;
        const mirror = { ns: host, alias: `${host}/docker.io`, vhost: own }[shape];
        assert.deepEqual(understood['docker.io'].Mirrors, [mirror]);
        const door = understood[shape === 'vhost' ? own : host];
        assert.equal(door.PlainHTTP, protocol === 'http:' ? true : null);
        assert.deepEqual(door.RootCAs, protocol === 'http:' ? null : ['/etc/buildkit/entrepot-ca.crt']);
      });
    }
  }
});

describe('the types of kind and Kubernetes', () => {
  test('have every key of the cluster, and the patches are for either version of containerd', (t) => {
    const root = writePlan(t, kind, plain);
    const cluster = parse('kind', join(root, 'kind.yaml'));
    assert.equal(cluster.kind, 'Cluster');
    assert.deepEqual(cluster.nodes, [
      {
        role: 'control-plane',
        extraMounts: [{ hostPath: 'kind-certs.d', containerPath: '/etc/containerd/certs.d', readOnly: true }],
      },
    ]);
    const registry = { registry: { config_path: '/etc/containerd/certs.d' } };
    assert.deepEqual(cluster.patches, [
      { version: 3, plugins: { 'io.containerd.cri.v1.images': registry } },
      { version: 2, plugins: { 'io.containerd.grpc.v1.cri': registry } },
    ]);
    const addresses = parse('hosts', join(root, 'kind-certs.d'), 'ghcr.io').map(
      (host: { address: string }) => host.address,
    );
    assert.deepEqual(addresses, ['http://10.0.0.5:5000/v2', 'https://ghcr.io/v2']);
  });

  test('have every key of the ConfigMap, in the namespace where tools look for it', (t) => {
    const map = parse('configmap', join(writePlan(t, kind, plain), 'local-registry-hosting.yaml'));
    assert.deepEqual([map.metadata.name, map.metadata.namespace], ['local-registry-hosting', 'kube-public']);
    assert.match(map.data['localRegistryHosting.v1'], /^host: "localhost:5001"$/m);
  });
});
