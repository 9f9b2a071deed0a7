import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { setupViewOf } from '../../../../test/support/command/setup-views.ts';
import type { SetupTarget } from '../../target.ts';
import { k3s } from './k3s.ts';
import { kind } from './kind.ts';
import { kops } from './kops.ts';

const view = setupViewOf({ hostedNames: ['localhost:5001'] });

function renderTwice(target: SetupTarget, path: string, before: string): string {
  const file = target.plan(view).files.find((each) => each.path === path);
  assert.ok(file, path);
  const text = file.render(before);
  assert.equal(file.render(text), text, 'the second time, nothing is to do');
  return text;
}

test('a registries.yaml keeps its endpoints, logins and rewrites, and the cache comes before them', () => {
  const before = `mirrors:
  docker.io:
    endpoint: ["https://mirror.corp"]
    rewrite: { "^library/(.*)": "hub/$1" }
configs:
  "registry.corp:5443": { auth: { username: a, password: b } }
`;
  const { mirrors, configs } = parse(renderTwice(k3s, '/etc/rancher/k3s/registries.yaml', before));
  assert.deepEqual(mirrors['docker.io'], {
    endpoint: ['http://10.0.0.5:5000', 'https://mirror.corp'],
    rewrite: { '^library/(.*)': 'hub/$1' },
  });
  assert.deepEqual(configs, parse(before).configs);
  assert.deepEqual(mirrors['localhost:5001'].endpoint, ['http://10.0.0.5:5000']);
});

test('every node of a kind cluster that is configured already sees the files, beside what it has', () => {
  const before = `kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
name: mine
nodes:
  - role: control-plane
    extraPortMappings: [{ containerPort: 80, hostPort: 8080 }]
  - role: worker
    extraMounts: [{ hostPath: ./files, containerPath: /files }]
`;
  const cluster = parse(renderTwice(kind, 'kind.yaml', before));
  assert.equal(cluster.name, 'mine');
  assert.deepEqual(
    cluster.nodes.map((node: { extraMounts: { containerPath: string }[] }) =>
      node.extraMounts.map(({ containerPath }) => containerPath),
    ),
    [['/etc/containerd/certs.d'], ['/files', '/etc/containerd/certs.d']],
  );
  assert.deepEqual(cluster.nodes[0].extraPortMappings, [{ containerPort: 80, hostPort: 8080 }]);
  assert.equal(cluster.containerdConfigPatches.length, 2);
});

test('a kind cluster that has a config_path of its own keeps it', () => {
  const before = 'containerdConfigPatches:\n- |-\n  [plugins.x.registry]\n  config_path = "/mine"\n';
  const cluster = parse(renderTwice(kind, 'kind.yaml', before));
  assert.deepEqual(cluster.containerdConfigPatches, parse(before).containerdConfigPatches);
});

test('the mirrors go into the specification of a kops cluster, and nothing else of it changes', () => {
  const before = `apiVersion: kops.k8s.io/v1alpha2
kind: Cluster
metadata:
  creationTimestamp: "2026-01-01T00:00:00Z"
  name: a.example.com
spec:
  kubernetesVersion: 1.34.0 # not newer
  containerd:
    registryMirrors:
      docker.io: [https://mirror.corp]
`;
  const text = renderTwice(kops, 'cluster.yaml', before);
  const expected = parse(before);
  expected.spec.containerd.registryMirrors = {
    'docker.io': ['http://10.0.0.5:5000', 'https://mirror.corp'],
    'ghcr.io': ['http://10.0.0.5:5000'],
    'registry.corp:5443': ['http://10.0.0.5:5000'],
    'localhost:5001': ['http://10.0.0.5:5000'],
  };
  assert.deepEqual(parse(text), expected);
  assert.match(text, /# not newer/);
});
