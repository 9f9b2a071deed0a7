import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../../../src/oci/digest.ts';
import { run, startDaemon } from '../machine/processes.ts';
import { environmentOf, type Login, mirrorOf, type Route } from '../machine/route.ts';
import type { Client } from './pull-tests.ts';
import { type PulledImage, readPulledManifest } from './pulled-image.ts';

/** Runs ctr with a containerd. */
export type Ctr = (...args: string[]) => Promise<string>;

/**
 * Where the daemon listens, as `CONTAINERD_ADDRESS` has it. In /run, which is private here: the path of a socket may have
 * 100 characters or so, and the scratch folder's may not.
 */
export const containerdSocket = '/run/end-to-end-containerd.sock';

/** containerd, with a mirror for every registry, or a proxy. */
export function containerdThrough(route: Route, login?: Login): Client {
  return {
    name: 'containerd',
    looksUpFirst: true,
    async pull(reference, folder) {
      const hosts = await writeHostsFolder(folder, route);
      return withContainerd(folder, environmentOf(route), (ctr) => pullBy(ctr, hosts, reference, login));
    },
  };
}

/** Pulls an image by the folder of registries that there is, and says what is there afterwards. */
export async function pullBy(ctr: Ctr, hosts: string, reference: string, login?: Login): Promise<PulledImage> {
  const user = login ? ['--user', `${login.name}:${login.password}`] : [];
  await ctr('images', 'pull', '--snapshotter', 'native', '--hosts-dir', hosts, ...user, reference);
  return inspectImage(ctr, reference);
}

/** Runs a containerd with an empty store in a folder for as long as something needs it. */
export async function withContainerd<Result>(
  folder: string,
  env: Record<string, string>,
  use: (ctr: Ctr) => Promise<Result>,
): Promise<Result> {
  const file = join(folder, 'containerd.toml');
  // The paths are JSON strings, which TOML reads alike. The CRI plugin would look for networks and cgroups.
  const configuration = `
    version = 2
    root = ${JSON.stringify(join(folder, 'root'))}
    state = ${JSON.stringify(join(folder, 'state'))}
    disabled_plugins = ["io.containerd.grpc.v1.cri"]
    [grpc]
      address = ${JSON.stringify(containerdSocket)}
    [plugins."io.containerd.internal.v1.opt"]
      path = ${JSON.stringify(join(folder, 'opt'))}
  `;
  await writeFile(file, configuration);
  // It is ctr that pulls; the daemon keeps what it brings.
  const ctr: Ctr = (...args) => run('ctr', ['--address', containerdSocket, '--namespace', 'end-to-end', ...args], env);
  const daemon = startDaemon('containerd', ['--config', file], { log: join(folder, 'containerd.log') });
  try {
    await daemon.ready(async () => (await ctr('version')) !== '');
    return await use(ctr);
  } finally {
    await daemon.stop();
  }
}

/** Sends every registry that there is to Entrepot first, as the README tells people to. */
async function writeHostsFolder(folder: string, route: Route): Promise<string> {
  const hosts = join(folder, 'hosts');
  await mkdir(join(hosts, '_default'), { recursive: true });
  const mirror = mirrorOf(route);
  if (mirror === undefined) return hosts;
  const { scheme, host, authority } = mirror;
  const lines = [`[host."${scheme}://${host}"]`, '  capabilities = ["pull", "resolve"]'];
  if (authority !== undefined) lines.push(`  ca = ${JSON.stringify(authority)}`);
  await writeFile(join(hosts, '_default', 'hosts.toml'), `${lines.join('\n')}\n`);
  return hosts;
}

/** What containerd holds of an image. */
export async function inspectImage(ctr: Ctr, reference: string): Promise<PulledImage> {
  const [, line = ''] = (await ctr('images', 'list', `name==${reference}`)).split('\n');
  const [digest = ''] = /sha256:[0-9a-f]{64}/.exec(line) ?? [];
  const stored = new Set((await ctr('content', 'list', '--quiet')).split('\n'));
  const read = async (one: string) => Buffer.from(await ctr('content', 'get', one));
  const bytes = await read(digest);
  const index: { manifests?: { digest: Digest }[] } = JSON.parse(bytes.toString());
  const children = index.manifests?.map((child) => child.digest).filter((child) => stored.has(child));
  const manifests = (await Promise.all(children?.map(read) ?? [bytes])).map(readPulledManifest);
  for (const { config, layers } of manifests) {
    for (const blob of [config, ...layers]) assert.ok(stored.has(blob), `containerd does not hold ${blob}`);
  }
  return { digest, manifests };
}
