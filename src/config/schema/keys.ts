import { z } from 'zod';
import { configSchema, upstreamSchema } from './schema.ts';
import { about, type KeyAbout } from './values/key.ts';

/** The path of a key: `['cache', 'maxBytes']`. */
export type KeyPath = readonly string[];

/** A key that has a value, with all that the schema tells of it. */
export interface ConfigKey {
  readonly path: KeyPath;
  readonly about: KeyAbout;
  /** What it is without being given, as the file would say it. */
  readonly defaultValue: unknown;
}

/** Every key of a schema that has a value, in its order; `upstreams` is left out, as its keys are `upstreamKeys`. */
function keysOf(schema: z.ZodObject, above: KeyPath): ConfigKey[] {
  return Object.entries(schema.shape).flatMap(([name, child]) => {
    const path = [...above, name];
    const inner = withoutDefault(child);
    if (inner instanceof z.ZodObject) return keysOf(inner, path);
    if (inner instanceof z.ZodRecord) return [];
    const defaultValue = child instanceof z.ZodPrefault ? child.def.defaultValue : undefined;
    return [{ path, about: aboutKey(child), defaultValue }];
  });
}

/** A schema without the default around it. */
export function withoutDefault(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodPrefault ? schema.unwrap() : schema;
}

/** What is told about a part of the schema. */
export function aboutKey(schema: z.core.$ZodType): KeyAbout {
  const found = about.get(schema);
  if (found === undefined) throw new Error('Cannot describe a key: the schema tells nothing about it');
  return found;
}

/** The keys of the file, but those of upstreams. */
export const configKeys: readonly ConfigKey[] = keysOf(configSchema, []);

/** The keys of one entry of `upstreams`. */
export const upstreamKeys: readonly ConfigKey[] = keysOf(upstreamSchema, []);

/** The key that a path leads to; undefined when there is none. */
export function keyAt(path: KeyPath): ConfigKey | undefined {
  const [keys, wanted] = path[0] === 'upstreams' ? [upstreamKeys, path.slice(2)] : [configKeys, path];
  return keys.find((key) => nameOfPath(key.path) === nameOfPath(wanted));
}

/** A path as people read and write it: `cache.maxBytes`, `upstreams.docker.io.url`. */
export function nameOfPath(path: KeyPath): string {
  return path.join('.');
}

/** The environment variable of a path: `ENTREPOT_CACHE_MAX_BYTES`, `ENTREPOT_UPSTREAMS_DOCKER_IO_PASSWORD_FILE`. */
export function variableOfPath(path: KeyPath): string {
  const words = path.map((part) => part.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replace(/[^A-Za-z0-9]/g, '_'));
  return ['ENTREPOT', ...words].join('_').toUpperCase();
}
