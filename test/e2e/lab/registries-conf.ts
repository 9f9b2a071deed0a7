import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Mirror, plainMirror } from './mirror.ts';

/** Writes what leads skopeo, podman and buildah to Entrepot for docker.io and ghcr.io, and gives the file's path. */
export async function writeRegistriesConf(folder: string, { scheme, host }: Mirror = plainMirror): Promise<string> {
  const file = join(folder, 'registries.conf');
  const text = ['docker.io', 'ghcr.io'].map(
    (registry) => `
[[registry]]
location = "${registry}"
[[registry.mirror]]
location = "${host}/${registry}"
insecure = ${scheme === 'http'}
`,
  );
  await writeFile(file, text.join(''));
  return file;
}
