import { hostedRegistryName } from '../../oci/hosted.ts';
import { setupMark } from '../plan-script.ts';
import { mirrorUrl, shapeFor } from '../shape.ts';
import type { SetupFile, SetupRegistry, SetupShape, SetupTarget, SetupView } from '../target.ts';
import { putBlock } from '../toml-block.ts';

const folder = '/etc/containerd/certs.d';
const caPath = '/etc/containerd/entrepot-ca.crt';

/** containerd, by `certs.d`: a folder for each registry. */
export const containerd: SetupTarget = {
  name: 'containerd',
  description: 'containerd 1.5 and newer, and what runs on it: Kubernetes nodes, nerdctl, ctr',
  // It always says by ns= which registry it means, so that no path is needed.
  shapes: ['ns', 'alias', 'vhost'],
  plan(view) {
    const files = hostsFiles(view, { folder, caPath });
    const ca = view.ca === undefined ? [] : [caFile(view.ca, caPath)];
    return { files: [...ca, ...files], steps, notes: [] };
  },
};

/** Where the files of containerd's are. */
export interface HostsPlace {
  readonly folder: string;
  /** Where containerd finds the authority of the door. */
  readonly caPath: string;
}

/** The `hosts.toml` of each registry, of what is pushed to, and of all that has none. */
export function hostsFiles(view: SetupView, place: HostsPlace): SetupFile[] {
  const shape = shapeFor(containerd, view);
  const registries = view.registries.map((registry) => mirrorFile(view, registry, shape, place));
  const hosted = view.hostedNames.map((name) => hostedFile(view, name, shape, place));
  // Only ns= says which of all the others is meant.
  const others = view.isWhole && shape === 'ns' ? [defaultFile(view, place)] : [];
  return [...registries, ...hosted, ...others];
}

/** The authority of the door, where a client finds it. */
export function caFile(ca: string, path: string): SetupFile {
  return { path, about: 'The authority that the certificate of the cache is checked against.', render: () => ca };
}

function mirrorFile(view: SetupView, registry: SetupRegistry, shape: SetupShape, place: HostsPlace): SetupFile {
  const { name, origin } = registry;
  const table = mirrorTable(view, mirrorUrl(view, registry, shape), place);
  const about = `Pulls ${name} through the cache, and from ${origin} when the cache fails.`;
  return hostsFile(place, { name, about, text: `server = ${quoted(origin)}\n\n${table}`, table });
}

function defaultFile(view: SetupView, place: HostsPlace): SetupFile {
  const table = mirrorTable(view, view.address, place);
  const about = 'Asks the cache for every other registry, too; one that it does not serve is pulled from itself.';
  return hostsFile(place, { name: '_default', about, text: table, table });
}

// A mirror is asked for tags and for content, but nobody pushes to one.
function mirrorTable(view: SetupView, url: string, place: HostsPlace): string {
  return `[host.${quoted(url)}]\n  capabilities = ["pull", "resolve"]\n${caLine(view, place, '  ')}`;
}

// What is pushed there is nowhere else, so that there is nothing to fall back to.
function hostedFile(view: SetupView, name: string, shape: SetupShape, place: HostsPlace): SetupFile {
  const url = mirrorUrl(view, { alias: hostedRegistryName }, shape);
  const about = `Finds ${name}, the registry that is pushed to, at the cache.`;
  const text = `server = ${quoted(url)}\n${caLine(view, place, '')}`;
  return hostsFile(place, { name, about, text, table: `[host.${quoted(url)}]\n${caLine(view, place, '  ')}` });
}

/** What a `hosts.toml` of ours says, and the table that is put into another's. */
interface HostsText {
  readonly name: string;
  readonly about: string;
  readonly text: string;
  readonly table: string;
}

function hostsFile({ folder }: HostsPlace, { name, about, text, table }: HostsText): SetupFile {
  const comment = `# Made by ${setupMark}. ${about}`;
  return {
    path: `${folder}/${name}/hosts.toml`,
    about,
    render(before) {
      const isOurs = before?.startsWith(comment.slice(0, comment.indexOf('.') + 1));
      return before === undefined || isOurs ? `${comment}\n${text}` : putBlock(before, table);
    },
  };
}

function caLine({ ca }: SetupView, { caPath }: HostsPlace, indent: string): string {
  return ca === undefined ? '' : `${indent}ca = ${quoted(caPath)}\n`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

const steps = [
  `containerd config dump | grep config_path  # must say ${folder}: these files are read at every pull, with no restart`,
];
