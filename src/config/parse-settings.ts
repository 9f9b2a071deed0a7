import { type Problem, quoteValue, type Report } from './config-error.ts';
import { type MergedSettings, settingAt } from './merge-settings.ts';
import { type KeyPath, keyAt, nameOfPath } from './schema/keys.ts';
import { configSchema, type ParsedConfig } from './schema/schema.ts';
import type { Setting } from './sources/setting.ts';

type Tree = { [key: string]: unknown };

/**
 * Checks and converts what the sources say. Values that are wrong become problems and count as not given, so that
 * what depends on them can still be looked at.
 */
export function parseSettings(merged: MergedSettings, report: Report): ParsedConfig {
  const tree = treeOf(merged);
  const result = configSchema.safeParse(tree);
  if (result.success) return result.data;
  const wrong = new Set<string>();
  for (const { path, message } of result.error.issues) {
    const setting = settingAt(merged, path.map(String));
    if (setting === undefined) throw result.error;
    const name = nameOfPath(setting.path);
    if (!wrong.has(name)) report(describeIssue(setting, path, message));
    wrong.add(name);
    removeValue(tree, setting.path);
  }
  return configSchema.parse(tree);
}

function describeIssue({ path, value, origin }: Setting, issuePath: readonly PropertyKey[], advice: string): Problem {
  const below = issuePath.slice(path.length);
  const wrong = below.reduce<unknown>((inner, part) => (inner as Readonly<Record<PropertyKey, unknown>>)[part], value);
  // Of a list of groups, the place in it is told, too.
  const [entry, ...keys] = below;
  const place = isGroup(value, entry) ? [`, entry ${Number(entry) + 1}`, ...keys.filter(isName)].join(', ') : '';
  const isHidden = keyAt(path)?.about.secret || (place !== '' && (typeof wrong === 'object' || wrong === undefined));
  const shown = isHidden ? '' : ` ${quoteValue(wrong)}`;
  return { where: origin, what: `Cannot use ${nameOfPath(path)}${place}${shown}`, advice };
}

function isGroup(list: unknown, entry: PropertyKey | undefined): boolean {
  if (!Array.isArray(list) || typeof entry !== 'number') return false;
  return typeof list[entry] === 'object' && list[entry] !== null;
}

function isName(part: PropertyKey): boolean {
  return typeof part === 'string';
}

function treeOf({ values, upstreams }: MergedSettings): Tree {
  const tree: Tree = {};
  for (const { path, value } of values.values()) putValue(tree, path, value);
  for (const [name, { fields }] of upstreams) {
    putValue(tree, ['upstreams', name], {});
    for (const { path, value } of fields.values()) putValue(tree, path, value);
  }
  return tree;
}

/** Puts a value into a tree of groups, which are made on the way. */
export function putValue(tree: Tree, path: KeyPath, value: unknown): void {
  const group = groupOf(tree, path);
  // Not by assignment: an upstream may be named like something that every object has.
  Object.defineProperty(group, path.at(-1) ?? '', { value, enumerable: true, configurable: true, writable: true });
}

function removeValue(tree: Tree, path: KeyPath): void {
  delete groupOf(tree, path)[path.at(-1) ?? ''];
}

function groupOf(tree: Tree, path: KeyPath): Tree {
  let group = tree;
  for (const name of path.slice(0, -1)) {
    if (!Object.hasOwn(group, name)) putValue(group, [name], {});
    group = group[name] as Tree;
  }
  return group;
}
