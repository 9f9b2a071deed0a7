import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { registryHosts } from './app/doors/registry-hosts.ts';
import type { SettingsConfig } from './config/config.ts';
import { Authorities } from './proxy/ca/authorities.ts';
import {
  type AuthorityFolder,
  addAuthority,
  readAuthorities,
  type StoredAuthority,
  stampAuthorities,
} from './proxy/ca/authority-folder.ts';
import { readAuthority } from './proxy/ca/certificates.ts';
import type { Clock } from './util/time/clock.ts';
import { stampFiles } from './util/watched/watched-stamp.ts';

// What the server and the tools open alike: the authorities that the proxy door signs by.

/** One authority, as it can be shown. */
export interface ShownAuthority {
  readonly subject: string;
  readonly sha256: string;
  /** Where its certificate is. */
  readonly path: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** What it may sign for, with all that is below; undefined for every host. */
  readonly hosts: readonly string[] | undefined;
  /** The configured hosts that it signs for now. */
  readonly signs: readonly string[];
  /** Until when it signs for them, unless it ends before. */
  readonly signsUntilMs: number;
}

/** The authorities of a configuration. */
export interface AuthorityOverview {
  /** The newest first. */
  readonly authorities: readonly ShownAuthority[];
  readonly broken: AuthorityFolder['broken'];
  /** The hosts of the registries that are configured. */
  readonly configured: readonly string[];
  /** The configured hosts that the newest may not sign for. */
  readonly uncovered: readonly string[];
  /** The certificates to trust, as PEM. */
  readonly bundle: string;
}

type WhereAuthorities = Pick<SettingsConfig, 'data' | 'proxy' | 'upstreams'>;

/** The folder of the authorities that are made here. */
export function authorityFolder(data: string): string {
  return join(data, 'ca');
}

/**
 * Reads the authority that was brought, or those in the data folder, and changes nothing.
 * @throws Error that names the file, when the one that was brought cannot be used
 */
export async function readConfiguredAuthorities({ data, proxy }: WhereAuthorities): Promise<AuthorityFolder> {
  if (proxy.ca === undefined) return readAuthorities(authorityFolder(data));
  const { cert, key } = proxy.ca;
  try {
    const read = readAuthority({ cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') });
    return { authorities: [{ ...read, path: cert }], broken: [] };
  } catch (error) {
    throw Object.assign(new Error(`Cannot use proxy.ca "${cert}": ${(error as Error).message}`), { code: 'BAD_CA' });
  }
}

/** What changes whenever the authorities of a configuration do. */
export function stampConfiguredAuthorities({ data, proxy }: WhereAuthorities): Promise<string> {
  return proxy.ca === undefined ? stampAuthorities(authorityFolder(data)) : stampFiles([proxy.ca.cert, proxy.ca.key]);
}

/** Makes a new authority for the registries that are configured, beside those that there are. */
export function renewAuthority({ data, proxy, upstreams }: WhereAuthorities, nowMs: number): Promise<StoredAuthority> {
  const { hosts } = registryHosts(upstreams, upstreams);
  return addAuthority(authorityFolder(data), proxy.constrain ? hosts : undefined, nowMs);
}

/**
 * Tells of the authorities that there are, and what each signs for now.
 * @throws Error as `readConfiguredAuthorities`
 */
export async function describeAuthorities(
  config: WhereAuthorities,
  clock: Pick<Clock, 'now'>,
): Promise<AuthorityOverview> {
  const { authorities, broken } = await readConfiguredAuthorities(config);
  const signing = new Authorities(authorities, clock);
  const { hosts } = registryHosts(config.upstreams, config.upstreams);
  const shown = authorities.map((authority) => {
    const { subject, fingerprint256 } = new X509Certificate(authority.cert);
    return {
      subject: subject.replaceAll('\n', ', ').replace(/^CN=/, ''),
      sha256: fingerprint256,
      path: authority.path,
      notBeforeMs: authority.notBeforeMs,
      notAfterMs: authority.notAfterMs,
      hosts: authority.hosts,
      signs: hosts.filter((host) => signing.signerFor(host) === authority),
      signsUntilMs: signing.signsUntilMs(authority),
    };
  });
  const [newest] = authorities;
  const uncovered = newest === undefined ? [] : hosts.filter((host) => !newest.permits(host));
  return { authorities: shown, broken, configured: hosts, uncovered, bundle: signing.bundle };
}
