import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type Labels, type Manifest, readManifests } from './renderings.ts';

/** The pod of a Deployment or StatefulSet, as far as tests look at it. */
export interface PodTemplate {
  readonly metadata: { readonly labels: Labels };
  readonly spec: {
    readonly serviceAccountName: string;
    readonly automountServiceAccountToken: boolean;
    readonly enableServiceLinks: boolean;
    readonly terminationGracePeriodSeconds: number;
    readonly securityContext: Readonly<Record<string, unknown>>;
    readonly topologySpreadConstraints: readonly {
      readonly topologyKey: string;
      readonly labelSelector: { readonly matchLabels: Labels };
    }[];
    readonly containers: readonly Container[];
    readonly volumes: readonly Volume[];
  };
}

/** A container of a pod. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly lifecycle: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly resources: { readonly requests: Labels; readonly limits: Labels };
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}

/** A probe over HTTP. */
export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string; readonly scheme?: string };
}

/** A volume of a pod. */
export interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly secret?: { readonly secretName: string; readonly defaultMode: number };
  readonly emptyDir?: { readonly sizeLimit: string };
}

/** A Deployment or a StatefulSet. */
export interface Workload extends Manifest {
  readonly spec: {
    readonly replicas: number;
    readonly serviceName?: string;
    readonly selector: { readonly matchLabels: Labels };
    readonly template: PodTemplate;
    readonly volumeClaimTemplates?: readonly {
      readonly metadata: { readonly name: string };
      readonly spec: { readonly resources: { readonly requests: { readonly storage: string } } };
    }[];
  };
}

/** A Service. */
export interface Service extends Manifest {
  readonly metadata: Manifest['metadata'] & { readonly annotations?: Labels };
  readonly spec: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly selector: Labels;
    readonly sessionAffinity?: string;
    readonly externalTrafficPolicy?: string;
    readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
  };
}

/** What was rendered by one way, and is in test/golden/deploy. */
export interface Rendered {
  readonly name: string;
  readonly manifests: readonly Manifest[];
  readonly workload: Workload;
  readonly pod: PodTemplate['spec'];
  readonly container: Container;
  /** The Service that clients come to. */
  readonly service: Service;
  /** The manifests of a kind. */
  of<Kind extends Manifest>(kind: string): Kind[];
}

/** Reads all golden files. */
export function readGolden(): Rendered[] {
  const folder = new URL('../golden/deploy/', import.meta.url);
  return globSync('*.yaml', { cwd: folder })
    .sort()
    .map((file) => {
      const manifests = readManifests(readFileSync(new URL(file, folder), 'utf8'));
      const of = <Kind extends Manifest>(kind: string) => manifests.filter((one) => one.kind === kind) as Kind[];
      const [workload, ...others] = [...of<Workload>('Deployment'), ...of<Workload>('StatefulSet')];
      const service = of<Service>('Service').find(({ spec }) => spec.clusterIP !== 'None');
      const pod = workload?.spec.template.spec;
      const container = pod?.containers[0];
      if (!workload || others.length > 0 || !service || !pod || !container) throw new Error(`Cannot test ${file}`);
      return { name: basename(file, '.yaml'), manifests, workload, pod, container, service, of };
    });
}

/** Whether a selector takes what has these labels. */
export function selects(selector: Labels, labels: Labels): boolean {
  const wanted = Object.entries(selector);
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
}

const units: Readonly<Record<string, number>> = { Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, M: 1e6, G: 1e9, T: 1e12 };

/** A quantity of Kubernetes, in bytes. */
export function bytesOf(quantity: string): number {
  const [, count, unit = ''] = /^(\d+)([A-Z]i?)$/.exec(quantity) ?? [];
  const factor = units[unit];
  if (count === undefined || factor === undefined) throw new Error(`Cannot read the quantity "${quantity}"`);
  return Number(count) * factor;
}
