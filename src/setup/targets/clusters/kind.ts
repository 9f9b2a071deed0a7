import { hostOf, isLoopbackHost } from '../../address/address.ts';
import { caFiles } from '../../authority-files.ts';
import { YamlFile } from '../../edit/yaml-file.ts';
import { hostsFiles } from '../../hosts-files.ts';
import { madeHere } from '../../mark.ts';
import { shapeFor } from '../../shape.ts';
import type { SetupFile, SetupTarget, SetupView } from '../../target.ts';

const clusterPath = 'kind.yaml';
const configMapPath = 'local-registry-hosting.yaml';
const folder = 'kind-certs.d';
const nodeFolder = '/etc/containerd/certs.d';
const ca = 'entrepot-ca.crt';

/** kind, by a folder of `hosts.toml` files that its nodes see. */
export const kind: SetupTarget = {
  name: 'kind',
  description: 'the configuration of a cluster, certs.d for its nodes, the local-registry-hosting ConfigMap',
  shapes: ['ns', 'alias', 'vhost'],
  plan(view) {
    const hosts = hostsFiles(view, shapeFor(kind, view), { folder, caPath: `${nodeFolder}/${ca}` });
    const hosting = hostingFiles(view);
    return {
      files: [clusterFile, ...caFiles(view, `${folder}/${ca}`), ...hosts, ...hosting],
      steps: [
        `kind create cluster --config ${clusterPath}  # in the folder of these files, which the nodes see from then on`,
        ...(hosting.length > 0 ? [`kubectl apply -f ${configMapPath}`] : []),
      ],
      notes: [runningNote, ...(isLoopbackHost(hostOf(view.address)) ? [localNote] : [])],
    };
  },
};

const clusterFile: SetupFile = {
  path: clusterPath,
  about: `The cluster: its nodes see the folder ${folder}, and containerd looks into it.`,
  render: renderCluster,
};

// Of the two, kind takes the one for the version that a node has; kind before 0.27 takes both, and the last decides the version.
const patches = [
  ['version = 3', '[plugins."io.containerd.cri.v1.images".registry]'],
  ['version = 2', '[plugins."io.containerd.grpc.v1.cri".registry]'],
].map(([version, table]) => `${version}\n${table}\n  config_path = "${nodeFolder}"\n`);

function renderCluster(before: string | undefined): string {
  const file = new YamlFile(clusterPath, before);
  if (file.get(['kind']) === undefined) file.set(['kind'], 'Cluster');
  if (file.get(['apiVersion']) === undefined) file.set(['apiVersion'], 'kind.x-k8s.io/v1alpha4');
  const present = listAt(file, ['containerdConfigPatches']).map(String);
  if (!present.some((patch) => patch.includes('config_path'))) {
    for (const patch of patches) file.append(['containerdConfigPatches'], patch);
  }
  if (listAt(file, ['nodes']).length === 0) file.append(['nodes'], { role: 'control-plane' });
  for (const node of listAt(file, ['nodes']).keys()) {
    const mounts = ['nodes', node, 'extraMounts'];
    const seen = listAt(file, mounts).some(
      (mount) => (mount as { containerPath?: unknown })?.containerPath === nodeFolder,
    );
    if (!seen) file.append(mounts, { hostPath: folder, containerPath: nodeFolder, readOnly: true });
  }
  return file.toString();
}

function listAt(file: YamlFile, path: readonly (string | number)[]): unknown[] {
  const value = file.get(path);
  return Array.isArray(value) ? value : [];
}

/** How tools learn of the registry that is pushed to: skaffold, tilt and others read it. */
function hostingFiles({ hostedNames }: SetupView): SetupFile[] {
  const [name] = hostedNames;
  if (name === undefined) return [];
  const text = `${madeHere}
apiVersion: v1
kind: ConfigMap
metadata:
  name: local-registry-hosting
  namespace: kube-public
data:
  localRegistryHosting.v1: |
    host: ${JSON.stringify(name)}
    help: "https://kind.sigs.k8s.io/docs/user/local-registry/"
`;
  return [
    { path: configMapPath, about: `Tells tools in the cluster of ${name}, which is pushed to.`, render: () => text },
  ];
}

const runningNote =
  'A cluster that runs already takes the files too, where its containerd looks for them (node images since kind 0.27): ' +
  `for node in $(kind get nodes); do docker cp ${folder}/. "$node:${nodeFolder}/"; done`;

const localNote =
  'In a node, this address is the node itself: give --address by which containers reach the cache, such as that of the ' +
  'machine in their network (docker network inspect kind).';
