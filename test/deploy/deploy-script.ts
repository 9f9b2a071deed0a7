import { strict as assert } from 'node:assert';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const image = 'registry.example.com/entrepot:0.1.0';

/**
 * What `make deploy` asks of kubectl, by one in its place that notes it; manifests come from the real one.
 * @throws AssertionError
 */
export function testDeployScript(root: string, scratch: string): void {
  const folder = join(scratch, 'fake');
  const notes = join(folder, 'notes');
  mkdirSync(folder);
  const real = execFileSync('sh', ['-c', 'command -v kubectl'], { encoding: 'utf8' }).trim();
  const kubectl = join(folder, 'kubectl');
  writeFileSync(kubectl, fakeKubectl(real, notes));
  chmodSync(kubectl, 0o755);
  // As where it is not GNU's.
  writeFileSync(join(folder, 'realpath'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const deploy = (variables: Readonly<Record<string, string>>, found = '') => {
    writeFileSync(notes, '');
    const args = ['--silent', '--no-print-directory', 'deploy'];
    const env = { ...process.env, PATH: `${folder}${delimiter}${process.env['PATH']}`, FOUND: found };
    const given = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const { status, stdout, stderr } = spawnSync('make', [...args, ...given], { cwd: root, env, encoding: 'utf8' });
    return { status, stdout, stderr, asked: readFileSync(notes, 'utf8').trim().split('\n').filter(Boolean) };
  };

  const done = deploy({ IMAGE: image, NAMESPACE: 'cache', CONTEXT: 'lab' });
  assert.equal(done.status, 0, done.stderr);
  assert.deepEqual(
    done.asked.map((line) => line.replace(/\/\S+\/manifests/, 'manifests')),
    [
      '--context lab get namespace cache',
      '--context lab create namespace cache',
      '--context lab get statefulset entrepot --namespace cache --ignore-not-found --output name',
      '--context lab apply --filename manifests.yaml',
      '--context lab rollout status deployment/entrepot --namespace cache --timeout 10m',
      '--context lab get service entrepot --namespace cache --output wide',
    ],
  );

  const dry = deploy({ IMAGE: image, DRY_RUN: 'yes' });
  assert.deepEqual([dry.status, dry.asked], [0, []]);

  const odd = join(scratch, "it's, in: a #folder");
  cpSync(join(root, 'deploy/kubernetes'), odd, { recursive: true });
  const env = { ...process.env, IMAGE: image, DRY_RUN: 'yes', PERSISTENT: 'yes' };
  const there = execFileSync(join(odd, 'deploy.sh'), { env, encoding: 'utf8', stdio: 'pipe' });
  assert.equal(there, deploy({ IMAGE: image, DRY_RUN: 'yes', PERSISTENT: 'yes' }).stdout);

  for (const [given, named] of images) {
    assert.ok(deploy({ IMAGE: given, DRY_RUN: 'yes' }).stdout.includes(`image: ${named}\n`), given);
  }

  // One kind beside the other would be two sets of replicas behind one Service.
  const other = deploy({ IMAGE: image, PERSISTENT: 'yes' }, 'deployment.apps/entrepot');
  assert.equal(other.status, 2);
  assert.match(other.stderr, /remove it first, with kubectl delete deployment entrepot/);
  assert.ok(!other.asked.some((line) => line.includes('apply')));

  for (const [variables, said] of refusals) {
    const { status, stderr, asked } = deploy(variables);
    assert.deepEqual([status, asked], [2, []], JSON.stringify(variables));
    assert.match(stderr, said);
  }
}

const digest = `sha256:${'0'.repeat(64)}`;

/** Images as they are given, and as they are named in the manifest: a port is no tag, and a digest says more than one. */
const images = [
  [image, image],
  ['r.test:5000/entrepot', 'r.test:5000/entrepot:latest'],
  ['r.test:5000/team/entrepot:2', 'r.test:5000/team/entrepot:2'],
  [`r.test:5000/entrepot:2@${digest}`, `r.test:5000/entrepot@${digest}`],
] as const;

const refusals: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
  [{}, /which image\?/],
  [{ IMAGE: 'a b' }, /cannot use IMAGE=a b/],
  [{ IMAGE: image, OVERLAY: '../..' }, /cannot use OVERLAY/],
  [{ IMAGE: image, NAMESPACE: 'a: b' }, /cannot use NAMESPACE/],
  [{ IMAGE: image, REPLICAS: '0' }, /cannot use REPLICAS/],
  [{ IMAGE: image, MONITORING: 'true' }, /cannot use MONITORING=true: expected yes or no/],
  [{ IMAGE: image, CONFIG: '/nowhere/entrepot.yaml' }, /cannot read CONFIG/],
  [{ IMAGE: image, ADDRESS: '10.0.0.1' }, /ADDRESS is for the overlays gcp and azure/],
  [{ IMAGE: image, OVERLAY: 'ingress', HOST: "a', 'b" }, /cannot use HOST/],
];

function fakeKubectl(real: string, notes: string): string {
  return `#!/bin/sh
[ "$1" != kustomize ] || exec '${real}' "$@"
echo "$@" >>'${notes}'
case "$*" in
  *'get namespace'*) exit 1 ;;
  *--ignore-not-found*) echo "$FOUND" ;;
esac
`;
}
