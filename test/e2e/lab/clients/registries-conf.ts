import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { podman } from '../../../../src/setup/targets/podman.ts';
import { mirrorOf, type Route } from '../machine/route.ts';
import { plainMirror } from '../servers/mirror.ts';
import { generatedFile } from './generated.ts';

/** Writes what leads skopeo, podman and buildah to Entrepot for docker.io and ghcr.io, and gives the file's path. */
export async function writeRegistriesConf(folder: string, route: Route = plainMirror): Promise<string> {
  const file = join(folder, 'registries.conf');
  const mirror = mirrorOf(route);
  const path = '/etc/containers/registries.conf.d/50-entrepot.conf';
  await writeFile(file, mirror ? await generatedFile(podman, mirror, path) : '');
  return file;
}
