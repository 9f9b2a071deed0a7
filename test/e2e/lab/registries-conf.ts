import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { plainMirror } from './mirror.ts';
import { mirrorOf, type Route } from './route.ts';

/** Writes what leads skopeo, podman and buildah to Entrepot for docker.io and ghcr.io, and gives the file's path. */
export async function writeRegistriesConf(folder: string, route: Route = plainMirror): Promise<string> {
  const file = join(folder, 'registries.conf');
  const mirror = mirrorOf(route);
  const text = (mirror ? ['docker.io', 'ghcr.io'] : []).map(
    (registry) => `
[[registry]]
location = "${registry}"
[[registry.mirror]]
location = "${mirror?.host}/${registry}"
insecure = ${mirror?.scheme === 'http'}
`,
  );
  await writeFile(file, text.join(''));
  return file;
}
