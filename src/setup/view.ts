import { hostOf, isLoopbackHost, otherDoor } from './address/address.ts';
import { SetupError, type SetupRegistry, type SetupShape, type SetupView } from './target.ts';

/** A door, as it is configured. */
interface SetupDoor {
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  readonly tls?: { readonly clientCa: string | undefined } | undefined;
}

/** What of the configuration tells clients of the cache. */
export interface SetupSources {
  readonly domain: string | undefined;
  readonly doors: {
    readonly registry: SetupDoor & { readonly default: string | undefined };
    readonly hosted: SetupDoor;
    readonly proxy: SetupDoor;
  };
  readonly hosted: { readonly names: readonly string[] };
  readonly auth: object | undefined;
  readonly upstreams: readonly (Pick<SetupRegistry, 'name' | 'alias'> & {
    readonly urls: readonly URL[];
    readonly dockerHub: boolean;
  })[];
}

/** What was asked for. */
export interface SetupQuestion {
  /** The registry door, as the client reaches it. */
  readonly address: string;
  /** In place of the one in the configuration. */
  readonly domain?: string | undefined;
  readonly shape?: SetupShape | undefined;
  /** Names or aliases of registries; undefined for all. */
  readonly only?: readonly string[] | undefined;
  readonly ca?: string | undefined;
}

/**
 * What a client is told, by what is configured and what was asked for.
 * @throws SetupError UNKNOWN_REGISTRY
 */
export function setupView(sources: SetupSources, question: SetupQuestion): SetupView {
  const { address, shape, only, ca } = question;
  const { doors, upstreams, hosted } = sources;
  checkNames(sources, only);
  const isAsked = (...names: readonly string[]) => only === undefined || names.some((name) => only.includes(name));
  return {
    ...{ address, shape, ca },
    hostedAddress: reach(doors.hosted, address),
    proxyAddress: reach(doors.proxy, address),
    domain: question.domain ?? sources.domain,
    registries: upstreams
      .filter(({ name, alias }) => isAsked(name, alias))
      .map((upstream) => ({ name: upstream.name, alias: upstream.alias, origin: originOf(upstream) })),
    isWhole: only === undefined,
    defaultRegistry: doors.registry.default,
    hostedNames: hosted.names.filter((name) => isAsked(name)),
    asksLogin: sources.auth !== undefined,
    asksCertificate: doors.registry.tls?.clientCa !== undefined,
  };
}

/**
 * The names in a list with commas between; undefined for all.
 * @throws SetupError UNKNOWN_REGISTRY when it has none
 */
export function parseOnly(text: string | undefined): readonly string[] | undefined {
  const names = text?.split(',').map((name) => name.trim());
  if (names?.includes('') !== true) return names;
  throw new SetupError('UNKNOWN_REGISTRY', 'Cannot use a name of no letters: write them as docker.io,ghcr.io');
}

function checkNames({ upstreams, hosted }: SetupSources, only: readonly string[] | undefined): void {
  const known = [...upstreams.map(({ name }) => name), ...hosted.names];
  const aliases = upstreams.map(({ alias }) => alias);
  const unknown = only?.find((name) => !known.includes(name) && !aliases.includes(name));
  if (unknown === undefined) return;
  const name = unknown.slice(0, 200);
  throw new SetupError('UNKNOWN_REGISTRY', `Cannot find registry "${name}": there are ${known.join(', ')}`);
}

// A door that listens on loopback is there for those alone who come by loopback.
function reach({ listen, tls }: SetupDoor, address: string): string | undefined {
  if (listen === undefined) return undefined;
  if (isLoopbackHost(listen.host) && !isLoopbackHost(hostOf(address))) return undefined;
  return otherDoor(address, listen, tls !== undefined);
}

/** Where clients look for a registry by themselves: by its name, whatever this cache asks in its place. */
function originOf({ name, urls, dockerHub }: SetupSources['upstreams'][number]): string {
  if (dockerHub) return 'https://registry-1.docker.io';
  return urls.find(({ host, pathname }) => host === name && pathname === '/')?.origin ?? `https://${name}`;
}
