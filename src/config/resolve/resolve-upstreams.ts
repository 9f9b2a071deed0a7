import { Secret } from '../../util/secret.ts';
import type { UpstreamConfig } from '../config.ts';
import type { Report } from '../config-error.ts';
import type { MergedSettings, UpstreamSettings } from '../merge-settings.ts';
import type { ParsedConfig, ParsedUpstream } from '../schema/schema.ts';
import { aliasOfName, makeAlias, parseRegistryName } from '../schema/values/network/host-name.ts';
import { ownUrls } from './own-urls.ts';
import { resolveFreshness } from './resolve-freshness.ts';

/** Reads a file as text; throws the system's error. */
export type ReadFile = (path: string) => string;

/** What one upstream is made of. */
interface UpstreamSource {
  readonly name: string;
  readonly settings: UpstreamSettings;
  readonly parsed: ParsedUpstream;
  /** What holds for every upstream. */
  readonly cache: ParsedConfig['cache'];
  /** The docker `config.json` of all upstreams that have no credentials of their own. */
  readonly sharedDockerConfig: string | undefined;
  /** Undefined to leave the files alone. */
  readonly readFile: ReadFile | undefined;
  readonly report: Report;
}

/**
 * Makes the upstreams from their checked entries: what follows from the name is filled in, their files are read.
 * @param readFile undefined to leave the files alone
 */
export function resolveUpstreams(
  { upstreams, values }: MergedSettings,
  parsed: Pick<ParsedConfig, 'upstreams' | 'cache' | 'dockerConfig'>,
  readFile: ReadFile | undefined,
  report: Report,
): UpstreamConfig[] {
  const { cache, dockerConfig: sharedDockerConfig } = parsed;
  const common = { cache, sharedDockerConfig, readFile, report };
  if (sharedDockerConfig !== undefined) {
    const where = values.get('dockerConfig')?.origin ?? '';
    checkDockerConfig(sharedDockerConfig, `dockerConfig "${sharedDockerConfig}"`, where, readFile, report);
  }
  const resolved = [...upstreams].map(([name, settings]) =>
    resolveUpstream({ ...common, name, settings, parsed: parsed.upstreams[name] ?? {} }),
  );
  reportSharedNames(resolved, upstreams, report);
  return resolved;
}

function resolveUpstream(source: UpstreamSource): UpstreamConfig {
  const { name, parsed } = source;
  checkName(source);
  checkPairs(source);
  checkGuard(source);
  const passwordText = parsed.password ?? readPassword(source);
  const keyText = readPem(source, 'key', 'PRIVATE KEY');
  const names = parsed.names ?? [];
  const urls = parsed.urls ?? [parsed.url ?? defaultUrl(name)];
  return {
    ...{ name, names, urls, ownUrls: ownUrls(name, names, urls) },
    alias: parsed.alias ?? aliasOfName(name) ?? '',
    dockerHub: name === 'docker.io',
    username: parsed.username,
    password: passwordText === undefined ? undefined : new Secret(passwordText),
    passwordFile: parsed.passwordFile,
    dockerConfig: dockerConfigOf(source),
    tokenCommand: hasWords(parsed.tokenCommand) ? parsed.tokenCommand : undefined,
    ca: readPem(source, 'ca', 'CERTIFICATE'),
    cert: readPem(source, 'cert', 'CERTIFICATE'),
    key: keyText === undefined ? undefined : new Secret(keyText),
    insecure: parsed.insecure ?? false,
    guard: parsed.guard ?? 'auto',
    tokenHosts: parsed.tokenHosts ?? [],
    maxConcurrent: parsed.maxConcurrent,
    maxBytesPerSecond: parsed.maxBytesPerSecond,
    rateLimitReserve: parsed.rateLimitReserve ?? { count: 0 },
    freshness: resolveFreshness(source.cache, parsed),
  };
}

/** Where an upstream is when nobody said so. */
export function defaultUrl(name: string): URL {
  // A name that is none was reported; the rest goes on with a URL that is never used.
  return URL.parse(`https://${name}`) ?? new URL('https://invalid');
}

function checkName({ name, settings, report }: UpstreamSource): void {
  try {
    parseRegistryName(name);
  } catch (error) {
    const advice = error instanceof Error ? error.message : String(error);
    report({ where: settings.origin, what: `Cannot use "${name}" as the name of an upstream`, advice });
    return;
  }
  if (settings.fields.has('alias') || aliasOfName(name) !== undefined) return;
  const what = `Upstream "${name}" has no alias, and its name cannot be one: it has a port, or no dot`;
  report({ where: settings.origin, what, advice: `add one with a dot, such as alias: ${makeAlias(name)}` });
}

function checkPairs({ name, settings: { fields }, report }: UpstreamSource): void {
  const username = fields.get('username');
  const password = fields.get('password') ?? fields.get('passwordFile');
  const command = fields.get('tokenCommand');
  if (username !== undefined && password === undefined && command === undefined) {
    const what = `Upstream "${name}" has a username and no password`;
    report({
      where: username.origin,
      what,
      advice: 'give its password, passwordFile or tokenCommand, too, or leave it away',
    });
  }
  if (username === undefined && password !== undefined) {
    const what = `Upstream "${name}" has a password and no username`;
    report({ where: password.origin, what, advice: 'give its username, too, or leave both away' });
  }
  const [cert, key] = [fields.get('cert'), fields.get('key')];
  if ((cert === undefined) === (key === undefined)) return;
  const what = `Upstream "${name}" has ${cert === undefined ? 'a key and no cert' : 'a cert and no key'}`;
  report({ where: (cert ?? key)?.origin ?? '', what, advice: 'give both, or leave both away' });
}

function checkGuard({ name, parsed, settings: { fields }, report }: UpstreamSource): void {
  if (parsed.guard !== 'always' || parsed.cert === undefined) return;
  const what = `Upstream "${name}" has a cert and guard: always`;
  const advice = 'the cert is shown for every client: leave it away, or use guard: auto';
  report({ where: fields.get('guard')?.origin ?? '', what, advice });
}

function dockerConfigOf(source: UpstreamSource): string | undefined {
  const { name, parsed, settings, sharedDockerConfig, readFile, report } = source;
  const path = parsed.dockerConfig;
  if (path !== undefined) {
    const where = settings.fields.get('dockerConfig')?.origin ?? '';
    checkDockerConfig(path, `dockerConfig "${path}" of upstream "${name}"`, where, readFile, report);
    return path;
  }
  const own = ['username', 'password', 'passwordFile', 'tokenCommand'].some((key) => settings.fields.has(key));
  return own ? undefined : sharedDockerConfig;
}

// Only whether it is one at all: it may change while it is used, and is read then.
function checkDockerConfig(
  path: string,
  name: string,
  where: string,
  readFile: ReadFile | undefined,
  report: Report,
): void {
  if (readFile === undefined) return;
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    const what = `Cannot read ${name}: ${describeFileError(error)}`;
    report({ where, what, advice: 'correct the path, or the rights' });
    return;
  }
  if (isJsonObject(text)) return;
  report({ where, what: `Cannot use ${name}: it is not a JSON object`, advice: 'docker login writes one' });
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function hasWords(command: readonly string[] | undefined): command is readonly [string, ...string[]] {
  return command?.[0] !== undefined;
}

function readPassword(source: UpstreamSource): string | undefined {
  const content = readNamedFile(source, 'passwordFile')?.replace(/\r?\n$/, '');
  if (content !== '') return content;
  const where = source.settings.fields.get('passwordFile')?.origin ?? '';
  const what = `Cannot use passwordFile "${source.parsed.passwordFile}" of upstream "${source.name}": it is empty`;
  source.report({ where, what, advice: 'write the password into it' });
  return undefined;
}

function readPem(source: UpstreamSource, key: 'ca' | 'cert' | 'key', holds: string): string | undefined {
  const content = readNamedFile(source, key);
  if (content === undefined || new RegExp(`-----BEGIN [A-Z ]*${holds}-----`).test(content)) return content;
  const where = source.settings.fields.get(key)?.origin ?? '';
  const what = `Cannot use ${key} "${source.parsed[key]}" of upstream "${source.name}": it is not PEM`;
  source.report({ where, what, advice: `expected a line -----BEGIN ${holds}-----` });
  return undefined;
}

function readNamedFile(source: UpstreamSource, key: 'ca' | 'cert' | 'key' | 'passwordFile'): string | undefined {
  const path = source.parsed[key];
  if (path === undefined || source.readFile === undefined) return undefined;
  try {
    return source.readFile(path);
  } catch (error) {
    const where = source.settings.fields.get(key)?.origin ?? '';
    const what = `Cannot read ${key} "${path}" of upstream "${source.name}": ${describeFileError(error)}`;
    source.report({ where, what, advice: 'correct the path, or the rights' });
    return undefined;
  }
}

/** Why a file cannot be read, in words. */
export function describeFileError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a folder',
  };
  return words[code] ?? (code === '' ? String(error) : code);
}

/** Two upstreams that share a name, whether as name, alias or further name, could not be told apart. */
function reportSharedNames(
  resolved: readonly UpstreamConfig[],
  upstreams: ReadonlyMap<string, UpstreamSettings>,
  report: Report,
): void {
  const owners = new Map<string, string>();
  for (const { name, alias, names } of resolved) {
    for (const word of new Set([name, alias, ...names])) {
      const owner = owners.get(word);
      if (owner === undefined || word === '') owners.set(word, name);
      else {
        const { origin, fields } = upstreams.get(name)!;
        const key = names.includes(word) ? 'names' : 'alias';
        const where = fields.get(key)?.origin ?? origin;
        const what = `The upstreams "${owner}" and "${name}" are both called "${word}"`;
        report({ where, what, advice: 'give one of them another alias, or other names' });
      }
    }
  }
}
