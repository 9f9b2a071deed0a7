import { hostedRegistryName } from '../../../oci/hosted.ts';
import { YamlFile } from '../../edit/yaml-file.ts';
import { shapeFor, verbatimUrl } from '../../shape.ts';
import type { SetupFile, SetupShape, SetupTarget, SetupView } from '../../target.ts';

const containerdPath = 'cluster.yaml';
const dockerPath = 'cluster-docker.yaml';

/** kops, by the specification of a cluster. */
export const kops: SetupTarget = {
  name: 'kops',
  description: 'the specification of a cluster, with containerd, or the older one with docker',
  // A path would be taken in one way by old versions and in another by new ones.
  shapes: ['ns', 'vhost'],
  plan(view) {
    const shape = shapeFor(kops, view);
    const docker = dockerMirror(view, shape);
    return {
      files: [containerdFile(view, shape), ...(docker === undefined ? [] : [dockerFile(docker)])],
      steps,
      notes: [...notes, ...(docker === undefined ? [noDocker] : []), ...(view.ca === undefined ? [] : [authority])],
    };
  },
};

function containerdFile(view: SetupView, shape: SetupShape): SetupFile {
  const hosted = { alias: hostedRegistryName };
  const mirrors = [
    ...view.registries.map((registry) => [registry.name, verbatimUrl(view, registry, shape)] as const),
    ...view.hostedNames.map((name) => [name, verbatimUrl(view, hosted, shape)] as const),
  ];
  return {
    path: containerdPath,
    about: 'Goes into the specification of the cluster: containerd pulls through the cache, and past it when it fails.',
    render(before) {
      const file = new YamlFile(containerdPath, before);
      for (const [name, url] of mirrors) file.putFirst(['spec', 'containerd', 'registryMirrors', name], url);
      return file.toString();
    },
  };
}

function dockerFile(url: string): SetupFile {
  return {
    path: dockerPath,
    about:
      'In its place with containerRuntime: docker, up to Kubernetes 1.23: Docker Hub, which is all that docker mirrors.',
    render(before) {
      const file = new YamlFile(dockerPath, before);
      file.putFirst(['spec', 'docker', 'registryMirrors'], url);
      return file.toString();
    },
  };
}

/** docker names no registry: it has to find Docker Hub where it asks. */
function dockerMirror(view: SetupView, shape: SetupShape): string | undefined {
  const hub = view.registries.find(({ name }) => name === 'docker.io');
  if (hub === undefined) return undefined;
  if (shape === 'vhost') return verbatimUrl(view, hub, 'vhost');
  return view.defaultRegistry === 'docker.io' ? view.address : undefined;
}

const steps = [
  `kops get cluster "$NAME" -o yaml > ${containerdPath}  # first: what is above goes into this, by hand or by --merge`,
  `kops replace -f ${containerdPath}`,
  'kops update cluster "$NAME" --yes',
  'kops rolling-update cluster "$NAME" --yes  # nodes take it when they are made',
];

const notes = [
  'The nodes have to reach the cache before they can do anything else: its address has to be known by them, not by the cluster.',
];

const noDocker =
  'For docker there is nothing: it asks for Docker Hub alone, and this cache does not have it as its default.';

const authority =
  'The nodes have to trust the authority of the cache by their system (kops has no key for that of a mirror): by ' +
  'additionalUserData of the instance groups, or an image that has it.';
