import { type AskClient, clientProgram, failureOf, type ProgramTools, versionOf } from './client-program.ts';
import { nameOfSource, type Puller } from './puller.ts';

/** The namespace that images are pulled into: nobody else's, so that nothing in it is missed. */
const namespace = 'entrepot-bench';

/** containerd, by its `ctr`; undefined when there is none. */
export async function openContainerd(tools: ProgramTools, signal: AbortSignal): Promise<Puller | undefined> {
  const ctr = clientProgram('ctr', tools);
  const version = await serverVersionOf(ctr, signal);
  if (version === undefined) return undefined;
  const ask: AskClient = (args, ...rest) => ctr(['--namespace', namespace, ...args], ...rest);
  const list = async (args: readonly string[], limit: AbortSignal) => {
    const result = await ask([...args, '--quiet'], limit);
    if (result.exitCode !== 0) throw failureOf(result);
    return result.output.split('\n').filter((line) => line !== '');
  };
  return {
    name: `containerd ${version}`,
    keepsImages: true,
    // ctr takes mirrors from a folder that it is told of, and is told of none here.
    notes: async () => [],
    async has(source, limit) {
      return (await list(['images', 'list'], limit)).includes(nameOfSource(source));
    },
    async pull(source, limit) {
      const plain = source.plainHttp ? ['--plain-http'] : [];
      const result = await ask(['images', 'pull', ...plain, nameOfSource(source)], limit);
      if (result.exitCode !== 0) throw failureOf(result);
      return { layersHeld: 0 }; // it does not tell
    },
    async remove(source, limit) {
      // Of one that is not there it says so, and ends with 0.
      const result = await ask(['images', 'remove', '--sync', nameOfSource(source)], limit);
      if (result.exitCode !== 0) throw failureOf(result);
    },
    async close(limit) {
      const names = await ctr(['namespaces', 'list', '--quiet'], limit);
      if (!names.output.split('\n').includes(namespace)) return;
      if ((await list(['images', 'list'], limit)).length > 0) return; // one could not be removed, which was told
      const result = await ctr(['namespaces', 'remove', namespace], limit);
      if (result.exitCode !== 0) throw failureOf(result);
    },
  };
}

/** What the daemon says of itself: ctr has a version whether or not anything listens. */
async function serverVersionOf(ctr: AskClient, signal: AbortSignal): Promise<string | undefined> {
  const server: AskClient = async (...call) => {
    const result = await ctr(...call);
    return { ...result, output: /Server:\s+Version:\s+(\S+)/.exec(result.output)?.[1] ?? '' };
  };
  return versionOf(server, ['version'], signal);
}
