import type { Report } from './config-error.ts';
import { type KeyPath, nameOfPath } from './schema/keys.ts';
import type { Setting } from './sources/setting.ts';

/** What all sources together say: for every key the value that counts, unchecked, with its origin. */
export interface MergedSettings {
  /** By the key's name; those of upstreams are in `upstreams`. */
  readonly values: ReadonlyMap<string, Setting>;
  /** The upstreams that are configured, by name. */
  readonly upstreams: ReadonlyMap<string, UpstreamSettings>;
}

/** What is given for one upstream. */
export interface UpstreamSettings {
  /** Where the upstream was first named. */
  readonly origin: string;
  /** By the name of the key. */
  readonly fields: ReadonlyMap<string, Setting>;
}

interface Entry {
  origin: string;
  isConfigured: boolean;
  readonly fields: Map<string, LayeredSetting>;
}

interface LayeredSetting extends Setting {
  readonly layer: number;
}

const builtinLayer = 0;

// Of each pair, what a higher layer gives takes the place of both; one layer that gives both contradicts itself.
const alternatives: Readonly<Record<string, string>> = {
  url: 'urls',
  urls: 'url',
  password: 'passwordFile',
  passwordFile: 'password',
};

/** Lays the settings of all sources over each other, the lowest layer first, which is what is built in. */
export function mergeSettings(layers: readonly (readonly Setting[])[], report: Report): MergedSettings {
  const values = new Map<string, Setting>();
  for (const setting of layers.flat()) {
    if (setting.path[0] !== 'upstreams') values.set(nameOfPath(setting.path), setting);
  }
  const entries = new Map<string, Entry>();
  const hasBuiltins = values.get('builtinUpstreams')?.value !== false;
  for (const [layer, settings] of layers.entries()) {
    for (const setting of settings) {
      const [group, name = ''] = setting.path;
      if (group !== 'upstreams') continue;
      const entry = entries.get(name);
      if (layer === builtinLayer) placeSetting(entries, name, { ...setting, layer }, hasBuiltins, report);
      else if (setting.value === null) removeUpstream(entry, setting, report);
      else if (setting.needsUpstream && !entry?.isConfigured) reportNoUpstream(name, setting, report);
      else placeSetting(entries, name, { ...setting, layer }, true, report);
    }
  }
  return { values, upstreams: new Map([...entries].filter(([, entry]) => entry.isConfigured)) };
}

function placeSetting(
  entries: Map<string, Entry>,
  name: string,
  setting: LayeredSetting,
  isConfigured: boolean,
  report: Report,
): void {
  const entry = entries.get(name) ?? { origin: setting.origin, isConfigured, fields: new Map() };
  entries.set(name, entry);
  entry.isConfigured ||= isConfigured;
  const key = setting.path[2];
  if (key === undefined) return;
  const other = entry.fields.get(alternatives[key] ?? '');
  if (other !== undefined && other.layer === setting.layer) {
    const what = `Upstream "${name}" has both ${other.path[2]} and ${key}`;
    report({ where: setting.origin, what, advice: 'keep one of them' });
  } else if (other !== undefined) entry.fields.delete(other.path[2] ?? '');
  entry.fields.set(key, setting);
}

/** Takes an upstream away. Should a higher layer name it again, what is built in for it counts again. */
function removeUpstream(entry: Entry | undefined, setting: Setting, report: Report): void {
  if (entry === undefined) {
    const what = `Cannot remove "${nameOfPath(setting.path)}": there is no such upstream`;
    report({ where: setting.origin, what, advice: 'to add one, write {} or its keys' });
    return;
  }
  entry.isConfigured = false;
  for (const [key, { layer }] of entry.fields) if (layer !== builtinLayer) entry.fields.delete(key);
}

function reportNoUpstream(name: string, setting: Setting, report: Report): void {
  const what = `It is for the upstream "${name}", which is not configured`;
  report({ where: setting.origin, what, advice: 'configure the upstream, or leave the variable away' });
}

/** The setting that a path belongs to: its own, or the nearest above. */
export function settingAt(merged: MergedSettings, path: KeyPath): Setting | undefined {
  const [group, name = '', key = ''] = path;
  if (group === 'upstreams') return merged.upstreams.get(name)?.fields.get(key);
  for (let length = path.length; length > 0; length--) {
    const setting = merged.values.get(nameOfPath(path.slice(0, length)));
    if (setting !== undefined) return setting;
  }
  return undefined;
}
