import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server that kubectl takes for a cluster: it says which kinds there are, and keeps what it is given. */
export interface KubernetesApi {
  readonly address: string;
  /** What was put there, by its path. */
  readonly objects: ReadonlyMap<string, KubernetesObject>;
  close(): Promise<void>;
}

/** An object of Kubernetes, as far as it is looked at. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
}

/** The kinds that there are, by version of the API: of Kubernetes, and of the Prometheus operator. */
const kinds: Readonly<Record<string, readonly string[]>> = {
  v1: ['ConfigMap', 'Secret', 'Service', 'ServiceAccount'],
  'apps/v1': ['Deployment', 'StatefulSet'],
  'networking.k8s.io/v1': ['Ingress', 'NetworkPolicy'],
  'policy/v1': ['PodDisruptionBudget'],
  'monitoring.coreos.com/v1': ['ServiceMonitor', 'PrometheusRule'],
};

const verbs = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];

/** Starts one on loopback. */
export async function startKubernetesApi(): Promise<KubernetesApi> {
  const objects = new Map<string, KubernetesObject>();
  const server = createServer((request, response) => void answer(request, response, objects));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    ...{ address: `http://127.0.0.1:${port}`, objects },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  objects: Map<string, KubernetesObject>,
): Promise<void> {
  const { pathname } = new URL(request.url ?? '', 'http://any');
  const send = (status: number, body: object) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const found = discovered(pathname);
  if (found !== undefined) return send(200, found);
  if (request.method === 'POST') {
    const object = JSON.parse(Buffer.concat(await request.toArray()).toString('utf8')) as KubernetesObject;
    objects.set(`${pathname}/${object.metadata.name}`, object);
    return send(201, object);
  }
  const object = objects.get(pathname);
  if (object !== undefined) return send(200, object);
  send(404, {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    reason: 'NotFound',
    message: 'not found',
    code: 404,
  });
}

/** What is said of the kinds at a path, if something is. */
function discovered(path: string): object | undefined {
  const groups = Object.keys(kinds).filter((each) => each.includes('/'));
  if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] };
  if (path === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupOf) };
  const groupVersion = path.replace(/^\/apis?\//, '');
  const names = kinds[groupVersion];
  if (names === undefined) return undefined;
  const resources = names.map((kind) => ({ name: pluralOf(kind), kind, namespaced: true, verbs }));
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources };
}

function groupOf(groupVersion: string): object {
  const [name, version] = groupVersion.split('/');
  return { name, versions: [{ groupVersion, version }], preferredVersion: { groupVersion, version } };
}

function pluralOf(kind: string): string {
  const word = kind.toLowerCase();
  if (word.endsWith('y')) return `${word.slice(0, -1)}ies`;
  return word.endsWith('s') ? `${word}es` : `${word}s`;
}
