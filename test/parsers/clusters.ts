import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { SetupShape, SetupTarget, SetupView } from '../../src/setup/target.ts';
import { k3d } from '../../src/setup/targets/clusters/k3d.ts';
import { k3s } from '../../src/setup/targets/clusters/k3s.ts';
import { kops } from '../../src/setup/targets/clusters/kops.ts';
import { setupViewOf } from '../support/command/setup-views.ts';
import { tmpDir } from '../support/disk/tmp.ts';
import { startTestCache } from '../support/stages/test-cache.ts';
import { certificates } from '../support/tls/certs.ts';
import { buildPart, type ModulePart } from './module-part.ts';

// `make test-parsers`: what is generated for clusters of k3s and kops, read by the code that these read it with.

// The newest that can be had of Go's proxy: 1.32.0 of k3s (Go turns its tag into this), and 1.35.0 of kops.
const k3sPart: ModulePart = {
  path: 'github.com/k3s-io/k3s',
  version: 'v1.32.1-0.20250107171309-cca8facaa33a',
  sum: 'h1:TU64dN3gxaaUBBVWZeMXlu5NeLFCyUZH62R1MpwwErk=',
  taken: [
    'pkg/agent/containerd/config.go',
    'pkg/agent/templates/templates.go',
    'pkg/agent/templates/templates_linux.go',
    'pkg/agent/util/file.go',
    'pkg/version',
  ],
  added: 'k3s',
  program: '.',
};
const kopsPart: ModulePart = {
  path: 'k8s.io/kops',
  version: 'v1.35.0',
  sum: 'h1:BIxOJb/MNoVIbjrD5+OlDH8ws/zr0y6hkB/Nd/3IrXY=',
  taken: [
    'kops-version.go',
    'pkg/apis/kops',
    'pkg/apis/kops/install',
    'pkg/apis/kops/util',
    'pkg/apis/kops/v1alpha2',
    'pkg/apis/kops/v1alpha3',
    'pkg/dns',
    'pkg/kopscodecs',
    'pkg/values',
    'upup/pkg/fi/utils',
    'util/pkg/architectures',
    'util/pkg/reflectutils',
  ],
  added: 'kops',
  program: './cmd/cluster',
};

const builder = { after: (end: () => void) => void process.once('exit', end) };
const programs = { k3s: buildPart(k3sPart, tmpDir(builder)), kops: buildPart(kopsPart, tmpDir(builder)) };

function run(program: keyof typeof programs, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return JSON.parse(
    execFileSync(programs[program], args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env }),
  );
}

const { ca } = certificates();
const domain = 'cache.example.com';
const plain = setupViewOf({ domain, hostedNames: ['localhost:5001'] });
const secure = { ...plain, address: `https://${domain}`, ca: ca.cert };

/** Writes the files of a plan below a folder, and gives the path of one of them. */
function writePlan(t: TestContext, target: SetupTarget, view: SetupView, wanted: string): string {
  const root = tmpDir(t);
  const paths = new Map(target.plan(view).files.map((file) => [file.path, join(root, file.path)]));
  for (const { path, render } of target.plan(view).files) {
    const file = paths.get(path)!;
    mkdirSync(dirname(file), { recursive: true });
    // What stands in a file is where it is on a node, which is elsewhere here.
    const authority = paths.get('/etc/rancher/k3s/entrepot-ca.crt') ?? paths.get('entrepot-ca.crt');
    writeFileSync(file, render(undefined).replaceAll('/etc/rancher/k3s/entrepot-ca.crt', authority ?? ''));
  }
  return paths.get(wanted)!;
}

/** The addresses that a node of k3s asks for a registry: with the authority of the cache for the cache alone. */
function k3sAsks(t: TestContext, path: string, registry: string, env: Readonly<Record<string, string>> = {}): string[] {
  const hosts: Readonly<Record<string, Readonly<Record<string, unknown>>[]>> = run(
    'k3s',
    [path, join(tmpDir(t), 'certs.d'), registry],
    env,
  );
  return (hosts[registry] ?? []).map(({ address, pull, resolve, authority }) => {
    assert.ok(pull && resolve, `${address} is not pulled from`);
    assert.equal(authority, String(address).startsWith('https:') && String(address).includes(domain), `${address}`);
    return String(address);
  });
}

describe('k3s writes for its containerd, which then asks', () => {
  const cases: readonly [SetupShape, SetupView, hub: string, hosted: string][] = [
    ['ns', plain, 'http://10.0.0.5:5000/v2', 'http://10.0.0.5:5000/v2'],
    ['alias', plain, 'http://10.0.0.5:5000/v2/docker.io', 'http://10.0.0.5:5000/v2/hosted.entrepot'],
    ['vhost', plain, `http://docker.io.${domain}:5000/v2`, `http://hosted.entrepot.${domain}:5000/v2`],
    ['ns', secure, `https://${domain}/v2`, `https://${domain}/v2`],
    ['alias', secure, `https://${domain}/v2/docker.io`, `https://${domain}/v2/hosted.entrepot`],
    ['vhost', secure, `https://docker.io.${domain}/v2`, `https://hosted.entrepot.${domain}/v2`],
  ];
  const files = [
    [k3s, '/etc/rancher/k3s/registries.yaml'],
    [k3d, 'k3d-registries.yaml'],
  ] as const;
  for (const [target, file] of files) {
    for (const [shape, view, hub, hosted] of cases) {
      test(`by what is made for ${target.name}, by ${shape}, ${view.address}: the cache, then the registry`, (t) => {
        const path = writePlan(t, target, { ...view, shape }, file);
        assert.deepEqual(k3sAsks(t, path, 'docker.io'), [hub, 'https://registry-1.docker.io/v2']);
        assert.deepEqual(k3sAsks(t, path, 'localhost:5001'), [hosted, 'http://localhost:5001/v2']);
        assert.equal(k3sAsks(t, path, 'registry.corp:5443').at(-1), 'https://registry.corp:5443/v2');
        const others = [...(shape === 'ns' ? [`${view.address}/v2`] : []), 'https://quay.io/v2'];
        assert.deepEqual(k3sAsks(t, path, 'quay.io'), others);
      });
    }
  }

  test('the cache alone with --disable-default-registry-endpoint, as the notes say', (t) => {
    const path = writePlan(t, k3s, { ...plain, shape: 'ns' }, '/etc/rancher/k3s/registries.yaml');
    const without = { K3S_NO_DEFAULT: '1' };
    for (const registry of ['docker.io', 'quay.io', 'localhost:5001']) {
      assert.deepEqual(k3sAsks(t, path, registry, without), ['http://10.0.0.5:5000/v2']);
    }
  });

  test('what a running Entrepot has at /registries.yaml: it, then the registry', async (t) => {
    const cache = await startTestCache({ data: tmpDir(t), upstreams: ['http://127.0.0.1:9'] });
    t.after(() => cache.stop());
    const path = join(tmpDir(t), 'registries.yaml');
    writeFileSync(path, await (await fetch(`${cache.url}/registries.yaml`)).text());
    assert.deepEqual(k3sAsks(t, path, 'origin.test'), [`${cache.url}/v2`, 'https://origin.test/v2']);
  });

  test('not what k3s cannot read: the check is one that can fail', (t) => {
    const path = join(tmpDir(t), 'registries.yaml');
    writeFileSync(path, 'mirrors:\n  docker.io: http://10.0.0.5:5000\n');
    assert.throws(() => k3sAsks(t, path, 'docker.io'), /cannot unmarshal/);
  });
});

// As `kops get cluster -o yaml` prints it, in its main parts.
const cluster = `apiVersion: kops.k8s.io/v1alpha2
kind: Cluster
metadata:
  name: a.example.com
spec:
  cloudProvider: aws
  configBase: s3://state/a.example.com
  containerd:
    version: 1.7.27 # ours
    configAdditions:
      plugins."io.containerd.grpc.v1.cri".max_concurrent_downloads: 5
    registryMirrors:
      docker.io:
        - https://mirror.corp
  kubernetesVersion: 1.32.4
  networking:
    cilium: {}
`;

describe('kops takes its cluster with', () => {
  for (const shape of kops.shapes) {
    for (const view of [plain, secure]) {
      test(`the cache as the first mirror, beside all that was there: ${shape}, ${view.address}`, (t) => {
        const spec = readCluster(t, { ...view, shape }, 'cluster.yaml', cluster);
        assert.deepEqual(spec.containerd, {
          version: '1.7.27',
          configAdditions: { 'plugins."io.containerd.grpc.v1.cri".max_concurrent_downloads': 5 },
          registryMirrors: {
            'docker.io': [addressOf(view, shape, 'docker.io'), 'https://mirror.corp'],
            'ghcr.io': [addressOf(view, shape, 'ghcr.io')],
            'registry.corp:5443': [addressOf(view, shape, 'registry.corp')],
            'localhost:5001': [addressOf(view, shape, 'hosted.entrepot')],
          },
        });
        assert.equal(spec.kubernetesVersion, '1.32.4');
      });

      test(`docker’s mirror of Docker Hub, in older clusters: ${shape}, ${view.address}`, (t) => {
        const older = cluster.replace(
          / {2}containerd:[\s\S]*(?= {2}kubernetesVersion)/,
          '  containerRuntime: docker\n',
        );
        const spec = readCluster(t, { ...view, shape }, 'cluster-docker.yaml', older);
        assert.deepEqual(spec.docker.registryMirrors, [addressOf(view, shape, 'docker.io')]);
      });
    }
  }

  test('no key that kops does not have: the check is one that can fail', (t) => {
    const misspelt = cluster.replace('configAdditions', 'configAddition');
    assert.throws(() => readCluster(t, plain, 'cluster.yaml', misspelt), /unknown field "configAddition"/);
  });
});

function addressOf({ address }: SetupView, shape: SetupShape, alias: string): string {
  const { protocol, port } = new URL(address);
  return shape === 'ns' ? address : `${protocol}//${alias}.${domain}${port && ':'}${port}`;
}

function readCluster(t: TestContext, view: SetupView, wanted: string, before: string) {
  const path = join(tmpDir(t), wanted);
  writeFileSync(
    path,
    kops
      .plan(view)
      .files.find((file) => file.path === wanted)!
      .render(before),
  );
  return run('kops', [path]).spec;
}
