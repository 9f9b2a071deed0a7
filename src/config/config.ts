import type { Secret } from '../util/secret.ts';

/** The whole configuration, checked, with every default filled in. Only `app` and `cli` see all of it. */
export interface Config {
  /** The folder of everything that is kept; a relative one counts from the working directory. */
  readonly data: string;
  /** The domain below which every upstream has a host of its own, `<alias>.<domain>`; undefined when there is none. */
  readonly domain: string | undefined;
  readonly doors: { readonly registry: RegistryDoorConfig };
  readonly cache: CacheConfig;
  /** The upstreams that may be asked, and no others. */
  readonly upstreams: readonly UpstreamConfig[];
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
  readonly shutdown: { readonly graceMs: number };
}

/** What is kept, and for how long. */
export interface CacheConfig {
  readonly maxBytes: number;
  /** Above this part of `maxBytes`, room is made. */
  readonly highWatermark: number;
  /** Down to this part of `maxBytes`. */
  readonly lowWatermark: number;
  /** How long ago content may have been pulled last; undefined for no limit. */
  readonly maxAgeMs: number | undefined;
  /** How much of the data folder's file system is left free; 0 for not looking. */
  readonly minFreeBytes: number;
  /** What was stored less than so long ago stays. */
  readonly graceMs: number;
  readonly tagTtlMs: number;
}

/** The door of `/v2/`. */
export interface RegistryDoorConfig {
  readonly listen: ListenAddress;
  /** The name of the upstream that answers when the request names none; undefined when none does. */
  readonly default: string | undefined;
}

/** Where a server listens: `host` is empty for every address of the machine, `port` is 0 for any free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** A registry that is pulled from. */
export interface UpstreamConfig {
  /** What clients call it: `docker.io`, `registry.corp:5443`. */
  readonly name: string;
  /** Its name in paths and virtual hosts: always with a dot, never with a port. */
  readonly alias: string;
  /** Further names that `ns=` or the proxy may use for it: `index.docker.io`. */
  readonly names: readonly string[];
  /** Where it is, tried in this order; without `/v2/`. */
  readonly urls: readonly URL[];
  /** Whether it is Docker Hub, where `alpine` means `library/alpine`. */
  readonly dockerHub: boolean;
  readonly username: string | undefined;
  readonly password: Secret | undefined;
  /** The file that the password came from, and that a newer one may come from. */
  readonly passwordFile: string | undefined;
  /** The certificates that its own is checked against, as PEM; undefined for those that Node.js trusts. */
  readonly ca: string | undefined;
  /** The client certificate, as PEM. */
  readonly cert: string | undefined;
  /** The client certificate's key, as PEM. */
  readonly key: Secret | undefined;
  /** Whether its certificate is taken unseen. */
  readonly insecure: boolean;
  /** Hosts outside its own domain that may hand out its tokens. */
  readonly tokenHosts: readonly string[];
  /** How much of its pull rate limit is kept for content that is not here. */
  readonly rateLimitReserve: RateLimitReserve;
}

/** So many pulls, or a part of the limit. */
export type RateLimitReserve = { readonly count: number } | { readonly part: number };

/** How much is logged: what pino calls its levels. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** One of `logLevels`. */
export type LogLevel = (typeof logLevels)[number];

/** How a log line looks: `auto` is `pretty` when standard output is a terminal, and `json` otherwise. */
export const logFormats = ['json', 'pretty', 'auto'] as const;

/** One of `logFormats`. */
export type LogFormat = (typeof logFormats)[number];
