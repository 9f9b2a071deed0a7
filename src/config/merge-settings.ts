import type { Report } from './config-error.ts';
import { type KeyPath, nameOfPath } from './schema/keys.ts';
import type { Setting } from './sources/setting.ts';

/** What all sources together say: for every key the value that counts, unchecked, with its origin. */
export interface MergedSettings {
  /** By the key's name; those of upstreams are in `upstreams`. */
  readonly values: ReadonlyMap<string, Setting>;
  /** The upstreams that are configured, by name. */
  readonly upstreams: ReadonlyMap<string, UpstreamSettings>;
  /** The upstreams that were taken away, by name, and where that was said. */
  readonly removed: ReadonlyMap<string, string>;
}

/** What is given for one upstream. */
export interface UpstreamSettings {
  /** Where the upstream was first named. */
  readonly origin: string;
  /** By the name of the key. */
  readonly fields: ReadonlyMap<string, Setting>;
}

interface Entry {
  readonly origin: string;
  isConfigured: boolean;
  removedBy?: string;
  readonly fields: Map<string, LayeredSetting>;
}

interface LayeredSetting extends Setting {
  readonly layer: number;
}

const builtinLayer = 0;

// What a higher layer gives takes the place of its alternatives; one layer that gives both contradicts itself.
const alternatives: Readonly<Record<string, readonly string[]>> = {
  url: ['urls'],
  urls: ['url'],
  username: ['dockerConfig'],
  password: ['passwordFile', 'dockerConfig', 'tokenCommand'],
  passwordFile: ['password', 'dockerConfig', 'tokenCommand'],
  dockerConfig: ['username', 'password', 'passwordFile', 'tokenCommand'],
  tokenCommand: ['password', 'passwordFile', 'dockerConfig'],
};

/** Lays the settings of all sources over each other, the lowest layer first, which is what is built in. */
export function mergeSettings(layers: readonly (readonly Setting[])[], report: Report): MergedSettings {
  const values = new Map<string, Setting>();
  for (const setting of layers.flat()) {
    if (setting.path[0] !== 'upstreams') values.set(nameOfPath(setting.path), setting);
  }
  const hasBuiltins = values.get('builtinUpstreams')?.value !== false;
  const entries = new Map<string, Entry>();
  for (const [layer, settings] of layers.entries()) {
    for (const setting of settings) {
      const [group, name = ''] = setting.path;
      if (group !== 'upstreams') continue;
      if (setting.value === null) removeUpstream(entries.get(name), setting, report);
      else placeSetting(entries, name, { ...setting, layer }, hasBuiltins, report);
    }
  }
  const configured = [...entries].filter(([, entry]) => entry.isConfigured);
  const others = [...entries].filter(([, entry]) => !entry.isConfigured);
  for (const [name, entry] of others) reportUseless(name, entry, report);
  const removed = others.flatMap(([name, entry]) =>
    entry.removedBy === undefined ? [] : [[name, entry.removedBy] as const],
  );
  return { values, upstreams: new Map(configured), removed: new Map(removed) };
}

function placeSetting(
  entries: Map<string, Entry>,
  name: string,
  setting: LayeredSetting,
  hasBuiltins: boolean,
  report: Report,
): void {
  const entry = entries.get(name) ?? { origin: setting.origin, isConfigured: false, fields: new Map() };
  entries.set(name, entry);
  entry.isConfigured ||= setting.layer === builtinLayer ? hasBuiltins : !setting.needsUpstream;
  const key = setting.path[2];
  if (key === undefined) return;
  for (const alternative of alternatives[key] ?? []) {
    const other = entry.fields.get(alternative);
    if (other !== undefined && other.layer === setting.layer) {
      const what = `Upstream "${name}" has both ${alternative} and ${key}`;
      report({ where: setting.origin, what, advice: 'keep one of them' });
    } else entry.fields.delete(alternative);
  }
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
  entry.removedBy = setting.origin;
  for (const [key, { layer }] of entry.fields) if (layer !== builtinLayer) entry.fields.delete(key);
}

/** What is given for an upstream by a source that cannot add it, while no other does. */
function reportUseless(name: string, { fields }: Entry, report: Report): void {
  const what = `It is for the upstream "${name}", which is not configured`;
  for (const { origin, needsUpstream } of fields.values()) {
    if (needsUpstream) report({ where: origin, what, advice: 'configure the upstream, or leave the variable away' });
  }
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
