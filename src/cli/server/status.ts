import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { SettingsConfig } from '../../config/config.ts';
import { readStoredTotals } from '../../storage.ts';
import type { HostedStatus, StoreStatus } from '../../util/status.ts';
import { CommandFailure } from '../command-failure.ts';
import { addConfigFlags, type ConfigFlags, loadSettingsOf } from '../configuration/config-flags.ts';
import { doorAddress, readAddressFlag } from '../setup/address-flag.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { askHealth, askStatus, localUrl, whereToLook } from './ask-status.ts';
import { type DoorTrust, type TlsFlags, trustDoor, trustNamed } from './door-trust.ts';
import { readLogin } from './login-file.ts';
import { hostedText, statusText, storeText } from './status-text.ts';

/** Adds `entrepot status`. */
export function addStatusCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('status')
    .description(
      'Tell how the server is that runs here or at --address: its store, downloads, upstreams. Without one here, what the ' +
        'data folder says.',
    )
    .option(
      '--address <URL>',
      'the registry door of a server elsewhere, such as http://cache.example:5000; a host alone has the port of the door in ' +
        'the configuration',
    )
    .option('--json', 'print JSON')
    .option('--healthy', 'tell nothing but whether it answers, without a login; end with 1 when it does not')
    .option('--login <FILE>', 'a file that holds name:password, for a door that asks for a login')
    .option('--tls-ca <FILE>', 'the authority of the door’s certificate; without, that of the door here is taken')
    .option('--tls-cert <FILE>', 'the certificate to show to a door that wants one')
    .option('--tls-key <FILE>', 'the key of --tls-cert');
  addConfigFlags(command).action((flags: StatusFlags) => showStatus(flags, terminal));
}

type StatusFlags = ConfigFlags &
  TlsFlags & { readonly json?: true; readonly healthy?: true; readonly login?: string; readonly address?: string };

async function showStatus(flags: StatusFlags, terminal: Terminal): Promise<void> {
  const config = loadSettingsOf(flags, terminal);
  const { url, trust } = serverOf(config, flags, terminal);
  if (flags.healthy) return showHealth(url, trust, terminal);
  const login = flags.login === undefined ? undefined : readLogin(flags.login);
  const status = await askStatus(url, { trust, login });
  if (status !== undefined) {
    terminal.writeOut(flags.json ? toJson({ running: true, url, ...status }) : `${statusText(status, url)}\n`);
    return;
  }
  // The data folder here says nothing of a server elsewhere.
  if (flags.address !== undefined) throw new CommandFailure(`No server answers at ${url}: ${whereToLook}`);
  const data = resolve(config.data);
  // Before the folder is looked into, which this user may not be able to.
  if (!flags.json) terminal.writeOut(`No server answers at ${url}\n`);
  const { store, hosted } = kept(config);
  if (flags.json) terminal.writeOut(toJson({ running: false, url, data, ...(store && { store, hosted }) }));
  else {
    const told = store
      ? `Stored: ${storeText(store)}, in ${data}\nHosted: ${hostedText(hosted)}`
      : `Nothing is kept in ${data}`;
    terminal.writeOut(`${told}\n`);
  }
}

/** The server that is meant, and how it is known again. */
function serverOf(
  { doors }: SettingsConfig,
  flags: StatusFlags,
  terminal: Terminal,
): { readonly url: string; readonly trust: DoorTrust | undefined } {
  const { listen, tls } = doors.registry;
  if (flags.address !== undefined) {
    const url = readAddressFlag(flags.address, doorAddress(doors.registry), terminal);
    return { url, trust: url.startsWith('https:') ? trustNamed(flags) : undefined };
  }
  if (listen.port === 0) {
    throw new CommandFailure(
      'Cannot tell where the server listens: its port is any free one, name the port with --listen',
    );
  }
  return { url: localUrl(listen, tls ? 'https' : 'http'), trust: tls && trustDoor(tls, flags) };
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
