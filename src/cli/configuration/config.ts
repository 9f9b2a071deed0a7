import type { Command } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { toObject } from '../../config/render-config.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { addConfigFlags, type ConfigFlags, loadConfigOf } from './config-flags.ts';

/** Adds `entrepot config …`. */
export function addConfigCommands(program: Command, terminal: Terminal): void {
  const config = program.command('config').description('Look into the configuration.');
  const check = config
    .command('check')
    .description('Print the effective configuration, each value with where it came from; secrets are redacted.')
    .option('--json', 'print JSON: the configuration, and the origins of its values');
  addConfigFlags(check).action((flags: ConfigFlags & { json?: true }) => checkConfig(flags, terminal));
}

function checkConfig(flags: ConfigFlags & { json?: true }, terminal: Terminal): void {
  if (!flags.json) {
    terminal.writeOut(loadConfigOf(flags, terminal).render());
    return;
  }
  try {
    const { values, origins } = loadConfigOf(flags, terminal);
    terminal.writeOut(toJson({ config: toObject(values), origins: Object.fromEntries(origins) }));
  } catch (error) {
    if (error instanceof ConfigError) terminal.writeOut(toJson({ problems: error.problems }));
    throw error;
  }
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
