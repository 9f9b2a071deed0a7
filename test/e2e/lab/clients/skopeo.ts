import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestOf } from '../../../../src/oci/digest.ts';
import { run } from '../machine/processes.ts';
import { environmentOf, type Login, type Route } from '../machine/route.ts';
import { plainMirror } from '../servers/mirror.ts';
import type { Client } from './pull-tests.ts';
import { type PulledImage, readPulledManifest } from './pulled-image.ts';
import { writeRegistriesConf } from './registries-conf.ts';

/** skopeo: it copies every architecture of an index, into a folder in which everything can be read again. */
export function skopeoThrough(route: Route, login?: Login): Client {
  return {
    name: 'skopeo',
    chooseManifests: (image) => image.manifests,
    async pull(reference, folder) {
      const flags = ['--insecure-policy', '--registries-conf', await writeRegistriesConf(folder, route)];
      const destination = join(folder, 'image');
      const user = login ? ['--src-creds', `${login.name}:${login.password}`] : [];
      const copy = [...flags, 'copy', '--quiet', '--all', ...user, `docker://${reference}`, `dir:${destination}`];
      await run('skopeo', copy, environmentOf(route));
      return readImageFolder(destination);
    },
  };
}

/** skopeo, with the door of plain HTTP for a mirror. */
export const skopeo = skopeoThrough(plainMirror);

async function readImageFolder(folder: string): Promise<PulledImage> {
  const contents = new Map<Digest, Buffer>();
  for (const name of await readdir(folder)) {
    const bytes = await readFile(join(folder, name));
    contents.set(digestOf(bytes), bytes);
  }
  const held = (digest: Digest) => {
    const bytes = contents.get(digest);
    if (!bytes) throw new Error(`Cannot find ${digest} in what skopeo has pulled`);
    return bytes;
  };
  const bytes = await readFile(join(folder, 'manifest.json'));
  const index: { manifests?: { digest: Digest }[] } = JSON.parse(bytes.toString());
  const children = index.manifests?.map((child) => held(child.digest)) ?? [bytes];
  const manifests = children.map(readPulledManifest);
  for (const { config, layers } of manifests) for (const blob of [config, ...layers]) held(blob);
  return { digest: digestOf(bytes), manifests };
}
