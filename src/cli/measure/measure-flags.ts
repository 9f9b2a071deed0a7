import type { Command } from 'commander';
import type { PullerName } from '../../measure/pullers/puller-names.ts';
import type { ConfigFlags } from '../configuration/config-flags.ts';

/** The flags about what is compared. */
export interface SideFlags {
  readonly repo?: string;
  readonly tag?: string;
  readonly cacheHost?: string;
  readonly cacheRepo?: string;
  readonly login?: string;
  readonly tlsCa?: string;
}

/** The flags of `entrepot bench`. */
export interface BenchFlags extends ConfigFlags, SideFlags {
  readonly pulls?: number;
  readonly pruneBetween?: boolean;
  readonly client?: PullerName;
  readonly json?: true;
}

/** The flags of `entrepot compare-paths`. */
export interface PathsFlags extends ConfigFlags, SideFlags {
  readonly runs?: number;
  readonly cdnUrl?: string;
  readonly skipIperf?: true;
  readonly iperfPort?: number;
  readonly seconds?: number;
  readonly json?: true;
}

/** Adds the flags about what is compared. */
export function addSideFlags(command: Command): Command {
  return command
    .option('--cache-host <HOST>', 'where the cache is: host:port, or https://host (or $CACHE_HOST; this machine)')
    .option('--repo <NAME>', 'the repository, such as library/nginx or ghcr.io/owner/app (or $REPO; library/nginx)')
    .option('--tag <TAG>', 'the tag (or $TAG; latest)')
    .option('--cache-repo <NAME>', 'what the repository is called at the cache, where that is something else')
    .option('--login <FILE>', 'a file that holds name:password, for a cache that asks the built-in client for a login')
    .option('--tls-ca <FILE>', 'the authority of the cache’s certificate, for the built-in client');
}
