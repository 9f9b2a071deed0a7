import { nearest } from '../../util/nearest.ts';
import type { Report } from '../config-error.ts';
import { type ConfigKey, configKeys, type KeyPath, upstreamKeys, variableOfPath } from '../schema/keys.ts';
import { configSchema } from '../schema/schema.ts';
import { likelyPlace } from './likely-places.ts';
import { readText, type Setting } from './setting.ts';
import { readYaml } from './yaml.ts';

/** The environment of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

const prefix = 'ENTREPOT_';

/** The variable that names the configuration file. */
export const fileVariable = 'ENTREPOT_CONFIG';

/** The variable that gives upstreams as the file does, in YAML or JSON. */
export const upstreamsVariable = 'ENTREPOT_UPSTREAMS';

// Of the project's own tests: whoever runs them has it in the environment of every process.
const testVariable = 'ENTREPOT_E2E';

// What Kubernetes gives every container of a namespace for a Service that is called `entrepot`, or begins so.
const serviceLinkPattern =
  /^ENTREPOT_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)$/;
const serviceLinkValuePattern = /^(?:tcp|udp|sctp):\/\//;

/** The value of a variable; one that is empty counts as not set. */
export function variable(env: Environment, name: string): string | undefined {
  return env[name] || undefined;
}

/** Reads the upstreams that `ENTREPOT_UPSTREAMS` gives. */
export function readUpstreamsVariable(env: Environment, report: Report): Setting[] {
  const text = variable(env, upstreamsVariable);
  if (text === undefined) return [];
  const originOf = () => upstreamsVariable;
  return readYaml({ text, schema: configSchema.shape.upstreams, path: ['upstreams'], originOf }, report);
}

/** Reads every other variable of ours; what is none of a known key is a problem. */
export function readVariables(env: Environment, upstreamNames: Iterable<string>, report: Report): Setting[] {
  const given = Object.keys(env).flatMap((name) => {
    const value = variable(env, name);
    return value === undefined || !isOfKey(name, value) ? [] : [{ name, value }];
  });
  if (given.length === 0) return []; // most have none, and the names of all keys of all upstreams take a while
  const known = keysByVariable(upstreamNames);
  return given.flatMap(({ name, value }) => {
    const [first, ...others] = known.get(name) ?? [];
    if (first === undefined) reportUnknown(name, known, report);
    if (others.length > 0) reportAmbiguous(name, report);
    if (first === undefined || others.length > 0) return [];
    const setting = { path: first.path, value: readText(first.key, value), origin: name };
    return [first.path[0] === 'upstreams' ? { ...setting, needsUpstream: true } : setting];
  });
}

function isOfKey(name: string, value: string): boolean {
  const others = [fileVariable, upstreamsVariable, testVariable];
  return name.startsWith(prefix) && !others.includes(name) && !isServiceLink(name, value);
}

interface Place {
  readonly key: ConfigKey;
  readonly path: KeyPath;
}

function keysByVariable(upstreamNames: Iterable<string>): Map<string, Place[]> {
  const places: Place[] = configKeys.map((key) => ({ key, path: key.path }));
  for (const name of upstreamNames) {
    for (const key of upstreamKeys) places.push({ key, path: ['upstreams', name, ...key.path] });
  }
  return Map.groupBy(places, ({ path }) => variableOfPath(path));
}

function isServiceLink(name: string, value: string): boolean {
  return serviceLinkPattern.test(name) || (/_PORT$/.test(name) && serviceLinkValuePattern.test(value));
}

function reportUnknown(name: string, known: ReadonlyMap<string, unknown>, report: Report): void {
  const suggestion = suggestVariable(name, [...known.keys(), fileVariable, upstreamsVariable]);
  const advice = name.startsWith(`${upstreamsVariable}_`)
    ? `${suggestion}; an upstream must be configured before a variable can change it, ${upstreamsVariable} adds one`
    : suggestion;
  report({ where: name, what: 'Unknown variable', advice });
}

function suggestVariable(name: string, known: readonly string[]): string {
  const place = likelyPlace(withoutPrefix(name).replaceAll('_', '.'));
  if (place !== undefined) return place;
  // Without the prefix, which all share: with it, every name would come near every other.
  const near = nearest(withoutPrefix(name), known.map(withoutPrefix));
  if (near !== undefined) return `did you mean ${prefix}${near}?`;
  const ownVariables = configKeys.map(({ path }) => variableOfPath(path));
  const longer = ownVariables.find((variable) => variable.endsWith(`_${withoutPrefix(name)}`));
  if (longer !== undefined) return `did you mean ${longer}?`;
  return `it is like none that there is; they are ${prefix} and a key’s path, as ENTREPOT_CACHE_MAX_BYTES is cache.maxBytes`;
}

function withoutPrefix(name: string): string {
  return name.slice(prefix.length);
}

function reportAmbiguous(name: string, report: Report): void {
  const advice = `use ${upstreamsVariable} or the file, where their names differ`;
  report({ where: name, what: 'It could mean several upstreams, whose names differ in punctuation only', advice });
}
