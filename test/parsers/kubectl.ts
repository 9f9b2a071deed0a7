import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { kind } from '../../src/setup/targets/clusters/kind.ts';
import { setupViewOf } from '../support/command/setup-views.ts';
import { tmpDir } from '../support/disk/tmp.ts';
import { startKubernetesApi } from './kubernetes-api.ts';

const root = join(import.meta.dirname, '../..');
const deployment = join(root, 'deploy/kubernetes');

/** The tests of what is for Kubernetes, by a kubectl at a path. */
export function testKubectl(program: string): void {
  test('applies the local-registry-hosting ConfigMap, and tools find in it what is pushed to', async (t) => {
    const { ask, file, objects } = await cluster(t, program);
    const map = kind
      .plan(setupViewOf({ hostedNames: ['localhost:5001'] }))
      .files.find(({ path }) => /hosting/.test(path));
    assert.ok(map);
    const path = file(map.path, map.render(undefined));
    assert.equal(await ask('apply', '-f', path), 'configmap/local-registry-hosting created\n');
    const place = '/api/v1/namespaces/kube-public/configmaps/local-registry-hosting';
    assert.deepEqual([...objects.keys()], [place]);
    assert.match(objects.get(place)?.data?.['localRegistryHosting.v1'] ?? '', /^host: "localhost:5001"$/m);
    assert.equal(await ask('apply', '-f', path), 'configmap/local-registry-hosting unchanged\n');
  });

  for (const overlay of ['base', ...readdirSync(join(deployment, 'overlays')).map((name) => `overlays/${name}`)]) {
    test(`renders ${overlay}, and would make each object of it, of a kind that clusters have`, async (t) => {
      const { ask, file, objects } = await cluster(t, program);
      const manifests = await ask('kustomize', join(deployment, overlay));
      const path = file('manifests.yaml', manifests);
      const named = await ask('create', '--dry-run=client', '-o', 'name', '-f', path);
      const made = named.trim().split('\n');
      assert.equal(made.length, manifests.match(/^kind: /gm)?.length);
      const workload = /persistent/.test(overlay) ? 'statefulset.apps/entrepot' : 'deployment.apps/entrepot';
      for (const name of [workload, 'service/entrepot', 'poddisruptionbudget.policy/entrepot'])
        assert.ok(made.includes(name), named);
      assert.equal(objects.size, 0);
      await ask('apply', '-f', path);
      assert.equal(objects.size, made.length);
    });
  }

  test('takes all that the overlays with their components, and the chart, were rendered to', async (t) => {
    const { ask } = await cluster(t, program);
    const folder = join(root, 'test/golden/deploy');
    const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
    const count = files.flatMap((name) => readFileSync(join(folder, name), 'utf8').match(/^kind: /gm) ?? []).length;
    assert.ok(files.some((name) => name.startsWith('helm-')) && count > files.length);
    const named = await ask('create', '--dry-run=client', '-o', 'name', '-f', folder);
    assert.equal(named.trim().split('\n').length, count);
  });

  test('refuses a kind that there is not, and a file that is cut off: the check is one that can fail', async (t) => {
    const { ask, file } = await cluster(t, program);
    const unknown = file('unknown.yaml', 'apiVersion: v1\nkind: ConfigurationMap\nmetadata: { name: a }\n');
    await assert.rejects(ask('apply', '-f', unknown), /no matches for kind "ConfigurationMap"/);
    const cut = file('cut.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: "a\n');
    await assert.rejects(ask('apply', '-f', cut), /error parsing/);
  });
}

/** A cluster without anything in it, what kubectl says when it is asked there, and files to give to it. */
async function cluster(t: TestContext, program: string) {
  const api = await startKubernetesApi();
  t.after(() => api.close());
  const folder = tmpDir(t);
  const file = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const env = { ...process.env, HOME: folder, KUBECONFIG: file('config', ''), KUBECACHEDIR: join(folder, 'cache') };
  const ask = async (verb: string, ...args: readonly string[]) => {
    // What fields there are is not asked of this cluster, but of the types of Kubernetes, by test/deploy.
    const flags = verb === 'kustomize' ? [] : ['--server', api.address, '--validate=false'];
    const { stdout } = await promisify(execFile)(program, [verb, ...flags, ...args], { env });
    return stdout;
  };
  return { ask, file, objects: api.objects };
}
