import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { packageVersion } from '../../src/util/version.ts';
import { type Rendered, readGolden, type Service, selects } from './golden.ts';
import type { Labels, Manifest } from './renderings.ts';
import { renderings } from './renderings.ts';
import { digestSources } from './sources.ts';

const golden = readGolden();

/** A test of what has to hold of all manifests, however they are rendered. */
function testEach(what: string, body: (rendered: Rendered) => void): void {
  test(what, async (t) => {
    for (const rendered of golden) await t.test(rendered.name, () => body(rendered));
  });
}

test('the golden files are of the manifests and the chart that are here: make test-deploy WRITE=yes', () => {
  const noted = readFileSync(new URL('../golden/deploy/sources.sha256', import.meta.url), 'utf8');
  assert.equal(noted, digestSources(new URL('../..', import.meta.url)));
  assert.deepEqual(golden.map(({ name }) => name).sort(), renderings.map(({ name }) => name).sort());
});

testEach('pods run as nobody in particular, and can write to their volumes alone', ({ pod, container }) => {
  const { securityContext } = container;
  assert.deepEqual(
    [securityContext['allowPrivilegeEscalation'], securityContext['privileged'], securityContext['capabilities']],
    [false, false, { drop: ['ALL'] }],
  );
  assert.equal(securityContext['readOnlyRootFilesystem'], true);
  assert.equal(pod.securityContext['runAsNonRoot'], true);
  assert.deepEqual(pod.securityContext['seccompProfile'], { type: 'RuntimeDefault' });
  // A number: the kubelet cannot tell of a name whether it is root.
  assert.ok(Number(pod.securityContext['runAsUser']) > 0 && Number(pod.securityContext['fsGroup']) > 0);
  const writable = container.volumeMounts.filter(({ readOnly }) => readOnly !== true).map(({ name }) => name);
  assert.deepEqual(writable.sort(), ['data', 'tmp']);
});

testEach('pods have nothing to do with the Kubernetes API', ({ pod, of }) => {
  assert.deepEqual([pod.automountServiceAccountToken, pod.enableServiceLinks], [false, false]);
  assert.deepEqual(
    of('ServiceAccount').map(({ metadata }) => metadata.name),
    [pod.serviceAccountName],
  );
});

testEach('probes ask the paths that answer without a login, by the scheme of the door', ({ container, service }) => {
  const { startupProbe, livenessProbe, readinessProbe } = container;
  const probes = [startupProbe, livenessProbe, readinessProbe];
  assert.deepEqual(
    probes.map(({ httpGet }) => httpGet.path),
    ['/healthz', '/healthz', '/readyz'],
  );
  for (const { httpGet } of probes) assert.equal(httpGet.port, 'registry');
  const [port] = service.spec.ports as readonly { readonly appProtocol?: string }[];
  const scheme = port?.appProtocol === 'https' ? 'HTTPS' : undefined;
  for (const { httpGet } of probes) assert.equal(httpGet.scheme, scheme);
});

testEach('containers say what they need, and where it ends', ({ container: { resources } }) => {
  assert.deepEqual(Object.keys(resources.requests).sort(), ['cpu', 'ephemeral-storage', 'memory']);
  assert.deepEqual(Object.keys(resources.limits).sort(), ['cpu', 'memory']);
});

testEach('everything that selects pods selects these, and nothing selects all', ({ workload, of }) => {
  const { labels } = workload.spec.template.metadata;
  const selectors: Labels[] = [
    workload.spec.selector.matchLabels,
    ...of<Service>('Service').map(({ spec }) => spec.selector),
    ...of<Selecting>('PodDisruptionBudget').map(({ spec }) => spec.selector.matchLabels),
    ...of<NetworkPolicy>('NetworkPolicy').map(({ spec }) => spec.podSelector.matchLabels),
    ...workload.spec.template.spec.topologySpreadConstraints.map(({ labelSelector }) => labelSelector.matchLabels),
  ];
  assert.ok(selectors.length >= 6);
  for (const selector of selectors) assert.ok(selects(selector, labels), JSON.stringify(selector));
});

testEach('a drain takes one replica at a time, also when there is only one', ({ of }) => {
  const budgets = of<Selecting>('PodDisruptionBudget');
  assert.deepEqual(
    budgets.map(({ spec }) => spec.maxUnavailable),
    [1],
  );
});

testEach('clients stay with one replica, and load balancers are internal', ({ service: { spec, metadata } }) => {
  assert.equal(spec.sessionAffinity, 'ClientIP');
  if (spec.type !== 'LoadBalancer') return assert.equal(spec.type, 'ClusterIP');
  // Another policy hides the client’s address, by which it stays where it was.
  assert.equal(spec.externalTrafficPolicy, 'Local');
  const internal: Labels = {
    'networking.gke.io/load-balancer-type': 'Internal',
    'service.beta.kubernetes.io/azure-load-balancer-internal': 'true',
    'service.beta.kubernetes.io/aws-load-balancer-scheme': 'internal',
  };
  const said = Object.entries(internal).filter(([key, value]) => metadata.annotations?.[key] === value);
  assert.equal(said.length, 1);
  const attributes = metadata.annotations?.['service.beta.kubernetes.io/aws-load-balancer-target-group-attributes'];
  const isAws = 'service.beta.kubernetes.io/aws-load-balancer-scheme' in (metadata.annotations ?? {});
  assert.equal(attributes?.includes('stickiness.enabled=true,stickiness.type=source_ip') ?? false, isAws);
});

testEach('ports, volumes and objects that are named are there', ({ workload, pod, container, of }) => {
  const ports = container.ports.map(({ name }) => name);
  for (const { spec } of of<Service>('Service'))
    for (const { targetPort } of spec.ports) assert.ok(ports.includes(targetPort));
  for (const { spec } of of<NetworkPolicy>('NetworkPolicy')) {
    const open = spec.ingress.flatMap((rule) => rule.ports.map(({ port }) => port));
    // By their numbers: not every implementation knows the names.
    assert.deepEqual(
      open,
      container.ports.map(({ containerPort }) => containerPort),
    );
  }
  const claims = workload.spec.volumeClaimTemplates ?? [];
  const volumes = [...pod.volumes.map(({ name }) => name), ...claims.map(({ metadata }) => metadata.name)];
  assert.deepEqual(container.volumeMounts.map(({ name }) => name).sort(), volumes.sort());
  const maps = of('ConfigMap').map(({ metadata }) => metadata.name);
  for (const { configMap } of pod.volumes) if (configMap) assert.ok(maps.includes(configMap.name));
  for (const { secret } of pod.volumes) if (secret) assert.equal(secret.defaultMode, 0o440);
  const services = of<Service>('Service');
  const headless = services.filter(({ spec }) => spec.clusterIP === 'None').map(({ metadata }) => metadata.name);
  assert.deepEqual(headless, workload.spec.serviceName === undefined ? [] : [workload.spec.serviceName]);
});

testEach('an ingress has TLS for its host, and leads to the Service; buffers nothing', ({ name, service, of }) => {
  const ingresses = of<Ingress>('Ingress');
  assert.equal(ingresses.length, name.endsWith('-ingress') ? 1 : 0);
  for (const { spec, metadata } of ingresses) {
    assert.deepEqual(
      spec.rules.map(({ host }) => host),
      spec.tls.flatMap(({ hosts }) => hosts),
    );
    const backends = spec.rules.flatMap(({ http }) => http.paths.map(({ backend }) => backend.service));
    assert.deepEqual(backends, [{ name: service.metadata.name, port: { name: 'registry' } }]);
    assert.equal(metadata.annotations['nginx.ingress.kubernetes.io/upstream-hash-by'], '$binary_remote_addr');
    assert.equal(metadata.annotations['nginx.ingress.kubernetes.io/proxy-buffering'], 'off');
    assert.equal(metadata.annotations['nginx.ingress.kubernetes.io/proxy-body-size'], '0');
  }
});

testEach('Prometheus is led to one Service, so that no replica counts twice', ({ of }) => {
  for (const { spec } of of<ServiceMonitor>('ServiceMonitor')) {
    const found = of<Service>('Service').filter(({ metadata }) =>
      selects(spec.selector.matchLabels, metadata.labels ?? {}),
    );
    assert.equal(found.length, 1);
    const ports = found[0]?.spec.ports.map(({ name }) => name) ?? [];
    for (const { port, path } of spec.endpoints) assert.deepEqual([ports.includes(port), path], [true, '/metrics']);
  }
});

testEach('nothing is without the namespace or the labels of the whole', ({ manifests, name }) => {
  for (const { metadata } of manifests) {
    assert.equal(metadata.labels?.['app.kubernetes.io/name'], 'entrepot');
    if (name.startsWith('kustomize-')) assert.ok(metadata.namespace);
  }
});

test('the image is named in one place, with the version of the package', () => {
  const kustomization = readFileSync(
    new URL('../../deploy/kubernetes/base/kustomization.yaml', import.meta.url),
    'utf8',
  );
  assert.match(kustomization, new RegExp(`newTag: ${packageVersion().replaceAll('.', '\\.')}\n`));
  for (const { container } of golden) assert.match(container.image, /^registry\.example\.com\/entrepot[:@]/);
});

interface Selecting extends Manifest {
  readonly spec: { readonly maxUnavailable: number; readonly selector: { readonly matchLabels: Labels } };
}

interface NetworkPolicy extends Manifest {
  readonly spec: {
    readonly podSelector: { readonly matchLabels: Labels };
    readonly ingress: readonly { readonly ports: readonly { readonly port: number }[] }[];
  };
}

interface Ingress extends Manifest {
  readonly metadata: Manifest['metadata'] & { readonly annotations: Labels };
  readonly spec: {
    readonly tls: readonly { readonly hosts: readonly string[] }[];
    readonly rules: readonly {
      readonly host: string;
      readonly http: { readonly paths: readonly { readonly backend: { readonly service: unknown } }[] };
    }[];
  };
}

interface ServiceMonitor extends Manifest {
  readonly spec: {
    readonly selector: { readonly matchLabels: Labels };
    readonly endpoints: readonly { readonly port: string; readonly path: string }[];
  };
}
