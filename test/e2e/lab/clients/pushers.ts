import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuiltImage } from '../images.ts';
import { run } from '../machine/processes.ts';
import type { Mirror } from '../servers/mirror.ts';
import { writeImageFolder } from '../servers/publish.ts';
import { withDockerd } from './dockerd.ts';
import { podmanFlags } from './podman.ts';
import { storageFlags } from './storage-flags.ts';

/** A real client that pushes. */
export interface Pusher {
  readonly name: string;
  /**
   * Pushes an image by its reference, with a folder to work in, and says by which digest: clients may compress layers
   * anew, and so make another manifest.
   */
  push(built: BuiltImage, folder: string): Promise<string>;
}

/** skopeo, which sends every byte as it is. */
export const skopeoPusher: Pusher = {
  name: 'skopeo',
  async push(built, folder) {
    const flags = ['--insecure-policy', 'copy', '--quiet', '--all', '--dest-tls-verify=false'];
    await run('skopeo', [...flags, await writeSource(built, folder), `docker://${built.image.reference}`]);
    return built.image.digest;
  },
};

/** podman, from its own store. */
export const podmanPusher: Pusher = {
  name: 'podman',
  async push(built, folder) {
    const flags = podmanFlags(folder);
    const id = (await run('podman', [...flags, 'pull', '--quiet', await writeSource(built, folder)])).trim();
    return pushTelling('podman', flags, [id, `docker://${built.image.reference}`], folder);
  },
};

/** buildah, with a layer of its own on top. */
export const buildahPusher: Pusher = {
  name: 'buildah',
  async push(built, folder) {
    const flags = storageFlags(folder);
    const buildah = async (...args: string[]) => (await run('buildah', [...flags, ...args])).trim();
    const container = await buildah('from', '--quiet', await writeSource(built, folder));
    await buildah('copy', '--quiet', container, import.meta.filename, '/on-top');
    const id = await buildah('commit', '--quiet', container);
    return pushTelling('buildah', flags, [id, `docker://${built.image.reference}`], folder);
  },
};

/** dockerd, which pulls a public image by its mirror and gives it another name. */
export function dockerPusher(mirror: Mirror, publicReference: string): Pusher {
  return {
    name: 'docker',
    push: ({ image: { reference } }, folder) =>
      withDockerd(folder, mirror, async (docker) => {
        await docker('pull', '--quiet', publicReference);
        await docker('tag', publicReference, reference);
        const said = await docker('push', reference);
        const [digest = ''] = /sha256:[0-9a-f]{64}(?= size:)/.exec(said) ?? [];
        return digest;
      }),
  };
}

async function writeSource(built: BuiltImage, folder: string): Promise<string> {
  const source = join(folder, 'source');
  await mkdir(source);
  await writeImageFolder(source, built);
  return `dir:${source}`;
}

async function pushTelling(program: string, flags: string[], args: string[], folder: string): Promise<string> {
  const file = join(folder, 'digest');
  await run(program, [...flags, 'push', '--quiet', '--tls-verify=false', '--digestfile', file, ...args]);
  return (await readFile(file, 'utf8')).trim();
}
