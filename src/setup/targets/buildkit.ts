import { hostAndPort, hostOf, isLoopbackHost } from '../address/address.ts';
import { caFiles } from '../authority-files.ts';
import { setInTables, type TomlSetting } from '../edit/toml-tables.ts';
import { mirrorUrl, shapeFor } from '../shape.ts';
import type { SetupFile, SetupPlan, SetupTarget, SetupView } from '../target.ts';

const path = '/etc/buildkit/buildkitd.toml';
const caPath = '/etc/buildkit/entrepot-ca.crt';

/** BuildKit: a table for each registry in buildkitd.toml, and one for the cache itself. */
export const buildkit: SetupTarget = {
  name: 'buildkit',
  description: 'buildkitd, and builders of docker buildx: mirrors in buildkitd.toml',
  // The path says which registry is meant in whatever is logged on the way; ns=, which it sends too, says the same.
  shapes: ['alias', 'ns', 'vhost'],
  plan(view) {
    const addresses = addressesOf(view);
    const ca = caFiles(view, caPath, addresses);
    return { files: [daemonToml(view, addresses, ca.length > 0), ...ca], steps, notes: notesOf(view) };
  },
};

const steps: SetupPlan['steps'] = [
  'systemctl restart buildkit  # where buildkitd is a service',
  `docker buildx create --use --name entrepot --driver docker-container --config ${path}  # where buildx runs it`,
];

function mirrorsOf(view: SetupView): { readonly name: string; readonly url: string }[] {
  const shape = shapeFor(buildkit, view);
  return view.registries.map((registry) => ({ name: registry.name, url: mirrorUrl(view, registry, shape) }));
}

/** Every door that is spoken to, without paths. */
function addressesOf(view: SetupView): string[] {
  const doors = mirrorsOf(view).map(({ url }) => new URL(url).origin);
  return [...new Set([...doors, ...(view.hostedAddress === undefined ? [] : [view.hostedAddress])])];
}

function daemonToml(view: SetupView, addresses: readonly string[], hasCa: boolean): SetupFile {
  const mirrors = mirrorsOf(view).map(
    ({ name, url }): TomlSetting => ({ table: ['registry', name], key: 'mirrors', value: [hostAndPort(url)] }),
  );
  const doors = addresses.flatMap((address): TomlSetting[] => {
    const table = ['registry', hostAndPort(address)];
    if (address.startsWith('http://')) return [{ table, key: 'http', value: true }];
    return hasCa ? [{ table, key: 'ca', value: [caPath] }] : [];
  });
  return {
    path,
    about: 'Makes BuildKit ask the cache first for each registry.',
    render: (before) => setInTables(before ?? '', [...mirrors, ...doors], path),
  };
}

function notesOf(view: SetupView): string[] {
  const host = hostAndPort(view.address);
  const notes = [
    'When the cache does not answer, BuildKit goes to the registry itself.',
    'The builder that is built into docker does not read this file: it has the mirrors of daemon.json (`entrepot setup docker`).',
    'docker buildx copies the file when a builder is made: make the builder anew when the file changes.',
  ];
  if (isLoopbackHost(hostOf(host))) {
    notes.push(`${host} is this machine: a builder in a container reaches it with --driver-opt network=host alone.`);
  }
  if (view.asksLogin) notes.push(`The login is kept by \`docker login ${host}\`, where buildctl or buildx runs.`);
  if (view.asksCertificate) {
    notes.push(`The certificate of the client is a [[registry."${host}".keypair]] with key and cert in ${path}.`);
  }
  return notes;
}
