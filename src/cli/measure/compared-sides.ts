import { splitImageName } from '../../cache/images/image-names.ts';
import type { Config, UpstreamConfig } from '../../config/config.ts';
import { type Environment, variable } from '../../config/sources/environment.ts';
import { credentialsOf, loginOf, type RegistrySide, registrySide } from '../../measure/registry-side.ts';
import { parseRepository, parseTag, type Repository, type Tag } from '../../oci/reference.ts';
import { packageVersion } from '../../util/version.ts';
import { CommandFailure } from '../command-failure.ts';
import { namingOf } from '../open-cache.ts';
import { localUrl } from '../server/ask-status.ts';
import { readFlagFile } from '../server/door-trust.ts';
import { readLogin } from '../server/login-file.ts';
import type { SideFlags } from './measure-flags.ts';

/** An image, and the two ways to it. */
export interface ComparedSides {
  readonly upstream: RegistrySide;
  readonly cache: RegistrySide;
  /** Where the cache is. */
  readonly cacheUrl: URL;
  readonly tag: Tag;
  /** `name:password` for the cache. */
  readonly login: string | undefined;
  /** PEM of the authority of the cache's certificate. */
  readonly authority: string | undefined;
}

/**
 * Finds out what the flags, the environment and the configuration mean.
 * @param stopping fires when everything ends
 * @throws CommandFailure
 */
export function comparedSides(
  flags: SideFlags,
  config: Config,
  env: Environment,
  stopping: AbortSignal,
): ComparedSides {
  const { upstream, repository } = findRepository(flags.repo ?? variable(env, 'REPO') ?? 'library/nginx', config);
  const tag = readTag(flags.tag ?? variable(env, 'TAG') ?? 'latest');
  const cacheUrl = readCacheUrl(flags.cacheHost ?? variable(env, 'CACHE_HOST'), config);
  const login = flags.login === undefined ? undefined : readLogin(flags.login);
  const authority = flags.tlsCa === undefined ? undefined : readFlagFile(flags.tlsCa);
  const common = { env, version: packageVersion() };
  const there = flags.cacheRepo ?? repositoryAtCache(repository, upstream, cacheUrl, config);
  return {
    upstream: upstreamSide(upstream, repository, { ...common, stopping }),
    cache: registrySide({
      ...{ ...common, name: 'cache', host: cacheUrl.host, urls: [cacheUrl] },
      repository: named(there, '--cache-repo', parseRepository),
      identity: { ca: authority, insecure: false },
      credentials: login === undefined ? undefined : loginOf(login),
    }),
    ...{ cacheUrl, tag, login, authority },
  };
}

function upstreamSide(
  upstream: UpstreamConfig,
  repository: Repository,
  common: { readonly env: Environment; readonly version: string; readonly stopping: AbortSignal },
): RegistrySide {
  const { name, urls, ca, cert, key, insecure, tokenHosts, password } = upstream;
  return registrySide({
    ...{ ...common, name: 'upstream', host: name, urls, repository, tokenHosts },
    identity: { ca, cert, key: key?.reveal(), insecure },
    credentials: credentialsOf(name, { ...upstream, password: password?.reveal() }, common),
  });
}

function findRepository(text: string, config: Config): { upstream: UpstreamConfig; repository: Repository } {
  const { registry, repository, tag, digest } = splitImageName(text, namingOf(config));
  if (tag !== undefined || digest !== undefined) {
    throw new CommandFailure(`Cannot use --repo "${text}": it is a repository, a tag is given by --tag`);
  }
  const upstream = config.upstreams.find(({ name }) => name === registry);
  if (upstream) return { upstream, repository: named(repository, '--repo', parseRepository) };
  throw new CommandFailure(
    `Cannot use --repo "${text}": ${registry ?? 'its registry'} is no upstream that is configured, so there are no two ways to it`,
  );
}

function readTag(text: string): Tag {
  return named(text, '--tag', parseTag);
}

function named<T>(text: string, flag: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    throw new CommandFailure(`Cannot use ${flag} "${text}": ${(error as Error).message}`);
  }
}

function readCacheUrl(given: string | undefined, { doors }: Config): URL {
  if (given === undefined) return ownDoor(doors.registry);
  const url = URL.parse(/^https?:\/\//.test(given) ? given : `http://${given}`);
  const isPlain = url?.pathname === '/' && url.search === '' && url.username === '' && url.hash === '';
  if (url && isPlain) return url;
  throw new CommandFailure(
    `Cannot use --cache-host "${given}": it is no host and port, such as cache.example.com:5000 or https://cache.example.com`,
  );
}

function ownDoor({ listen, tls }: Config['doors']['registry']): URL {
  if (listen.port === 0) {
    throw new CommandFailure('Cannot tell where the cache is: its port is any free one, name it with --cache-host');
  }
  if (!tls) return new URL(localUrl(listen));
  throw new CommandFailure(
    'Cannot tell what the cache is called: its door speaks TLS, name it as its certificate does with --cache-host https://HOST:PORT',
  );
}

// The default upstream has its plain names everywhere, also in caches that are no Entrepot; so it has at a host of its own.
function repositoryAtCache(
  repository: Repository,
  { name, alias }: UpstreamConfig,
  { hostname }: URL,
  { doors }: Config,
): string {
  const isPlain = name === doors.registry.default || hostname.startsWith(`${alias}.`);
  return isPlain ? repository : `${alias}/${repository}`;
}
