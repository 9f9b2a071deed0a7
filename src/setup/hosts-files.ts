import { hostedRegistryName } from '../oci/hosted.ts';
import { caFiles } from './authority-files.ts';
import { putBlock } from './edit/marked-block.ts';
import { mirrorUrl } from './shape.ts';
import type { SetupFile, SetupRegistry, SetupShape, SetupView } from './target.ts';

// What containerd reads in the folder of its config_path, on a machine and in the nodes of kind.

/** Where the files are. */
export interface HostsPlace {
  /** Where they are written. */
  readonly folder: string;
  /** Where containerd finds the authority of the door. */
  readonly caPath: string;
}

/** The `hosts.toml` of each registry, of what is pushed to, and of all that has none. */
export function hostsFiles(view: SetupView, shape: SetupShape, place: HostsPlace): SetupFile[] {
  const registries = view.registries.map((registry) => mirrorFile(view, registry, shape, place));
  const hosted = view.hostedNames.map((name) => hostedFile(view, name, shape, place));
  // Only ns= says which of all the others is meant.
  const others = view.isWhole && shape === 'ns' ? [defaultFile(view, place)] : [];
  return [...registries, ...hosted, ...others];
}

function mirrorFile(view: SetupView, registry: SetupRegistry, shape: SetupShape, place: HostsPlace): SetupFile {
  const { name, origin } = registry;
  const about = `Pulls ${name} through the cache, and from ${origin} when the cache fails.`;
  const table = mirrorTable(view, mirrorUrl(view, registry, shape), place);
  return hostsFile(place, { name, about, whole: `server = ${quoted(origin)}\n\n${table}`, table });
}

function defaultFile(view: SetupView, place: HostsPlace): SetupFile {
  const about = 'Asks the cache for every other registry, too; one that it does not serve is pulled from itself.';
  const table = mirrorTable(view, view.address, place);
  return hostsFile(place, { name: '_default', about, whole: table, table });
}

// A mirror is asked for tags and for content, but nobody pushes to one.
function mirrorTable(view: SetupView, url: string, place: HostsPlace): string {
  return `[host.${quoted(url)}]\n  capabilities = ["pull", "resolve"]\n${caLine(view, place)}`;
}

// The server is the cache, too: what is pushed there is nowhere else, so that there is nothing to fall back to.
function hostedFile(view: SetupView, name: string, shape: SetupShape, place: HostsPlace): SetupFile {
  const url = mirrorUrl(view, { alias: hostedRegistryName }, shape);
  const about = `Finds ${name}, the registry that is pushed to, at the cache.`;
  const table = `[host.${quoted(url)}]\n  capabilities = ["pull", "resolve", "push"]\n${caLine(view, place)}`;
  const whole = `server = ${quoted(url)}\n${caLine(view, place).trimStart()}`;
  return hostsFile(place, { name, about, whole, table });
}

/** What a `hosts.toml` says. */
interface HostsText {
  readonly name: string;
  readonly about: string;
  readonly whole: string;
  readonly table: string;
}

function hostsFile({ folder }: HostsPlace, { name, about, whole, table }: HostsText): SetupFile {
  const path = `${folder}/${name}/hosts.toml`;
  return { path, about, render: (before) => putBlock(before, { whole, table }, path) };
}

function caLine(view: SetupView, { caPath }: HostsPlace): string {
  return caFiles(view, caPath).length === 0 ? '' : `  ca = ${quoted(caPath)}\n`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
