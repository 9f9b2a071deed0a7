import type { Report } from '../config-error.ts';
import { configKeys, keyAt, nameOfPath, upstreamKeys } from '../schema/keys.ts';
import { configSchema, upstreamSchema } from '../schema/schema.ts';
import { readText, type Setting, suggestKey } from './setting.ts';
import { readYaml } from './yaml.ts';

/** The flags that stand for one key each; every other key is reached by `--set`. */
export const flagKeys = [
  { attribute: 'data', flag: '--data', placeholder: 'DIR', path: ['data'] },
  { attribute: 'listen', flag: '--listen', placeholder: 'ADDR', path: ['doors', 'registry', 'listen'] },
  { attribute: 'default', flag: '--default', placeholder: 'NAME', path: ['doors', 'registry', 'default'] },
  { attribute: 'domain', flag: '--domain', placeholder: 'NAME', path: ['domain'] },
  { attribute: 'logLevel', flag: '--log-level', placeholder: 'LEVEL', path: ['log', 'level'] },
  { attribute: 'logFormat', flag: '--log-format', placeholder: 'FORMAT', path: ['log', 'format'] },
] as const;

/** The values of the flags of the command line, as they were given. */
export type FlagValues = {
  readonly [attribute in (typeof flagKeys)[number]['attribute']]?: string | undefined;
} & {
  /** Each `key.path=value` of `--set`. */
  readonly set?: readonly string[] | undefined;
};

/** Reads settings from flags; the later wins, and `--set` comes after the others. */
export function readFlags(flags: FlagValues, report: Report): Setting[] {
  const settings: Setting[] = [];
  for (const { attribute, flag, path } of flagKeys) {
    const value = flags[attribute];
    if (value !== undefined) settings.push({ path, value, origin: flag });
  }
  return [...settings, ...(flags.set ?? []).flatMap((assignment) => readAssignment(assignment, report))];
}

function readAssignment(assignment: string, report: Report): Setting[] {
  const equals = assignment.indexOf('=');
  if (equals < 0) {
    // Not quoted beyond its name: without "=", nobody knows where a secret begins.
    report({ where: '--set', what: 'Cannot read an assignment: it has no "="', advice: 'write --set key.path=value' });
    return [];
  }
  const name = assignment.slice(0, equals);
  const given = assignment.slice(equals + 1);
  const origin = `--set ${name}`;
  const key = configKeys.find((known) => nameOfPath(known.path) === name);
  if (key !== undefined) return [{ path: key.path, value: readText(key, given), origin }];
  if (name === 'upstreams' || name.startsWith('upstreams.')) return readUpstream(name, given, origin, report);
  const below = configKeys.map((known) => nameOfPath(known.path)).find((known) => known.startsWith(`${name}.`));
  if (name !== '' && below !== undefined) {
    report({ where: origin, what: `"${name}" is a group of keys`, advice: `name one of them, such as ${below}` });
    return [];
  }
  const names = [...configKeys.map((known) => nameOfPath(known.path)), 'upstreams'];
  report({ where: origin, what: `Unknown key "${name}"`, advice: suggestKey(name, [], names) });
  return [];
}

/** Reads `upstreams`, `upstreams.<name>` or `upstreams.<name>.<key>`: a name has dots, so the last part decides. */
function readUpstream(name: string, given: string, origin: string, report: Report): Setting[] {
  const source = { text: given, originOf: () => origin };
  if (name === 'upstreams') return readYaml({ ...source, schema: configSchema.shape.upstreams, path: [name] }, report);
  const below = name.slice('upstreams.'.length);
  // `registry.ca` ends like the key `ca`: a value that only a whole entry can have tells them apart.
  if (given === 'null' || given.startsWith('{')) {
    return readYaml({ ...source, schema: upstreamSchema, path: ['upstreams', below] }, report);
  }
  const lastDot = below.lastIndexOf('.');
  const above = ['upstreams', below.slice(0, Math.max(lastDot, 0))];
  const path = [...above, below.slice(lastDot + 1)];
  const key = keyAt(path);
  if (key !== undefined) return [{ path, value: readText(key, given), origin }];
  const known = upstreamKeys.map((upstreamKey) => nameOfPath(upstreamKey.path));
  report({ where: origin, what: `Unknown key "${name}"`, advice: suggestKey(path.at(-1) ?? '', above, known) });
  return [];
}
