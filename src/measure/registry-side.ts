import type { Reference, Repository } from '../oci/reference.ts';
import { UpstreamRegistry } from '../upstream/client.ts';
import { type CredentialSource, fixedCredentials } from '../upstream/credentials/credential-source.ts';
import { type CredentialSettings, openCredentials } from '../upstream/credentials/open-credentials.ts';
import type { TlsIdentity } from '../upstream/transport/connect.ts';
import { proxyFromEnvironment } from '../upstream/transport/proxy-env.ts';
import { Transport } from '../upstream/transport/transport.ts';
import { silentLog } from '../util/log/log.ts';
import { type Clock, systemClock } from '../util/time/clock.ts';
import type { PullSource } from './pullers/puller.ts';

/** One of the two that are compared. */
export type SideName = 'upstream' | 'cache';

/** A registry over HTTP that nothing is known of yet: no connection, no token. */
export interface FreshRegistry {
  readonly registry: UpstreamRegistry;
  close(): void;
}

/** Where an image is pulled from, one way or the other. */
export interface RegistrySide {
  readonly name: SideName;
  /** Host and port, as they stand in names of images. */
  readonly host: string;
  /** What the repository is called there. */
  readonly repository: Repository;
  readonly plainHttp: boolean;
  /** The registry as somebody meets it who comes for the first time. */
  open(): FreshRegistry;
}

/** How a side is reached. */
export interface SideOptions extends Pick<RegistrySide, 'name' | 'host' | 'repository'> {
  readonly urls: readonly URL[];
  readonly identity: TlsIdentity;
  readonly tokenHosts?: readonly string[];
  readonly credentials?: CredentialSource | undefined;
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
}

// What is measured is the way as it is: what fails is said, and not tried again until it looks well.
const oneTry = { rounds: 1 };

/** Makes a side. */
export function registrySide(options: SideOptions): RegistrySide {
  const { name, host, repository, urls, identity, env, version, tokenHosts = [], clock = systemClock } = options;
  return {
    ...{ name, host, repository, plainHttp: urls[0]?.protocol === 'http:' },
    open() {
      const transport = new Transport({ proxyFor: proxyFromEnvironment(env) });
      const { credentials } = options;
      const registry = new UpstreamRegistry({
        ...{ name: host, urls, identity, tokenHosts, credentials, transport, clock, retry: oneTry },
        userAgent: `Entrepot/${version}`,
      });
      return { registry, close: () => transport.close() };
    },
  };
}

/** The credentials of a registry that is configured. */
export function credentialsOf(
  upstream: string,
  settings: CredentialSettings,
  { env, stopping }: Pick<SideOptions, 'env'> & { readonly stopping: AbortSignal },
): CredentialSource | undefined {
  return openCredentials(settings, { upstream, clock: systemClock, log: silentLog, env, stopping });
}

/** The credentials that `name:password` is. */
export function loginOf(login: string): CredentialSource {
  const colon = login.indexOf(':');
  return fixedCredentials({ username: login.slice(0, colon), password: login.slice(colon + 1) });
}

/** An image of a side. */
export function sourceAt({ host, repository, plainHttp }: RegistrySide, reference: Reference): PullSource {
  return { host, repository, reference, plainHttp };
}
