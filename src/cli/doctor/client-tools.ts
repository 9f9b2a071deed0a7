import { execFile } from 'node:child_process';
import type { ClientName } from '../../setup/doctor/clients/client-setup.ts';
import type { ToolResult } from '../../setup/doctor/doctor-tools.ts';

const pullMs = 60_000; // where the registry itself is not reached, clients wait for it

/** The tools of each client that pull as it does, the best first. */
const tools: Readonly<Record<ClientName, readonly (readonly string[])[]>> = {
  docker: [['docker', 'pull', '--quiet']],
  podman: [
    ['podman', 'pull', '--quiet'],
    ['buildah', 'pull', '--quiet'],
  ],
  containerd: [
    ['crictl', 'pull'],
    ['nerdctl', 'pull', '--quiet'],
    ['ctr', 'images', 'pull', '--hosts-dir', '/etc/containerd/certs.d'],
  ],
};

/** Makes the first tool of a client that is installed pull an image. That it fails is what is expected. */
export async function pullByTool(client: ClientName, image: string): Promise<ToolResult> {
  for (const [program = '', ...args] of tools[client]) {
    const result = await run(program, [...args, image]);
    if (result !== undefined) return { command: [program, ...args].join(' '), said: result };
  }
  return { command: undefined, said: '' };
}

/** The last line that a program says; undefined when there is no such program. */
function run(program: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: pullMs, encoding: 'utf8' }, (error, out, said) => {
      if (error && (error as NodeJS.ErrnoException).code === 'ENOENT') return resolve(undefined);
      resolve(`${out}\n${said}`.trim().split('\n').at(-1) ?? '');
    });
  });
}
