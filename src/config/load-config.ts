import type { Config, SettingsConfig } from './config.ts';
import { ConfigError, type Problem, quoteValue, type Report } from './config-error.ts';
import { type MergedSettings, mergeSettings } from './merge-settings.ts';
import { parseSettings } from './parse-settings.ts';
import { type EffectiveValue, effectiveValues, renderYaml } from './render-config.ts';
import { builtinSettings } from './resolve/builtin-upstreams.ts';
import { resolveAuth } from './resolve/resolve-auth.ts';
import { resolveHosted } from './resolve/resolve-hosted.ts';
import { resolveProxy } from './resolve/resolve-proxy.ts';
import { resolveTls } from './resolve/resolve-tls.ts';
import { describeFileError, type ReadFile, resolveUpstreams } from './resolve/resolve-upstreams.ts';
import { resolveWarm } from './resolve/resolve-warm.ts';
import { nameOfPath } from './schema/keys.ts';
import { configSchema, type ParsedConfig } from './schema/schema.ts';
import {
  type Environment,
  fileVariable,
  readUpstreamsVariable,
  readVariables,
  variable,
} from './sources/environment.ts';
import { type FlagValues, readFlags } from './sources/flags.ts';
import { readOlderVariables } from './sources/older-variables.ts';
import type { Setting } from './sources/setting.ts';
import { readYaml } from './sources/yaml.ts';

/** Where a configuration comes from. */
export interface ConfigSources {
  /** The configuration file; without one, `ENTREPOT_CONFIG` may name it, and otherwise there is none. */
  readonly file?: string | undefined;
  readonly env: Environment;
  readonly flags?: FlagValues;
  readonly readFile: ReadFile;
}

/** A configuration that can be used, and where each of its values comes from. */
export interface LoadedConfig {
  readonly config: Config;
  readonly values: readonly EffectiveValue[];
  /** By the name of the key: `cache.maxBytes` → `ENTREPOT_CACHE_MAX_BYTES`. */
  readonly origins: ReadonlyMap<string, string>;
  /** The effective configuration as YAML, secrets redacted, each value with its origin. */
  render(): string;
}

/**
 * Loads the configuration: flags over the environment over the file over what is built in.
 * @throws ConfigError that lists everything that is wrong with it, and with the files that it names
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  return load(sources, sources.readFile);
}

/**
 * Loads the configuration, and reads none of the files that it names: certificates, keys, passwords.
 * @throws ConfigError that lists everything that is wrong with it
 */
export function loadSettings(sources: ConfigSources): SettingsConfig {
  return load(sources, undefined).config;
}

/** @param readNamed reads the files that the configuration names; undefined to leave them alone */
function load(sources: ConfigSources, readNamed: ReadFile | undefined): LoadedConfig {
  const problems: Problem[] = [];
  const report: Report = (problem) => problems.push(problem);
  const merged = mergeSettings(readLayers(sources, report), report);
  const parsed = parseSettings(merged, report);
  const upstreams = resolveUpstreams(merged, parsed, readNamed, report);
  checkWatermarks(parsed, merged, report);
  const config = assembleConfig(parsed, upstreams, {
    defaultUpstream: resolveDefault(parsed, merged, upstreams, report),
    hosted: resolveHosted(parsed, merged, upstreams, report),
    proxy: resolveProxy(parsed, merged, report),
    tls: resolveDoorsTls(parsed, merged, readNamed, report),
    warm: resolveWarm(parsed, merged, upstreams, report),
    auth: resolveAuth({ parsed, merged, upstreams, readFile: readNamed, report }),
  });
  if (problems.length > 0) throw new ConfigError(problems);
  const values = effectiveValues(merged, config);
  const origins = new Map(values.map(({ path, origin }) => [nameOfPath(path), origin]));
  return { config, values, origins, render: () => renderYaml(values) };
}

/** The settings of each source, the lowest first. */
function readLayers({ file, env, flags = {}, readFile }: ConfigSources, report: Report): Setting[][] {
  const below = [builtinSettings(), readConfigFile(file, env, readFile, report)];
  const entries = readUpstreamsVariable(env, report);
  const older = readOlderVariables(env, [...below, entries].flat(), report);
  const given = readFlags(flags, report);
  const named = [...below, older, entries, given].flat().filter(({ path }) => path[0] === 'upstreams');
  const variables = readVariables(env, new Set(named.map(({ path }) => path[1] ?? '')), report);
  return [...below, older, entries, variables, given];
}

function readConfigFile(file: string | undefined, env: Environment, readFile: ReadFile, report: Report): Setting[] {
  const path = file ?? variable(env, fileVariable);
  if (path === undefined) return [];
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    const what = `Cannot read the configuration file ${quoteValue(path)}: ${describeFileError(error)}`;
    report({ where: file === undefined ? fileVariable : '--config', what, advice: 'correct the path, or the rights' });
    return [];
  }
  return readYaml({ text, schema: configSchema, path: [], originOf: (line) => `${path}:${line}` }, report);
}

/** The upstream that answers when none is named: by any of its names; `none` is none. */
function resolveDefault(
  parsed: ParsedConfig,
  merged: MergedSettings,
  upstreams: Config['upstreams'],
  report: Report,
): string | undefined {
  const wanted = parsed.doors.registry.default;
  if (wanted === 'none') return undefined;
  const upstream = upstreams.find(({ name, alias, names }) => [name, alias, ...names].includes(wanted));
  const given = merged.values.get('doors.registry.default');
  if (upstream === undefined && given !== undefined && given.value === wanted) {
    const what = `Cannot use doors.registry.default ${quoteValue(wanted)}: no such upstream is configured`;
    report({ where: given.origin, what, advice: 'name one that is, or none' });
  }
  return upstream?.name;
}

function checkWatermarks({ cache }: ParsedConfig, { values }: MergedSettings, report: Report): void {
  if (cache.lowWatermark < cache.highWatermark) return;
  const given = values.get('cache.lowWatermark') ?? values.get('cache.highWatermark');
  if (given === undefined) return; // what was given could not be read, which was told
  const [low, high] = [cache.lowWatermark, cache.highWatermark].map((part) => `${Number((part * 100).toFixed(3))}%`);
  const what = `Cannot use cache.lowWatermark ${low} with cache.highWatermark ${high}: it is not below it`;
  report({ where: given.origin, what, advice: 'lower the one, or raise the other' });
}

function resolveDoorsTls(
  { doors }: ParsedConfig,
  merged: MergedSettings,
  readFile: ReadFile | undefined,
  report: Report,
) {
  const resolve = (door: 'registry' | 'hosted') =>
    resolveTls({ door, parsed: doors[door].tls, merged, readFile, report });
  return { registry: resolve('registry'), hosted: resolve('hosted') };
}

/** What does not follow from one key alone. */
interface ResolvedParts {
  readonly defaultUpstream: string | undefined;
  readonly hosted: Config['hosted'];
  readonly proxy: Config['proxy'];
  readonly auth: Config['auth'];
  readonly tls: ReturnType<typeof resolveDoorsTls>;
  readonly warm: Config['warm'];
}

function assembleConfig(
  { data, domain, doors, cache, guard, throughput, offline, log, shutdown }: ParsedConfig,
  upstreams: Config['upstreams'],
  { defaultUpstream, hosted, proxy, auth, tls, warm }: ResolvedParts,
): Config {
  return {
    data,
    domain,
    doors: {
      registry: { listen: doors.registry.listen, default: defaultUpstream, tls: tls.registry },
      hosted: { listen: doors.hosted.listen, tls: tls.hosted },
      proxy: { listen: doors.proxy.listen },
    },
    cache: {
      maxBytes: cache.maxBytes,
      highWatermark: cache.highWatermark,
      lowWatermark: cache.lowWatermark,
      maxAgeMs: cache.maxAge,
      minFreeBytes: cache.minFreeBytes,
      graceMs: cache.grace,
      scrubRateBytes: cache.scrubRate,
      maxDownloads: cache.maxDownloads,
      negativeTtlMs: cache.negativeTtl,
    },
    guard: { ttlMs: guard.ttl, whenUpstreamFails: guard.whenUpstreamFails },
    throughput,
    hosted,
    proxy,
    auth,
    warm,
    offline,
    upstreams,
    log,
    shutdown: { graceMs: shutdown.grace },
  };
}
