import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { SettingsConfig } from '../../config/config.ts';
import { type ConfigSources, type LoadedConfig, loadConfig, loadSettings } from '../../config/load-config.ts';
import { keyAt } from '../../config/schema/keys.ts';
import { type FlagValues, flagKeys } from '../../config/sources/flags.ts';
import { collect } from '../terminal/flag-values.ts';
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

/**
 * Loads the configuration that the flags and the environment give, as a server needs it.
 * @throws ConfigError
 */
export function loadConfigOf(flags: ConfigFlags, terminal: Terminal): LoadedConfig {
  return loadConfig(sourcesOf(flags, terminal));
}

/**
 * The same for every command that starts no server: it may be somebody else's who cannot read the keys and passwords.
 * @throws ConfigError
 */
export function loadSettingsOf(flags: ConfigFlags, terminal: Terminal): SettingsConfig {
  return loadSettings(sourcesOf(flags, terminal));
}

function sourcesOf(flags: ConfigFlags, { env }: Terminal): ConfigSources {
  return { file: flags.config, env, flags, readFile: (path) => readFileSync(path, 'utf8') };
}
