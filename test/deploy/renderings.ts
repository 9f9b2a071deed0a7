import { execFileSync } from 'node:child_process';
import { parseAllDocuments, stringify } from 'yaml';

/** A way to render the manifests that somebody may take, whose outcome is in test/golden/deploy. */
export interface Rendering {
  readonly name: string;
  readonly tool: 'kustomize' | 'helm';
  /** What is rendered by `deploy.sh` with these variables, or by helm with this file of values. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly values?: string;
}

const image = 'registry.example.com/entrepot:0.1.0';

/** Every overlay and component, and every file of values of the chart. */
export const renderings: readonly Rendering[] = [
  ...[
    { name: 'base' },
    { name: 'persistent', variables: { PERSISTENT: 'yes' } },
    {
      name: 'gcp',
      variables: {
        ...{ OVERLAY: 'gcp', ADDRESS: '10.0.0.10', NAMESPACE: 'cache' },
        ...{ CREDENTIALS: 'yes', MONITORING: 'yes', PERSISTENT: 'yes' },
      },
    },
    { name: 'azure', variables: { OVERLAY: 'azure', ADDRESS: '10.0.0.10', REPLICAS: '3' } },
    { name: 'aws', variables: { OVERLAY: 'aws', CREDENTIALS: 'yes' } },
    { name: 'ingress', variables: { OVERLAY: 'ingress', HOST: 'cache.example.com', MONITORING: 'yes' } },
  ].map(({ name, variables }) => ({
    name: `kustomize-${name}`,
    tool: 'kustomize' as const,
    variables: { IMAGE: image, DRY_RUN: 'yes', ...variables },
  })),
  ...['default', 'gcp', 'ingress', 'hosted'].map((name) => ({
    ...{ name: `helm-${name}`, tool: 'helm' as const },
    values: `deploy/helm/entrepot/ci/${name}-values.yaml`,
  })),
];

/** Renders with the tool at hand, in the folder of the project. @throws Error with what the tool said */
export function render(
  { tool, variables, values }: Rendering,
  { root, helm, env }: { readonly root: string; readonly helm: string; readonly env: NodeJS.ProcessEnv },
): string {
  const options = { cwd: root, encoding: 'utf8', stdio: 'pipe', maxBuffer: 1e7, env } as const;
  if (tool === 'kustomize') {
    return execFileSync('make', ['--silent', '--no-print-directory', 'deploy', ...assignments(variables)], options);
  }
  const args = ['template', 'entrepot', 'deploy/helm/entrepot', '--namespace', 'entrepot', '--kube-version', '1.30'];
  return execFileSync(helm, [...args, '--values', values ?? ''], options);
}

function assignments(variables: Rendering['variables'] = {}): string[] {
  return Object.entries(variables).map(([name, value]) => `${name}=${value}`);
}

/** A manifest, as far as it is the same in all. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Labels };
}

/** Labels, annotations and selectors. */
export type Labels = Readonly<Record<string, string>>;

/** Reads the documents of a rendering. @throws Error for what is no YAML */
export function readManifests(text: string): Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    const manifest = document.toJS() as Manifest | null;
    return manifest === null ? [] : [manifest];
  });
}

/** The same whatever tool and version rendered it: in one order, without comments and the dashboard, in the YAML of Kubernetes. */
export function normalize(manifests: readonly Manifest[]): string {
  const key = ({ kind, metadata }: Manifest) => `${kind} ${metadata.name}`;
  const sorted = manifests.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)).map(withoutDashboard);
  return sorted
    .map((manifest) => stringify(manifest, { sortMapEntries: true, lineWidth: 0, version: '1.1' }))
    .join('---\n');
}

function withoutDashboard(manifest: Manifest & { readonly data?: Readonly<Record<string, string>> }): Manifest {
  const { data } = manifest;
  if (data === undefined || !('entrepot.json' in data)) return manifest;
  return { ...manifest, data: { ...data, 'entrepot.json': '(the dashboard)' } } as Manifest;
}
