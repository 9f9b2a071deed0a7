import { hostAndPort } from '../address/address.ts';
import { caFilesByHost } from '../authority-files.ts';
import { ownFile } from '../edit/own-file.ts';
import { quote } from '../edit/toml-tables.ts';
import { mirrorUrl, shapeFor } from '../shape.ts';
import type { SetupPlan, SetupTarget, SetupView } from '../target.ts';

const path = '/etc/containers/registries.conf.d/50-entrepot.conf';
// These clients do not say which registry they mean but by the path or the host.
const shapes = ['alias', 'vhost'] as const;

/** podman, which reads a file of its own for each registry's mirrors, as skopeo does. */
export const podman: SetupTarget = {
  name: 'podman',
  description: 'a file in /etc/containers/registries.conf.d, for skopeo, too',
  shapes,
  plan: (view) => planFor('podman', view),
};

/** buildah: the same file. */
export const buildah: SetupTarget = {
  name: 'buildah',
  description: 'a file in /etc/containers/registries.conf.d',
  shapes,
  plan: (view) => planFor('buildah', view),
};

/** CRI-O: the same file, which it reads when it is told to. */
export const criO: SetupTarget = {
  name: 'cri-o',
  description: 'CRI-O, for Kubernetes nodes: a file in /etc/containers/registries.conf.d',
  shapes,
  plan: (view) => planFor('cri-o', view),
};

const steps: Readonly<Record<string, readonly string[]>> = {
  'cri-o': ['systemctl reload crio  # reads the mirrors anew; containers run on'],
};

function planFor(name: string, view: SetupView): SetupPlan {
  const shape = shapeFor({ name, shapes }, view);
  const mirrors = view.registries.map((registry) => ({ name: registry.name, url: mirrorUrl(view, registry, shape) }));
  const tables = mirrors.map(({ name, url }) => mirrorTable(name, url));
  const hosted = view.hostedAddress === undefined ? [] : [hostedTable(view.hostedAddress)];
  const text = [...tables, ...hosted].filter((table) => table !== '').join('\n');
  const addresses = [
    ...mirrors.map(({ url }) => url),
    ...(view.hostedAddress === undefined ? [] : [view.hostedAddress]),
  ];
  return {
    files: [
      ownFile({ path, about: 'Asks the cache first for each registry.' }, text),
      ...caFilesByHost(view, '/etc/containers/certs.d', addresses),
    ],
    steps: steps[name] ?? [],
    notes: notesOf(view),
  };
}

function mirrorTable(name: string, url: string): string {
  return [
    '[[registry]]',
    `prefix = ${quote(name)}`,
    `location = ${quote(name)}`,
    '',
    '[[registry.mirror]]',
    `location = ${quote(hostAndPort(url))}`,
    ...insecureLine(url),
    '',
  ].join('\n');
}

// What is pushed to has nobody before it; only that it speaks no TLS has to be said.
function hostedTable(address: string): string {
  const lines = insecureLine(address);
  return lines.length === 0
    ? ''
    : ['[[registry]]', `location = ${quote(hostAndPort(address))}`, ...lines, ''].join('\n');
}

// It also allows certificates of anybody, so it is said of plain HTTP alone.
function insecureLine(url: string): string[] {
  return url.startsWith('http://') ? ['insecure = true'] : [];
}

function notesOf(view: SetupView): string[] {
  const host = hostAndPort(view.address);
  const notes = [
    'When the cache does not have the manifest, the registry itself is asked; a blob that fails later fails the pull.',
    'A short name as `nginx` has to be found first: unqualified-search-registries = ["docker.io"] in registries.conf.',
    'The last file that has a [[registry]] of the same prefix counts alone: look for others in /etc/containers/registries.conf.d and ~/.config/containers.',
    'Lists of tags are asked of the registry itself, never of a mirror.',
  ];
  if (view.asksLogin) notes.push(`The login is kept by \`podman login ${host}\`.`);
  if (view.asksCertificate) {
    notes.push(`The certificate of the client is client.cert and client.key in /etc/containers/certs.d/${host}.`);
  }
  return notes;
}
