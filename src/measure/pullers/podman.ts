import { isObject } from '../../oci/json.ts';
import { clientProgram, countLines, failureOf, type ProgramTools, versionOf } from './client-program.ts';
import { nameOfSource, type Puller } from './puller.ts';

/** podman; undefined when there is none. */
export async function openPodman(tools: ProgramTools, signal: AbortSignal): Promise<Puller | undefined> {
  const ask = clientProgram('podman', tools);
  const version = await versionOf(ask, ['version', '--format', '{{.Client.Version}}'], signal);
  if (version === undefined) return undefined;
  return {
    name: `podman ${version}`,
    keepsImages: true,
    async notes(hosts, limit) {
      const { exitCode, output } = await ask(['info', '--format', '{{json .Registries}}'], limit);
      const mirrored = exitCode === 0 ? mirroredIn(output) : [];
      return mirrored
        .filter((prefix) => hosts.includes(prefix))
        .map((prefix) => `podman pulls ${prefix} through mirrors: what is said of it is how quick those are`);
    },
    async has(source, limit) {
      const result = await ask(['image', 'exists', nameOfSource(source)], limit);
      if (result.exitCode > 1) throw failureOf(result);
      return result.exitCode === 0;
    },
    async pull(source, limit) {
      const plain = source.plainHttp ? ['--tls-verify=false'] : [];
      const result = await ask(['image', 'pull', ...plain, nameOfSource(source)], limit);
      if (result.exitCode !== 0) throw failureOf(result);
      return { layersHeld: countLines(result.errors, /^Copying blob .* skipped: already exists/) };
    },
    async remove(source, limit) {
      const result = await ask(['image', 'rm', nameOfSource(source)], limit);
      if (result.exitCode !== 0 && !isMissing(result.errors)) throw failureOf(result);
    },
    close: async () => {},
  };
}

function isMissing(errors: string): boolean {
  return /no such image|image not known/i.test(errors);
}

// By the prefix that registries.conf has: that of a whole registry is its host.
function mirroredIn(json: string): string[] {
  try {
    const registries: unknown = JSON.parse(json);
    if (!isObject(registries)) return [];
    return Object.entries(registries).flatMap(([prefix, registry]) => {
      const mirrors = isObject(registry) ? registry['Mirrors'] : undefined;
      return Array.isArray(mirrors) && mirrors.length > 0 ? [prefix] : [];
    });
  } catch {
    return [];
  }
}
