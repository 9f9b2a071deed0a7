import http from 'node:http';
import https from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import type { Config, SettingsConfig } from '../../config/config.ts';
import type { Digest } from '../../oci/digest.ts';
import { describeDiskTrouble } from '../../util/system/disk-trouble.ts';
import { tlsReason } from '../../util/system/tls-reason.ts';
import { type AskDoor, doorRegistry } from '../../warm/door-registry.ts';
import type { WarmRegistry } from '../../warm/warm-registry.ts';
import { CommandFailure } from '../command-failure.ts';
import { assertOwnFolder } from '../foreign-folder.ts';
import { localUrl } from '../server/ask-status.ts';
import { type TlsFlags, trustDoor, trustNamed } from '../server/door-trust.ts';
import { readLogin } from '../server/login-file.ts';
import { doorAddress, readAddressFlag } from '../setup/address-flag.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { askTroubles } from './door-troubles.ts';

/** The flags about the server that is asked to fetch. */
export interface ServerFlags extends TlsFlags {
  readonly address?: string;
  readonly login?: string;
}

/** A cache that images are fetched into. */
export interface WarmSource {
  /** What people are told that it is. */
  readonly where: string;
  registryOf(name: string): WarmRegistry | undefined;
  /** As `WarmTools` has it, where it can be told. */
  readonly whenDownloaded?: (digest: Digest) => Promise<void>;
  /** As `WarmTools` has it. */
  troubles(): Promise<readonly string[]>;
  close(): Promise<void>;
}

const helloMs = 5_000; // within which a server says who it is
const maxHelloBytes = 4_096;

/**
 * Opens the cache: that of the server which is named or runs on this machine and, without one, that of the data folder in
 * this process, for which alone secrets are read.
 * @throws CommandFailure
 */
export async function openWarmSource(
  { doors }: SettingsConfig,
  readConfig: () => Config,
  flags: ServerFlags,
  terminal: Terminal,
): Promise<WarmSource> {
  const { listen, tls } = doors.registry;
  const { address } = flags;
  const named = address === undefined ? undefined : readAddressFlag(address, doorAddress(doors.registry), terminal);
  if (named === undefined && listen.port === 0) return openOwnCache(readConfig());
  const url = named ?? localUrl(listen, tls ? 'https' : 'http');
  const trust = named === undefined ? tls && trustDoor(tls, flags) : trustNamed(flags);
  const login = flags.login === undefined ? undefined : readLogin(flags.login);
  const { ask, close } = openDoor(url, trust, login);
  try {
    if (await isServing(url, ask, { isNamed: named !== undefined, login })) {
      return {
        where: `the server at ${url}`,
        registryOf: (name) => doorRegistry(name, ask),
        troubles: () => askTroubles(ask),
        close: async () => close(),
      };
    }
  } catch (error) {
    close();
    throw error;
  }
  close();
  return openOwnCache(readConfig());
}

async function openOwnCache(config: Config): Promise<WarmSource> {
  assertOwnFolder(config.data);
  const { openLocalCache } = await import('../../local-cache.ts');
  const local = await openLocalCache(config);
  const byName = new Map(local.upstreams.map(({ name, registry }) => [name, registry]));
  return {
    where: config.data,
    registryOf: (name) => byName.get(name),
    async whenDownloaded(digest) {
      await local.cache.downloads.get(digest)?.download.finished;
    },
    troubles: async () => local.disk.health.troubles.map(describeDiskTrouble),
    close: () => local.close(),
  };
}

function openDoor(
  url: string,
  trust: ConnectionOptions | undefined,
  login: string | undefined,
): { readonly ask: AskDoor; close(): void } {
  const isTls = url.startsWith('https:');
  // An agent of its own: that of the process may be made to use a proxy by the environment.
  const agent = isTls ? new https.Agent({ keepAlive: true, ...trust }) : new http.Agent({ keepAlive: true });
  const ask: AskDoor = (method, path, headers, signal) =>
    new Promise((resolve, reject) => {
      const options = { method, headers, agent, signal, ...(login === undefined ? {} : { auth: login }) };
      (isTls ? https : http).request(`${url}${path}`, options, resolve).on('error', reject).end();
    });
  return { ask, close: () => agent.destroy() };
}

interface Greeting {
  readonly isNamed: boolean;
  readonly login: string | undefined;
}

/**
 * Whether a server answers there; false when none listens, unless it was named.
 * @throws CommandFailure when it is another than Entrepot, or wants a login
 */
async function isServing(url: string, ask: AskDoor, { isNamed, login }: Greeting): Promise<boolean> {
  const signal = AbortSignal.timeout(helloMs);
  try {
    const hello = await ask('GET', '/', {}, signal);
    let text = '';
    for await (const piece of hello) {
      text += piece;
      if (text.length > maxHelloBytes) break;
    }
    if (!text.startsWith('Entrepot '))
      throw new CommandFailure(`Cannot use ${url}: another program than Entrepot answers`);
    const ping = await ask('GET', '/v2/', {}, signal);
    ping.resume();
    if (ping.statusCode !== 401) return true;
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    const isRefused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
    if (!isNamed && isRefused) return false;
    const why = signal.aborted ? `it does not answer within ${helloMs / 1000} s` : tlsReason((error as Error).message);
    const advice = isRefused ? '; see whether it runs there, and listens for this machine' : '';
    throw new CommandFailure(`Cannot ask ${url}: ${why}${advice}`);
  }
  throw new CommandFailure(
    login === undefined
      ? `Cannot ask ${url}: it wants a login, name a file that holds name:password with --login`
      : `Cannot ask ${url}: it refuses the name or the password of --login`,
  );
}
