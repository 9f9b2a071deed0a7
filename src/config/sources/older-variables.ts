import type { Report } from '../config-error.ts';
import type { KeyPath } from '../schema/keys.ts';
import { aliasOfName, makeAlias } from '../schema/values/network/host-name.ts';
import { parseRegistryUrl } from '../schema/values/network/registry-url.ts';
import { type Environment, variable } from './environment.ts';
import type { Setting } from './setting.ts';

/** A variable of the systems that came before, and what it does here. */
export interface OlderVariable {
  readonly name: string;
  readonly description: string;
}

const credentials: Readonly<Record<string, string>> = {
  DOCKERHUB: 'docker.io',
  GHCR: 'ghcr.io',
  QUAY: 'quay.io',
};

/** What the intercepting proxies call their credentials: `host:name:password`, with blanks between them. */
const listedCredentials = ['REGISTRY_CACHE_AUTH_REGISTRIES', 'AUTH_REGISTRIES'];

/** Where Docker Hub issues its tokens: by this host the intercepting proxies knew its credentials. */
const dockerHubTokens = 'auth.docker.io';

/** The older variables, for the documentation. */
export const olderVariables: readonly OlderVariable[] = [
  {
    name: 'REGISTRY_PROXY_REMOTEURL',
    description:
      'The registry at this URL becomes the default upstream (`doors.registry.default`). It is added when no upstream is there.',
  },
  { name: 'REGISTRY_PROXY_USERNAME', description: 'Its `username`.' },
  { name: 'REGISTRY_PROXY_PASSWORD', description: 'Its `password`.' },
  { name: 'REGISTRY_DOMAIN', description: '`domain`.' },
  ...Object.entries(credentials).flatMap(([prefix, upstream]) => [
    { name: `${prefix}_USERNAME`, description: `\`upstreams.${upstream}.username\`.` },
    { name: `${prefix}_PASSWORD`, description: `\`upstreams.${upstream}.password\`.` },
  ]),
  ...listedCredentials.map((name) => ({
    name,
    description:
      '`username` and `password` of upstreams: `host:name:password`, with blanks between several. The password may have ' +
      'colons. Docker Hub is `auth.docker.io`, `docker.io` or `registry-1.docker.io`.',
  })),
  {
    name: 'REGISTRIES',
    description: 'Registries to serve beside those that are built in, by their hosts, with blanks between them.',
  },
];

/**
 * Reads the older variables. `below` are the settings that may name upstreams: what is built in, of the file, and of
 * ENTREPOT_UPSTREAMS.
 */
export function readOlderVariables(env: Environment, below: readonly Setting[], report: Report): Setting[] {
  const settings = [...readRemote(env, below, report), ...readVariable(env, 'REGISTRY_DOMAIN', ['domain'])];
  for (const [prefix, upstream] of Object.entries(credentials)) {
    settings.push(...readCredentials(env, prefix, upstream));
  }
  const added = readRegistries(env, below, report);
  settings.push(...added);
  for (const name of listedCredentials) settings.push(...readListed(env, name, [...below, ...added], report));
  reportContradictions(settings, report);
  return settings;
}

function readVariable(env: Environment, name: string, path: KeyPath): Setting[] {
  const value = variable(env, name);
  return value === undefined ? [] : [{ path, value, origin: name }];
}

function readCredentials(env: Environment, prefix: string, upstream: string): Setting[] {
  return ['username', 'password'].flatMap((key) =>
    readVariable(env, `${prefix}_${key.toUpperCase()}`, ['upstreams', upstream, key]).map((setting) => ({
      ...setting,
      needsUpstream: true as const,
    })),
  );
}

function readRemote(env: Environment, below: readonly Setting[], report: Report): Setting[] {
  const origin = 'REGISTRY_PROXY_REMOTEURL';
  const given = variable(env, origin);
  if (given === undefined) {
    for (const name of ['REGISTRY_PROXY_USERNAME', 'REGISTRY_PROXY_PASSWORD']) {
      if (variable(env, name) === undefined) continue;
      report({ where: name, what: `It belongs to ${origin}, which is not set`, advice: `set ${origin}, too` });
    }
    return [];
  }
  try {
    const url = parseRegistryUrl(given);
    const upstream = upstreamAt(url, below);
    const name = upstream ?? url.host;
    return [
      { path: ['upstreams', name], value: {}, origin },
      ...(upstream === undefined ? newUpstream(url, origin) : []),
      { path: ['doors', 'registry', 'default'], value: name, origin },
      ...readCredentials(env, 'REGISTRY_PROXY', name),
    ];
  } catch (error) {
    const advice = error instanceof Error ? error.message : String(error);
    report({ where: origin, what: 'Cannot use the URL', advice });
    return [];
  }
}

/** The registries that are served beside the others; those that are there already stay as they are. */
function readRegistries(env: Environment, below: readonly Setting[], report: Report): Setting[] {
  const origin = 'REGISTRIES';
  return wordsOf(env, origin).flatMap((host) => {
    if (upstreamNamed(host, below) !== undefined) return [];
    try {
      const url = parseRegistryUrl(`https://${host}`);
      return [{ path: ['upstreams', url.host], value: {}, origin }, ...newUpstream(url, origin)];
    } catch (error) {
      const advice = error instanceof Error ? error.message : String(error);
      report({ where: origin, what: `Cannot use the host ${JSON.stringify(host)}`, advice });
      return [];
    }
  });
}

/** Credentials as the intercepting proxies have them. What cannot be read is told by its place, as it holds a password. */
function readListed(env: Environment, origin: string, settings: readonly Setting[], report: Report): Setting[] {
  return wordsOf(env, origin).flatMap((word, i) => {
    const [, host = '', username = '', password = ''] = credentialsPattern.exec(word) ?? [];
    const [, place = '', user = '', secret = ''] = withPortPattern.exec(word) ?? [];
    const atPort = upstreamNamed(place, settings);
    const upstream = atPort ?? upstreamNamed(host, settings);
    if (password === '' || upstream === undefined) {
      const what =
        password === ''
          ? `Entry ${i + 1} is no host:name:password`
          : `Entry ${i + 1} is for ${host}, which is no upstream`;
      report({ where: origin, what, advice: password === '' ? 'write it so' : 'add it to REGISTRIES or upstreams' });
      return [];
    }
    const [name, value] = atPort === undefined ? [username, password] : [user, secret];
    const path = ['upstreams', upstream];
    return [
      { path: [...path, 'username'], value: name, origin },
      { path: [...path, 'password'], value, origin },
    ];
  });
}

const credentialsPattern = /^([^:]+):([^:]+):(.+)$/;
const withPortPattern = /^([^:]+:\d+):([^:]+):(.+)$/; // where an upstream has such a name

function wordsOf(env: Environment, name: string): string[] {
  return (variable(env, name) ?? '').split(/\s+/).filter((word) => word !== '');
}

/** The upstream that is called so, or is at this host. */
function upstreamNamed(host: string, settings: readonly Setting[]): string | undefined {
  if (host === dockerHubTokens) return upstreamNamed('docker.io', settings);
  const found = settings.find(({ path: [group, name, key], value }) => {
    if (group !== 'upstreams') return false;
    if (name === host) return true;
    const values = Array.isArray(value) ? value : [value];
    if (key === 'names' || key === 'alias') return values.includes(host);
    return (key === 'url' || key === 'urls') && values.some((text) => URL.parse(String(text))?.host === host);
  });
  return found?.path[1];
}

/** The upstream that is at a URL, or that has its host as one of its names. */
function upstreamAt(url: URL, settings: readonly Setting[]): string | undefined {
  const found = settings.find(({ path: [group, , key], value }) => {
    if (group !== 'upstreams' || key === undefined) return false;
    const values = Array.isArray(value) ? value : [value];
    if (key === 'names') return values.includes(url.host);
    return (key === 'url' || key === 'urls') && values.some((text) => URL.parse(String(text))?.href === url.href);
  });
  if (found !== undefined) return found.path[1];
  // By its name alone, when nobody said that it is elsewhere.
  const isNamed = settings.some(({ path }) => path[0] === 'upstreams' && path[1] === url.host);
  return isNamed && url.href === `https://${url.host}/` ? url.host : undefined;
}

function newUpstream(url: URL, origin: string): Setting[] {
  const path = ['upstreams', url.host];
  const settings = [{ path: [...path, 'url'], value: url.href, origin }];
  if (aliasOfName(url.host) === undefined) {
    settings.push({ path: [...path, 'alias'], value: makeAlias(url.host), origin });
  }
  return settings;
}

/** The same key given twice by older variables, differently. */
function reportContradictions(settings: readonly Setting[], report: Report): void {
  const byPath = Map.groupBy(settings, ({ path }) => path.join(' '));
  for (const [first, second] of byPath.values()) {
    if (first === undefined || second === undefined || first.value === second.value) continue;
    const what = `It says something else than ${first.origin}, of the same upstream`;
    report({ where: second.origin, what, advice: 'keep one of them' });
  }
}
