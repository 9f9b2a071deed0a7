import type { PlatformChoice } from '../oci/manifest/platform-choice.ts';
import type { Secret } from '../util/secret.ts';

/** The whole configuration, checked, with every default filled in. Only `app` and `cli` see all of it. */
export interface Config {
  /** The folder of everything that is kept; a relative one counts from the working directory. */
  readonly data: string;
  /** The domain below which every upstream has a host of its own, `<alias>.<domain>`; undefined when there is none. */
  readonly domain: string | undefined;
  readonly doors: {
    readonly registry: RegistryDoorConfig;
    readonly hosted: HostedDoorConfig;
    readonly proxy: ProxyDoorConfig;
  };
  readonly cache: CacheConfig;
  readonly guard: GuardConfig;
  /** How much measuring the way to clients may take. */
  readonly throughput: { readonly maxBytes: number; readonly maxConcurrent: number };
  readonly hosted: HostedConfig;
  readonly proxy: ProxyConfig;
  /** Who may do what; undefined when nobody has a password. */
  readonly auth: AuthConfig | undefined;
  /** The images that are kept fresh though nobody pulls them. */
  readonly warm: readonly WarmConfig[];
  /** Whether nobody is asked anything: only what is here is served. */
  readonly offline: boolean;
  /** The upstreams that may be asked, and no others. */
  readonly upstreams: readonly UpstreamConfig[];
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
  readonly shutdown: { readonly graceMs: number };
}

/** Images that are kept fresh. */
export interface WarmConfig {
  /** Their names as they were written. */
  readonly images: readonly string[];
  readonly everyMs: number;
  /** Undefined for the machine's own. */
  readonly platforms: PlatformChoice | undefined;
  /** How many blobs are fetched at a time. */
  readonly concurrency: number;
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
  /** How many bytes per second are verified in the background; 0 for none. */
  readonly scrubRateBytes: number;
  /** How many blobs are downloaded at a time. */
  readonly maxDownloads: number;
  /** For how long an upstream is not asked again for what it does not have, or refuses. */
  readonly negativeTtlMs: number;
}

/** Who may read what an upstream lets not everybody read. */
export interface GuardConfig {
  /** For how long it is believed that an upstream accepted a client's credentials. */
  readonly ttlMs: number;
  readonly whenUpstreamFails: (typeof failurePolicies)[number];
}

/** What may happen to a client whose credentials an upstream cannot be asked about. */
export const failurePolicies = ['deny', 'allow-proven'] as const;

/** Whose credentials may count for what clients ask of an upstream. */
export const guardModes = ['auto', 'always', 'never'] as const;

/** The door of `/v2/`. */
export interface RegistryDoorConfig {
  readonly listen: ListenAddress;
  /** The name of the upstream that answers when the request names none; undefined when none does. */
  readonly default: string | undefined;
  readonly tls: TlsConfig | undefined;
}

/** Who has a password, and who may do what. */
export interface AuthConfig {
  /** The file of names and bcrypt hashes. */
  readonly htpasswd: string;
  /** Undefined for: whoever has a password may do all. */
  readonly rules: readonly AccessRuleConfig[] | undefined;
  readonly rememberForMs: number;
}

/** Allows some users some things. */
export interface AccessRuleConfig {
  readonly users: readonly string[];
  readonly doors: readonly (typeof doorNames)[number][];
  /** Match the registry's name and the repository's, with a slash between. */
  readonly repositories: readonly RegExp[];
  readonly allow: readonly (typeof accessVerbs)[number][];
}

/** The doors that clients come in by. */
export const doorNames = ['registry', 'hosted', 'proxy'] as const;

/** What may be done with a repository. */
export const accessVerbs = ['pull', 'push', 'delete'] as const;

/** The door of the hosted registry. */
export interface HostedDoorConfig {
  /** Undefined when there is no such door. */
  readonly listen: ListenAddress | undefined;
  readonly tls: TlsConfig | undefined;
}

/** The door that clients reach registries through by their own names. */
export interface ProxyDoorConfig {
  /** Undefined when there is no such door. */
  readonly listen: ListenAddress | undefined;
}

/** What may become of connections to hosts that are no registries. */
export const proxyPolicies = ['tunnel', 'deny'] as const;

/** What the proxy door does. */
export interface ProxyConfig {
  readonly others: (typeof proxyPolicies)[number];
  readonly ports: readonly number[];
  /** Addresses and networks that may be reached though they are not public. */
  readonly allowAddresses: readonly string[];
  readonly idleMs: number;
  /** The paths of an authority that was brought; undefined when it is made. */
  readonly ca: { readonly cert: string; readonly key: string } | undefined;
  readonly constrain: boolean;
}

/** TLS at a door, by the paths of its PEM files; a door without speaks plain HTTP. */
export interface TlsConfig {
  readonly cert: string;
  readonly key: string;
  /** The authorities whose certificates clients must have; undefined when they need none. */
  readonly clientCa: string | undefined;
  /** For how long browsers are told to come by TLS alone; undefined for not telling them. */
  readonly hstsMs: number | undefined;
}

/** The registry that is pushed to. */
export interface HostedConfig {
  /** What it is called in the names of images; no upstream has one of these. */
  readonly names: readonly string[];
  /** Whether everybody may push by doors that other machines reach, too, while nobody has a password. */
  readonly allowAnonymousPush: boolean;
  readonly maxManifestBytes: number;
  /** The tags that stand for ever for what they were pushed with first. */
  readonly immutableTags: readonly RegExp[];
  readonly garbage: GarbageConfig;
  /** How much may be held in all; undefined for no limit. */
  readonly maxBytes: number | undefined;
  readonly uploads: HostedUploadsConfig;
}

/** The blobs that are being pushed. */
export interface HostedUploadsConfig {
  /** How long nothing may be added to one. */
  readonly maxAgeMs: number;
  readonly maxCount: number;
  /** The size of one; undefined for no limit. */
  readonly maxBytes: number | undefined;
}

/** How what nobody needs of it is collected. */
export interface GarbageConfig {
  /** How often; undefined for never. */
  readonly everyMs: number | undefined;
  /** What was pushed less than so long ago stays. */
  readonly graceMs: number;
  /** Whether manifests without a tag go that nothing else needs. */
  readonly untagged: boolean;
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
  /** Those of them that are the registry's own, and no mirrors: what clients send for it is for these. */
  readonly ownUrls: readonly URL[];
  /** Whether it is Docker Hub, where `alpine` means `library/alpine`. */
  readonly dockerHub: boolean;
  readonly username: string | undefined;
  readonly password: Secret | undefined;
  /** The file that the password came from, and that a newer one may come from. */
  readonly passwordFile: string | undefined;
  /** The docker `config.json` that has its credentials. */
  readonly dockerConfig: string | undefined;
  /** The command that prints its password. */
  readonly tokenCommand: readonly [program: string, ...args: string[]] | undefined;
  /** The certificates that its own is checked against, as PEM; undefined for those that Node.js trusts. */
  readonly ca: string | undefined;
  /** The client certificate, as PEM. */
  readonly cert: string | undefined;
  /** The client certificate's key, as PEM. */
  readonly key: Secret | undefined;
  /** Whether its certificate is taken unseen. */
  readonly insecure: boolean;
  readonly guard: (typeof guardModes)[number];
  /** Hosts outside its own domain that may hand out its tokens. */
  readonly tokenHosts: readonly string[];
  /** How many requests it gets at a time; undefined for any number. */
  readonly maxConcurrent: number | undefined;
  /** How fast its blobs are read, all together; undefined for as fast as can be. */
  readonly maxBytesPerSecond: number | undefined;
  /** How much of its pull rate limit is kept for content that is not here. */
  readonly rateLimitReserve: RateLimitReserve;
  /** How long its tags are believed; what holds for all upstreams is filled in. */
  readonly freshness: FreshnessConfig & { readonly rules: readonly FreshnessRuleConfig[] };
}

/** What is read of an upstream from the files that the configuration names. */
type ReadOfUpstream = 'password' | 'ca' | 'cert' | 'key';

/**
 * The configuration for who starts no server: without what the files hold that it names, which only the server's user may
 * be able to read.
 */
export interface SettingsConfig extends Omit<Config, 'upstreams'> {
  readonly upstreams: readonly Omit<UpstreamConfig, ReadOfUpstream>[];
}

/** So many pulls, or a part of the limit. */
export type RateLimitReserve = { readonly count: number } | { readonly part: number };

/** How long tags are believed, and what happens after that. */
export interface FreshnessConfig {
  readonly tagTtlMs: number;
  /** How much older a tag may be that is served while upstream cannot say; `Infinity` for any age. */
  readonly staleForMs: number;
  readonly onDenied: (typeof deniedPolicies)[number];
  readonly onMissing: (typeof missingPolicies)[number];
  readonly revalidate: (typeof revalidatePolicies)[number];
  readonly immutableTags: readonly RegExp[];
}

/** What holds for the tags that match, in place of what holds for the upstream; a key that it lacks is undefined. */
export type FreshnessRuleConfig = { readonly [key in keyof FreshnessConfig]: FreshnessConfig[key] | undefined } & {
  readonly repository: RegExp | undefined;
  readonly tag: RegExp | undefined;
};

/** What may happen to a tag that is known when upstream refuses it. */
export const deniedPolicies = ['deny', 'serve'] as const;

/** What may happen to a tag that is known when upstream has it no more. */
export const missingPolicies = ['forget', 'serve'] as const;

/** When upstream may be asked for a tag whose time is over. */
export const revalidatePolicies = ['first', 'background'] as const;

/** How much is logged: what pino calls its levels. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** One of `logLevels`. */
export type LogLevel = (typeof logLevels)[number];

/** How a log line looks: `auto` is `pretty` when standard output is a terminal, and `json` otherwise. */
export const logFormats = ['json', 'pretty', 'auto'] as const;

/** One of `logFormats`. */
export type LogFormat = (typeof logFormats)[number];
