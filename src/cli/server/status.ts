import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { SettingsConfig } from '../../config/config.ts';
import { readStoredTotals } from '../../storage.ts';
import type { HostedStatus, StoreStatus } from '../../util/status.ts';
import { CommandFailure } from '../command-failure.ts';
import { addConfigFlags, type ConfigFlags, loadSettingsOf } from '../configuration/config-flags.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { askHealth, askStatus, localUrl } from './ask-status.ts';
import { type DoorTrust, type TlsFlags, trustDoor } from './door-trust.ts';
import { readLogin } from './login-file.ts';
import { hostedText, statusText, storeText } from './status-text.ts';

/** Adds `entrepot status`. */
export function addStatusCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('status')
    .description(
      'Tell how the running server is: its store, downloads, upstreams. Without one, what the data folder says.',
    )
    .option('--json', 'print JSON')
    .option('--healthy', 'tell nothing but whether it answers, without a login; end with 1 when it does not')
    .option('--login <FILE>', 'a file that holds name:password, for a door that asks for a login')
    .option('--tls-ca <FILE>', 'the authority of the door’s certificate; without, the door’s own is taken')
    .option('--tls-cert <FILE>', 'the certificate to show to a door that wants one')
    .option('--tls-key <FILE>', 'the key of --tls-cert');
  addConfigFlags(command).action((flags: StatusFlags) => showStatus(flags, terminal));
}

type StatusFlags = ConfigFlags & TlsFlags & { readonly json?: true; readonly healthy?: true; readonly login?: string };

async function showStatus(flags: StatusFlags, terminal: Terminal): Promise<void> {
  const config = loadSettingsOf(flags, terminal);
  const { listen, tls } = config.doors.registry;
  if (listen.port === 0) {
    throw new CommandFailure(
      'Cannot tell where the server listens: its port is any free one, name the port with --listen',
    );
  }
  const url = localUrl(listen, tls ? 'https' : 'http');
  if (flags.healthy) return showHealth(url, tls && trustDoor(tls, flags), terminal);
  const login = flags.login === undefined ? undefined : readLogin(flags.login);
  const status = await askStatus(url, { trust: tls && trustDoor(tls, flags), login });
  if (status !== undefined) {
    terminal.writeOut(flags.json ? toJson({ running: true, url, ...status }) : `${statusText(status, url)}\n`);
    return;
  }
  const data = resolve(config.data);
  const { store, hosted } = kept(config);
  if (flags.json) terminal.writeOut(toJson({ running: false, url, data, ...(store && { store, hosted }) }));
  else {
    const told = store
      ? `Stored: ${storeText(store)}, in ${data}\nHosted: ${hostedText(hosted)}`
      : `Nothing is kept in ${data}`;
    terminal.writeOut(`No server answers at ${url}\n${told}\n`);
  }
}

async function showHealth(url: string, trust: DoorTrust | undefined, terminal: Terminal): Promise<void> {
  if (!(await askHealth(url, { trust }))) throw new CommandFailure(`No server answers at ${url}`);
  terminal.writeOut(`A server answers at ${url}\n`);
}

/** What the index of a data folder says, if there is one. */
function kept({
  data,
  cache,
}: SettingsConfig): { store: StoreStatus; hosted: HostedStatus } | { store?: never; hosted?: never } {
  const totals = readStoredTotals(data);
  if (totals === undefined) return {};
  const { hosted, ...cached } = totals;
  return { store: { ...cached, maxBytes: cache.maxBytes }, hosted };
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
