import type { Command } from 'commander';
import type { AuthorityOverview } from '../../authorities.ts';
import type { SettingsConfig } from '../../config/config.ts';
import { systemClock } from '../../util/time/clock.ts';
import { CommandFailure } from '../command-failure.ts';
import { addConfigFlags, type ConfigFlags, loadSettingsOf } from '../configuration/config-flags.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { authorityLines, renewalLines } from './authority-text.ts';

interface ShowFlags extends ConfigFlags {
  readonly json?: true;
  readonly pem?: true;
}

type RenewFlags = ConfigFlags & { readonly json?: true };

/** Adds `entrepot ca …`. */
export function addCaCommands(program: Command, terminal: Terminal): void {
  const ca = program
    .command('ca')
    .description('The authority that the proxy door signs by, which its clients have to trust.');
  const show = ca
    .command('show')
    .description('Show the certificates of the authority: how long they are valid, and what they can sign for.')
    .option('--json', 'print JSON')
    .option('--pem', 'print the certificates that clients have to trust, and nothing else');
  addConfigFlags(show).action((flags: ShowFlags) => showAuthorities(flags, terminal));
  const renew = ca
    .command('renew')
    .description(
      'Make a new authority for the registries that are configured now. The one before signs on for a month, in which ' +
        'clients have to be given the new one.',
    )
    .option('--json', 'print JSON');
  addConfigFlags(renew).action((flags: RenewFlags) => renewAuthorities(flags, terminal));
}

async function showAuthorities(flags: ShowFlags, terminal: Terminal): Promise<void> {
  const config = loadSettingsOf(flags, terminal);
  const overview = await overviewOf(config);
  for (const { path, reason } of overview.broken) terminal.writeError(`Cannot read "${path}": ${reason}\n`);
  if (overview.authorities.length === 0) {
    throw new CommandFailure(
      `There is no authority in "${config.data}" yet: the server makes one when it starts, \`entrepot ca renew\` does now`,
    );
  }
  if (flags.pem) return void terminal.writeOut(overview.bundle);
  if (flags.json) return void terminal.writeOut(toJson(overview));
  const nowMs = systemClock.now();
  const lines = overview.authorities.flatMap((authority) => [...authorityLines(authority, overview, nowMs), '']);
  terminal.writeOut(`${lines.slice(0, -1).join('\n')}\n`);
  if (overview.uncovered.length === 0) return;
  const remedy = config.proxy.ca ? `bring one that may (${config.proxy.ca.cert})` : 'run `entrepot ca renew`';
  terminal.writeOut(`\nThe newest may not sign for ${overview.uncovered.join(', ')}: ${remedy}\n`);
}

async function renewAuthorities(flags: RenewFlags, terminal: Terminal): Promise<void> {
  const config = loadSettingsOf(flags, terminal);
  if (config.proxy.ca !== undefined) {
    throw new CommandFailure(
      `Cannot renew the authority in "${config.proxy.ca.cert}": it was brought (proxy.ca); put a new one in its place`,
    );
  }
  const { renewAuthority } = await import('../../authorities.ts');
  await renewAuthority(config, systemClock.now());
  const overview = await overviewOf(config);
  terminal.writeOut(flags.json ? toJson(overview) : `${renewalLines(overview).join('\n')}\n`);
}

// The library of certificates is large, and no other command needs it.
async function overviewOf(config: SettingsConfig): Promise<AuthorityOverview> {
  const { describeAuthorities } = await import('../../authorities.ts');
  return describeAuthorities(config, systemClock);
}

function toJson({ authorities, broken, uncovered }: AuthorityOverview): string {
  const time = (ms: number) => new Date(ms).toISOString();
  const shown = authorities.map(({ subject, sha256, path, notBeforeMs, notAfterMs, hosts, signs, signsUntilMs }) => ({
    ...{ subject, sha256, path, notBefore: time(notBeforeMs), notAfter: time(notAfterMs) },
    ...{ hosts: hosts ?? null, signs, signsUntil: time(signsUntilMs) },
  }));
  return `${JSON.stringify({ authorities: shown, broken, uncovered }, null, 2)}\n`;
}
