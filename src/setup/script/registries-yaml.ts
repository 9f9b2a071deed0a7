import { hostedRegistryName } from '../../oci/hosted.ts';
import { hostAndPort } from '../address/address.ts';
import { caFiles } from '../authority-files.ts';
import { YamlFile } from '../edit/yaml-file.ts';
import { verbatimUrl } from '../shape.ts';
import type { SetupFile, SetupShape, SetupView } from '../target.ts';

// What k3s and RKE2 read, on a machine and in the nodes of k3d.

/** The shapes of `registries.yaml`, the best first: a plain address is understood by every version, and says ns= itself. */
export const registriesShapes = ['ns', 'alias', 'vhost'] as const satisfies readonly SetupShape[];

/** Where the files are. */
export interface RegistriesPlace {
  readonly path: string;
  /** Where k3s finds the authority of the door. */
  readonly caPath: string;
}

/** `registries.yaml`. */
export function registriesFile(view: SetupView, shape: SetupShape, { path, caPath }: RegistriesPlace): SetupFile {
  const mirrors = mirrorsOf(view, shape);
  const hosts = caFiles(view, caPath).length === 0 ? [] : hostsOf(mirrors);
  return {
    path,
    about: 'Pulls from these registries through the cache, and from themselves when the cache fails.',
    render(before) {
      const file = new YamlFile(path, before);
      for (const [name, url] of mirrors) file.putFirst(['mirrors', name, 'endpoint'], url);
      for (const host of hosts) file.set(['configs', host, 'tls', 'ca_file'], caPath);
      return file.toString();
    },
  };
}

function mirrorsOf(view: SetupView, shape: SetupShape): [name: string, url: string][] {
  const hosted = { alias: hostedRegistryName };
  return [
    ...view.registries.map((registry): [string, string] => [registry.name, verbatimUrl(view, registry, shape)]),
    ...view.hostedNames.map((name): [string, string] => [name, verbatimUrl(view, hosted, shape)]),
    // Only ns= says which of all the others is meant.
    ...(view.isWhole && shape === 'ns' ? [['*', view.address] as [string, string]] : []),
  ];
}

/** The hosts that are asked, each once: `configs` are by host and port. */
function hostsOf(mirrors: readonly [name: string, url: string][]): string[] {
  return [...new Set(mirrors.map(([, url]) => hostAndPort(url).replace(/\/.*$/, '')))];
}
