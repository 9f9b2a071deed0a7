import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type LoadedConfig, loadConfig } from '../../config/load-config.ts';
import { keyAt } from '../../config/schema/keys.ts';
import { type FlagValues, flagKeys } from '../../config/sources/flags.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** The values of the flags that every command with a configuration has. */
export type ConfigFlags = FlagValues & { readonly config?: string | undefined };

/** Adds the flags of the configuration to a command. */
export function addConfigFlags(command: Command): Command {
  command.option('-c, --config <FILE>', 'the configuration file (or $ENTREPOT_CONFIG); every key of it is optional');
  for (const { flag, placeholder, path } of flagKeys) {
    command.option(`${flag} <${placeholder}>`, keyAt(path)?.about.description.replaceAll('`', ''));
  }
  return command.option('--set <KEY=VALUE>', 'gives any key of the file: --set cache.tagTtl=5m', collect);
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/**
 * Loads the configuration that the flags and the environment give.
 * @throws ConfigError
 */
export function loadConfigOf(flags: ConfigFlags, { env }: Terminal): LoadedConfig {
  return loadConfig({ file: flags.config, env, flags, readFile: (path) => readFileSync(path, 'utf8') });
}
