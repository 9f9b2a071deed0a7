import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { entrepotAddress } from './entrepot.ts';

/** Writes what leads skopeo, podman and buildah to Entrepot for docker.io and ghcr.io, and gives the file's path. */
export async function writeRegistriesConf(folder: string): Promise<string> {
  const file = join(folder, 'registries.conf');
  const text = ['docker.io', 'ghcr.io'].map(
    (registry) => `
[[registry]]
location = "${registry}"
[[registry.mirror]]
location = "${entrepotAddress}/${registry}"
insecure = true
`,
  );
  await writeFile(file, text.join(''));
  return file;
}
