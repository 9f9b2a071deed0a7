import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { TlsPaths } from '../../../../src/server/tls/tls-files.ts';
import { startDaemon } from '../machine/processes.ts';

/** Where Entrepot listens: the address that the README tells people to use. */
export const entrepotAddress = '127.0.0.1:5000';

/** Where Entrepot takes what is pushed, where it does: its name in the names of images, too. */
export const hostedName = 'localhost:5001';

/** The name of a door of TLS, which is verified: clients take 127.0.0.0/8 for safe without. */
export const entrepotTlsName = 'cache.test:5443';

/** Where Entrepot is a proxy, where it is. */
export const entrepotProxyUrl = 'http://127.0.0.1:3128';

/** Parts of Entrepot's configuration, as its file has them. */
export interface EntrepotSettings {
  readonly cache?: Readonly<Record<string, string>>;
  readonly upstreams?: Readonly<Record<string, Readonly<Record<string, string>> | null>>;
  /** Below it every registry has a host of its own. */
  readonly domain?: string;
  /** Whether there is the door that is pushed to. */
  readonly hosted?: boolean;
  /** The files of a door of TLS, in the place of that of plain HTTP. */
  readonly tls?: TlsPaths;
  /** Of `proxy`; without it there is no proxy door. */
  readonly proxy?: Readonly<Record<string, unknown>>;
}

/** A running Entrepot. */
export interface Entrepot {
  /**
   * Stops it as an operator does.
   * @throws Error when it does not end well
   */
  stop(): Promise<void>;
}

const hostedListen = '127.0.0.1:5001';
const tlsListen = '[::1]:5443';

const entry = join(import.meta.dirname, '../../../../src/cli/main.ts');

/** The log of the Entrepot that works in a folder. */
export function entrepotLog(folder: string): string {
  return join(folder, 'entrepot.log');
}

/** Starts Entrepot from the checkout, with its data and its log in a folder; a second start there finds what is stored. */
export async function startEntrepot(
  folder: string,
  { domain, cache = {}, upstreams = {}, hosted = false, tls, proxy }: EntrepotSettings,
): Promise<Entrepot> {
  await mkdir(folder, { recursive: true });
  const configuration = {
    data: join(folder, 'data'),
    doors: {
      registry: tls ? { listen: tlsListen, tls } : { listen: entrepotAddress },
      hosted: { listen: hosted ? hostedListen : 'none' },
      proxy: { listen: proxy ? new URL(entrepotProxyUrl).host : 'none' },
    },
    ...(proxy && { proxy }),
    ...(domain && { domain }),
    cache,
    upstreams: { 'quay.io': null, ...upstreams }, // the registry of the tests that Entrepot does not know
    log: { format: 'json' },
  };
  const file = join(folder, 'entrepot.yaml');
  await writeFile(file, JSON.stringify(configuration)); // JSON is YAML too
  const daemon = startDaemon(process.execPath, [entry, 'serve', '--config', file], { log: entrepotLog(folder) });
  await daemon.ready(() => (tls ? isListening(tlsListen) : answers(entrepotAddress)));
  return {
    async stop() {
      await daemon.stop();
      if (daemon.exitCode === 0) return;
      throw new Error(`Cannot go on: Entrepot ended with ${daemon.exitCode ?? 'a signal'} instead of 0`);
    },
  };
}

async function answers(address: string): Promise<boolean> {
  return (await fetch(`http://${address}/v2/`)).ok;
}

// Whoever asked it more would need a certificate. The door is opened when all else stands.
async function isListening(address: string): Promise<boolean> {
  const { hostname, port } = new URL(`https://${address}`);
  const socket = connect(Number(port), hostname.replace(/[[\]]/g, ''));
  try {
    await once(socket, 'connect');
    return true;
  } finally {
    socket.destroy();
  }
}
