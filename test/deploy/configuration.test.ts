import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { loadTestConfig } from '../support/command/config-sources.ts';
import { certificates } from '../support/tls/certs.ts';
import { bytesOf, type Rendered, readGolden } from './golden.ts';
import type { Manifest } from './renderings.ts';

// What stopping may take beyond the grace, as src/cli/server/serve.ts has it.
const stopMarginSeconds = 10;

/** The configuration as the process in the pod reads it: from the mounted file, and from its variables. */
function configOf({ container, pod, of }: Rendered): Config {
  const path = container.args[container.args.indexOf('--config') + 1] ?? '';
  const mount = container.volumeMounts.find(({ mountPath }) => mountPath === dirname(path));
  const volume = pod.volumes.find(({ name }) => name === mount?.name);
  const map = of<ConfigMap>('ConfigMap').find(({ metadata }) => metadata.name === volume?.configMap?.name);
  const yaml = map?.data[path.slice(dirname(path).length + 1)];
  assert.ok(yaml !== undefined, `nothing is mounted at ${path}`);
  const { server } = certificates();
  const secrets = container.volumeMounts.flatMap(({ name, mountPath }) =>
    pod.volumes.some((one) => one.name === name && one.secret) ? [mountPath] : [],
  );
  const contents = { 'tls.crt': server.cert, 'tls.key': server.key, htpasswd: '', '.dockerconfigjson': '{"auths":{}}' };
  const files = secrets.flatMap((folder) => Object.entries(contents).map(([file, text]) => [join(folder, file), text]));
  const env = Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value]));
  return loadTestConfig({ yaml, env, files: Object.fromEntries(files) }).config;
}

interface ConfigMap extends Manifest {
  readonly data: Readonly<Record<string, string>>;
}

for (const rendered of readGolden()) {
  const { name, workload, pod, container } = rendered;

  test(`${name}: the configuration is one that Entrepot takes, and agrees with the pod`, () => {
    const { data, doors, upstreams } = configOf(rendered);
    assert.equal(container.volumeMounts.find((mount) => mount.name === 'data')?.mountPath, data);
    const listening = { registry: doors.registry.listen, hosted: doors.hosted.listen, proxy: doors.proxy.listen };
    const ports = Object.entries(listening).flatMap(([door, listen]) => (listen ? [[door, listen.port]] : []));
    assert.deepEqual(
      container.ports.map((port) => [port.name, port.containerPort]),
      ports,
    );
    for (const listen of Object.values(listening)) if (listen) assert.equal(listen.host, '');
    const hasCredentials = pod.volumes.some((volume) => volume.name === 'credentials');
    assert.ok(upstreams.every(({ dockerConfig }) => (dockerConfig !== undefined) === hasCredentials));
  });

  test(`${name}: the cache fits into its volume, with room for downloads and the index`, () => {
    const { maxBytes } = configOf(rendered).cache;
    const claim = workload.spec.volumeClaimTemplates?.find(({ metadata }) => metadata.name === 'data');
    const emptyDir = pod.volumes.find((volume) => volume.name === 'data')?.emptyDir;
    const size = claim?.spec.resources.requests.storage ?? emptyDir?.sizeLimit ?? '';
    assert.ok(bytesOf(size) >= 1.5 * maxBytes, `${size} for ${maxBytes}`);
    // Else the scheduler puts it on a node that has less.
    if (emptyDir) assert.equal(container.resources.requests['ephemeral-storage'], size);
  });

  test(`${name}: it has as long to stop as it takes`, () => {
    const { graceMs } = configOf(rendered).shutdown;
    const seconds = container.lifecycle.preStop.sleep.seconds + graceMs / 1000 + stopMarginSeconds;
    assert.ok(pod.terminationGracePeriodSeconds > seconds);
  });

  test(`${name}: replicas that share nothing neither host images nor sign by authorities of their own`, () => {
    const { doors, proxy } = configOf(rendered);
    if (workload.spec.replicas === 1) return assert.equal(name, 'helm-hosted');
    assert.equal(doors.hosted.listen, undefined);
    assert.ok(doors.proxy.listen === undefined || proxy.ca !== undefined);
  });
}
