import type { Credentials } from './credential-source.ts';

/** A docker `config.json`, as far as it tells of credentials. */
export interface DockerConfig {
  /** By the names that docker gives servers, as are the helpers. */
  readonly auths: ReadonlyMap<string, Credentials>;
  readonly credHelpers: ReadonlyMap<string, string>;
  readonly credsStore: string | undefined;
}

/** What docker calls Docker Hub, whatever its host. */
const hubServer = 'https://index.docker.io/v1/';
const hubHost = 'index.docker.io';
const hubHosts = new Set([hubHost, 'docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']);

/** What docker shows as the user's name when the password is an identity token. */
const tokenUser = '<token>';

/** Only these: a name becomes part of a program's name. */
const helperName = /^[a-z0-9-]+$/;

/**
 * Reads a docker `config.json`. One entry that makes no sense makes the whole of no use, as it does for docker.
 * @throws Error that quotes none of it
 */
export function parseDockerConfig(text: string): DockerConfig {
  const config = parseJson(text);
  if (!isRecord(config)) throw new Error('it is not a JSON object');
  const { auths = {}, credHelpers = {}, credsStore } = config as Readonly<Record<string, unknown>>;
  if (!isRecord(auths)) throw new Error('"auths" is not an object');
  if (!isRecord(credHelpers)) throw new Error('"credHelpers" is not an object');
  return {
    auths: new Map(Object.entries(auths).flatMap(([server, entry]) => readEntry(server, entry))),
    credHelpers: new Map(Object.entries(credHelpers).map(([server, name]) => [server, checkHelper(name)])),
    credsStore: credsStore === undefined || credsStore === '' ? undefined : checkHelper(credsStore),
  };
}

/** What docker calls a server when it asks a credential helper. */
export function serverNameOf(server: URL): string {
  return hubHosts.has(server.host) ? hubServer : server.host;
}

/** The credential helper for a server: its own before that of all; undefined when there is none. */
export function helperFor({ credHelpers, credsStore }: DockerConfig, server: URL): string | undefined {
  return findServer(credHelpers, server) ?? credsStore;
}

/** What the file itself has for a server; undefined when it has nothing. */
export function credentialsIn({ auths }: DockerConfig, server: URL): Credentials | undefined {
  return findServer(auths, server);
}

/** A user and a password or, where docker writes one so, an identity token. */
export function credentialsOf(username: string, secret: string): Credentials {
  return username === tokenUser ? { identityToken: secret } : { username, password: secret };
}

function readEntry(server: string, entry: unknown): [string, Credentials][] {
  if (!isRecord(entry)) return [];
  const { auth, username, password, identitytoken } = entry;
  if (isText(identitytoken)) return [[server, { identityToken: identitytoken }]];
  if (isText(auth)) return [[server, readPair(server, auth)]];
  // What a credential helper keeps is empty here.
  return isText(username) && isText(password) ? [[server, credentialsOf(username, password)]] : [];
}

function readPair(server: string, auth: string): Credentials {
  // Docker pads some with zeros.
  const pair = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = pair.indexOf(':');
  if (colon < 1) throw new Error(`"auth" of "${server}" is not a user and a password in base64`);
  return credentialsOf(pair.slice(0, colon), pair.slice(colon + 1));
}

/** What a map has for a server: by docker's own name for it first, then by any other of its host. */
function findServer<T>(map: ReadonlyMap<string, T>, server: URL): T | undefined {
  const exact = map.get(serverNameOf(server)) ?? map.get(server.host);
  if (exact !== undefined) return exact;
  const host = canonicalHost(server.host);
  for (const [key, value] of map) if (hostOfKey(key, server.protocol) === host) return value;
  return undefined;
}

/**
 * The host that a key is for: `registry.corp`, `registry.corp:443`, `https://registry.corp/v1/`. Undefined for a key with
 * another path: podman writes those for one namespace, docker for tokens of its own, and neither is for all the registry.
 */
function hostOfKey(key: string, protocol: string): string | undefined {
  const [, host = '', path = ''] = /^(?:https?:\/\/)?([^/]+)(.*)$/i.exec(key) ?? [];
  if (!/^(?:\/v[12])?\/?$/.test(path)) return undefined;
  const url = URL.parse(`${protocol}//${host}`); // which leaves away the port that every such server has
  return url === null ? undefined : canonicalHost(url.host);
}

function canonicalHost(host: string): string {
  return hubHosts.has(host) ? hubHost : host;
}

function checkHelper(name: unknown): string {
  if (typeof name === 'string' && helperName.test(name)) return name;
  throw new Error('a credential helper is not named by lower-case letters, digits and hyphens');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the error quotes the text
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
