import { strict as assert } from 'node:assert';
import { execFileSync, spawnSync } from 'node:child_process';
import { renderings } from './renderings.ts';

const chart = 'deploy/helm/entrepot';
// What the chart asks for at least; a helm that was built from source takes itself for one of Kubernetes 1.20.
const version = ['--kube-version', '1.30'];

/** Has helm look at the chart with each file of values. @throws Error with what it said */
export function lintChart(root: string, helm: string): void {
  for (const { tool, values } of renderings) {
    if (tool !== 'helm' || values === undefined) continue;
    execFileSync(helm, ['lint', '--strict', chart, ...version, '--values', values], { cwd: root, stdio: 'pipe' });
  }
}

/** What cannot be asked of the chart, and what it says then. @throws AssertionError */
export function testRefusals(root: string, helm: string): void {
  const usual = ['--set', 'image.repository=registry.example.com/entrepot'];
  for (const [set, said] of refusals) {
    const sets = set === '' ? [] : [...usual, ...set.split(' ').flatMap((one) => ['--set', one])];
    const args = ['template', chart, ...version, ...sets];
    const { status, stderr } = spawnSync(helm, args, { cwd: root, encoding: 'utf8' });
    assert.notEqual(status, 0, set);
    assert.ok(stderr.includes(said), `${set}: ${stderr}`);
  }
}

const refusals = [
  ['', 'image'],
  ['replicas=3', "'replicas'"],
  ['replicaCount=0', 'replicaCount'],
  ['cache.maxBytes=30GB', 'cache.maxBytes (30GB) needs a larger cache.volumeSize than 30Gi'],
  ['config.cache.maxBytes=1TB', 'give cache.maxBytes instead'],
  ['config.data=/data', 'config.data'],
  ['config.doors.hosted.listen=:5001', 'config.doors.hosted.listen'],
  ['config.doors.registry.tls.clientCa=/x', 'probes'],
  ['config.shutdown.grace=1h', 'shutdown.graceSeconds'],
  ['hosted.enabled=true', 'replicaCount 1'],
  ['hosted.enabled=true replicaCount=1', 'persistence.enabled'],
  ['hosted.enabled=true replicaCount=1 persistence.enabled=true', 'auth.secretName'],
  ['proxy.enabled=true', 'proxy.authoritySecretName'],
  ['service.cloud=aws service.loadBalancerIP=10.0.0.1', 'service.loadBalancerIP'],
] as const;
