import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, hexOf } from '../../../../src/oci/digest.ts';
import type { BuiltImage } from '../images.ts';
import { run } from '../machine/processes.ts';
import { tokenUser } from './token-server.ts';

/**
 * Pushes an image to the registry that its reference names, and asks that registry what it has become.
 * @throws Error when the registry has something else under that name
 */
export async function publishImage(built: BuiltImage, scratch: string): Promise<void> {
  const { image } = built;
  const folder = join(scratch, 'pushed');
  await mkdir(folder);
  try {
    await writeImageFolder(folder, built);
    const destination = `docker://${image.reference}`;
    const user = `${tokenUser.name}:${tokenUser.password}`;
    const flags = ['--insecure-policy', 'copy', '--quiet', '--all', '--dest-creds', user];
    await run('skopeo', [...flags, `dir:${folder}`, destination]);
    const published = await run('skopeo', ['inspect', '--raw', '--creds', user, destination]);
    if (digestOf(Buffer.from(published)) === image.digest) return;
    throw new Error(`Cannot use "${image.reference}": the registry has changed it to\n${published}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Writes the folder of skopeo's `dir:` transport: the tag's manifest, those it names, and blobs by their hex. */
export async function writeImageFolder(
  folder: string,
  { manifests, blobs }: Pick<BuiltImage, 'manifests' | 'blobs'>,
): Promise<void> {
  const own = manifests.at(-1)!;
  await writeFile(join(folder, 'version'), 'Directory Transport Version: 1.1\n');
  await writeFile(join(folder, 'manifest.json'), own);
  for (const manifest of manifests.slice(0, -1)) {
    await writeFile(join(folder, `${hexOf(digestOf(manifest))}.manifest.json`), manifest);
  }
  for (const blob of blobs) await writeFile(join(folder, hexOf(digestOf(blob))), blob);
}
