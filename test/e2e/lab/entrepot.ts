import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startDaemon } from './processes.ts';

/** Where Entrepot listens: the address that the README tells people to use. */
export const entrepotAddress = '127.0.0.1:5000';

/** Parts of Entrepot's configuration, as its file has them. */
export interface EntrepotSettings {
  readonly cache?: Readonly<Record<string, string>>;
  readonly upstreams?: Readonly<Record<string, Readonly<Record<string, string>> | null>>;
}

/** A running Entrepot. */
export interface Entrepot {
  /**
   * Stops it as an operator does.
   * @throws Error when it does not end well
   */
  stop(): Promise<void>;
}

const entry = join(import.meta.dirname, '../../../src/cli/main.ts');

/** The log of the Entrepot that works in a folder. */
export function entrepotLog(folder: string): string {
  return join(folder, 'entrepot.log');
}

/** Starts Entrepot from the checkout, with its data and its log in a folder; a second start there finds what is stored. */
export async function startEntrepot(
  folder: string,
  { cache = {}, upstreams = {} }: EntrepotSettings,
): Promise<Entrepot> {
  await mkdir(folder, { recursive: true });
  const configuration = {
    data: join(folder, 'data'),
    doors: { registry: { listen: entrepotAddress }, hosted: { listen: 'none' } },
    cache,
    upstreams: { 'quay.io': null, ...upstreams }, // the registry of the tests that Entrepot does not know
    log: { format: 'json' },
  };
  const file = join(folder, 'entrepot.yaml');
  await writeFile(file, JSON.stringify(configuration)); // JSON is YAML too
  const daemon = startDaemon(process.execPath, [entry, 'serve', '--config', file], { log: entrepotLog(folder) });
  await daemon.ready(async () => (await fetch(`http://${entrepotAddress}/v2/`)).ok);
  return {
    async stop() {
      await daemon.stop();
      if (daemon.exitCode === 0) return;
      throw new Error(`Cannot go on: Entrepot ended with ${daemon.exitCode ?? 'a signal'} instead of 0`);
    },
  };
}
