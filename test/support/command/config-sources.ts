import { type ConfigSources, type LoadedConfig, loadConfig } from '../../../src/config/load-config.ts';

/** The sources of a configuration, as a test gives them: files by their path, among them `entrepot.yaml`. */
export interface TestSources extends Partial<Omit<ConfigSources, 'readFile'>> {
  /** The text of the configuration file. */
  readonly yaml?: string;
  readonly files?: Readonly<Record<string, string>>;
}

/** Loads a configuration from what a test gives, and from nothing else. */
export function loadTestConfig({ yaml, files = {}, ...sources }: TestSources): LoadedConfig {
  const known: Readonly<Record<string, string>> = {
    ...files,
    ...(yaml === undefined ? {} : { 'entrepot.yaml': yaml }),
  };
  return loadConfig({
    env: {},
    ...(yaml === undefined ? {} : { file: 'entrepot.yaml' }),
    ...sources,
    readFile: (path) => {
      const text = known[path];
      if (text === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
      return text;
    },
  });
}
