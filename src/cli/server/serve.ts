import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Config, ListenAddress } from '../../config/config.ts';
import { isLoopback } from '../../config/schema/values/network/listen-address.ts';
import { packageVersion } from '../../util/version.ts';
import { addConfigFlags, type ConfigFlags, loadConfigOf } from '../configuration/config-flags.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { askedToStop } from './stop-signals.ts';

// What stopping may take beyond the grace of the configuration, before something must be stuck.
const stopMarginMs = 10_000;

/** Adds `entrepot serve`. */
export function addServeCommand(program: Command, terminal: Terminal): void {
  const command = program.command('serve').description('Serve images, and keep what was pulled.');
  addConfigFlags(command).action((flags: ConfigFlags) => serve(flags, terminal));
}

/** Serves until a signal asks to stop; then ends when the answers under way have. A second signal ends it at once. */
async function serve(flags: ConfigFlags, terminal: Terminal): Promise<void> {
  const { config } = loadConfigOf(flags, terminal);
  const asked = askedToStop(process, performance.now.bind(performance), () => process.exit(1));
  const { startApp } = await import('../../app.ts');
  const app = await startApp(config);
  terminal.writeError(`${startLines(config, app.addresses, packageVersion()).join('\n')}\n`);
  await asked;
  terminal.writeError('Stopping: answers that are under way may end; a second signal stops at once\n');
  // Not unref'd: the process must neither hang, nor end by itself while something is still being awaited.
  const limit = setTimeout(() => process.exit(1), config.shutdown.graceMs + stopMarginMs);
  try {
    await app.stop();
  } finally {
    clearTimeout(limit);
  }
}

/** What is said on start: where it listens, what it serves, where it keeps it, where to push, and how to open it to others. */
export function startLines(config: Config, addresses: Listening, version: string): string[] {
  const { host, port } = addresses.registry;
  const names = config.upstreams.map(({ name }) =>
    name === config.doors.registry.default ? `${name} (default)` : name,
  );
  const lines = [
    `Entrepot ${version} listens on ${placeOf(addresses.registry, config.doors.registry)}`,
    `It serves ${names.length === 0 ? 'what is stored: no upstream is configured' : names.join(', ')}`,
    `It keeps what it pulls in ${resolve(config.data)}`,
  ];
  if (config.domain !== undefined) lines.push(`Each upstream has a host of its own: <alias>.${config.domain}`);
  if (isLoopback(host)) {
    const how = `--listen 0.0.0.0:${port}, or ENTREPOT_DOORS_REGISTRY_LISTEN`;
    lines.push(`Only this machine can reach it. To open it to others: ${how}`);
  }
  if (addresses.hosted) lines.push(pushLine(config, addresses.hosted));
  if (addresses.proxy) lines.push(proxyLine(addresses.proxy));
  return lines;
}

/** Where each door listens. */
interface Listening {
  readonly registry: ListenAddress;
  readonly hosted: ListenAddress | undefined;
  readonly proxy: ListenAddress | undefined;
}

function placeOf({ host, port }: ListenAddress, { tls }: { readonly tls: unknown }): string {
  const scheme = tls ? 'https' : 'http';
  if (host === '' || host === '::' || host === '0.0.0.0')
    return `every address of this machine, port ${port} (${scheme})`;
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function proxyLine(listening: ListenAddress): string {
  return `With HTTPS_PROXY=${placeOf(listening, { tls: undefined })} every registry comes from here, for clients that trust its /ca.crt`;
}

function pushLine({ hosted, doors }: Config, listening: ListenAddress): string {
  const name = hosted.names[0];
  return `What is pushed to ${placeOf(listening, doors.hosted)} stays here${name === undefined ? '' : `, as ${name}/…`}`;
}
