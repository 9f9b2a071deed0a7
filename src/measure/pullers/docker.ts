import { clientProgram, countLines, failureOf, type ProgramTools, versionOf } from './client-program.ts';
import { nameOfSource, type Puller } from './puller.ts';

/** docker, with the daemon that its environment names; undefined when there is none. */
export async function openDocker(tools: ProgramTools, signal: AbortSignal): Promise<Puller | undefined> {
  const ask = clientProgram('docker', tools);
  const version = await versionOf(ask, ['version', '--format', '{{.Server.Version}}'], signal);
  if (version === undefined) return undefined;
  return {
    name: `docker ${version}`,
    keepsImages: true,
    async notes(hosts, limit) {
      const { exitCode, output } = await ask(['info', '--format', '{{json .RegistryConfig.Mirrors}}'], limit);
      const mirrors = exitCode === 0 ? namesIn(output) : [];
      if (mirrors.length === 0 || !hosts.includes('docker.io')) return [];
      return [`docker pulls docker.io through ${mirrors.join(', ')}: what is said of upstream is how quick that is`];
    },
    async has(source, limit) {
      const result = await ask(['image', 'inspect', '--format', '{{.Id}}', nameOfSource(source)], limit);
      if (result.exitCode === 0) return true;
      if (isMissing(result.errors)) return false;
      throw failureOf(result);
    },
    async pull(source, limit) {
      const result = await ask(['image', 'pull', nameOfSource(source)], limit);
      if (result.exitCode !== 0) throw failureOf(result);
      return { layersHeld: countLines(result.output, /: Already exists$/) };
    },
    async remove(source, limit) {
      const result = await ask(['image', 'rm', nameOfSource(source)], limit);
      if (result.exitCode !== 0 && !isMissing(result.errors)) throw failureOf(result);
    },
    close: async () => {},
  };
}

function isMissing(errors: string): boolean {
  return /no such image/i.test(errors);
}

function namesIn(json: string): string[] {
  try {
    const names: unknown = JSON.parse(json);
    return Array.isArray(names) ? names.map(String) : [];
  } catch {
    return [];
  }
}
