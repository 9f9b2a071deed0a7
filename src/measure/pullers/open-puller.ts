import type { ProgramTools } from './client-program.ts';
import { openContainerd } from './containerd.ts';
import { openDocker } from './docker.ts';
import { openPodman } from './podman.ts';
import type { Puller } from './puller.ts';
import type { PullerName } from './puller-names.ts';

const programs = { docker: openDocker, podman: openPodman, containerd: openContainerd } as const;

/**
 * Opens a client by its name.
 * @throws Error when it is not there, or its daemon does not answer
 */
export async function openPuller(
  name: PullerName,
  tools: ProgramTools & { readonly builtIn: Puller },
  signal: AbortSignal,
): Promise<Puller> {
  if (name === 'built-in') return tools.builtIn;
  const puller = await programs[name](tools, signal);
  if (puller) return puller;
  const advice = 'choose another with --client, or none for the first that does';
  throw Object.assign(new Error(`Cannot pull with ${name}: it is not on this machine, or does not answer; ${advice}`), {
    code: 'NO_CLIENT',
  });
}

/** The first client that is on this machine and answers; our own when none does. */
export async function findPuller(
  tools: ProgramTools & { readonly builtIn: Puller },
  signal: AbortSignal,
): Promise<Puller> {
  for (const open of Object.values(programs)) {
    const puller = await open(tools, signal);
    if (puller) return puller;
  }
  return tools.builtIn;
}
