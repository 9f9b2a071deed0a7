import { Document, isSeq } from 'yaml';
import type { Config, UpstreamConfig } from './config.ts';
import type { MergedSettings } from './merge-settings.ts';
import { putValue } from './parse-settings.ts';
import { builtinUpstreams } from './resolve/builtin-upstreams.ts';
import { type ConfigKey, configKeys, type KeyPath, nameOfPath, upstreamKeys } from './schema/keys.ts';
import { configSchema } from './schema/schema.ts';
import type { Setting } from './sources/setting.ts';

/** The value that counts for a key, as the file would say it, with secrets redacted, and where it comes from. */
export interface EffectiveValue {
  readonly path: KeyPath;
  readonly value: unknown;
  readonly origin: string;
}

const defaultOrigin = 'default';

/** Every value that counts, in the order of the schema; keys that have none are left out. */
export function effectiveValues(merged: MergedSettings, config: Config): EffectiveValue[] {
  return Object.keys(configSchema.shape).flatMap((group) => {
    if (group === 'upstreams')
      return [...config.upstreams.flatMap((upstream) => upstreamValues(merged, upstream)), ...removals(merged)];
    return configKeys
      .filter(({ path }) => path[0] === group)
      .flatMap((key) => {
        const implied = isDoorDefault(key) ? (config.doors.registry.default ?? 'none') : key.defaultValue;
        return effectiveValue(key, key.path, merged.values.get(nameOfPath(key.path)), implied);
      });
  });
}

function isDoorDefault({ path }: ConfigKey): boolean {
  return nameOfPath(path) === 'doors.registry.default';
}

function upstreamValues(merged: MergedSettings, { name, alias, urls }: UpstreamConfig): EffectiveValue[] {
  const fields = merged.upstreams.get(name)?.fields ?? new Map<string, Setting>();
  const implied: Record<string, unknown> = { alias };
  if (!fields.has('urls')) implied['url'] = urls[0]?.origin;
  return upstreamKeys.flatMap((key) => {
    const field = nameOfPath(key.path);
    return effectiveValue(key, ['upstreams', name, field], fields.get(field), implied[field]);
  });
}

/** What was taken away of what is built in: without it, the output would say something else when it is read again. */
function removals({ removed }: MergedSettings): EffectiveValue[] {
  const builtin = [...removed].filter(([name]) => Object.hasOwn(builtinUpstreams, name));
  return builtin.map(([name, origin]) => ({ path: ['upstreams', name], value: null, origin }));
}

function effectiveValue(key: ConfigKey, path: KeyPath, given: Setting | undefined, implied: unknown): EffectiveValue[] {
  const value = given?.value ?? implied;
  if (value === undefined) return [];
  return [{ path, value: key.about.secret ? '[redacted]' : value, origin: given?.origin ?? defaultOrigin }];
}

/** The values as YAML that can be used as a configuration file, each followed by where it comes from. */
export function renderYaml(values: readonly EffectiveValue[]): string {
  const document = new Document({});
  for (const { path, value, origin } of values) {
    const node = document.createNode(value);
    if (isSeq(node)) node.flow = true;
    node.comment = ` ${origin}`;
    document.setIn(path, node);
  }
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** The values as one object, shaped like the file. */
export function toObject(values: readonly EffectiveValue[]): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const { path, value } of values) putValue(tree, path, value);
  return tree;
}
