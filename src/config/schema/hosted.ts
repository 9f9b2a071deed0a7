import { z } from 'zod';
import { parseRegistryName } from './host-name.ts';
import { about, boolean, listOf, parsedBy } from './key.ts';
import { parseTagPattern } from './pattern.ts';
import { parseSize } from './size.ts';

/** The names of the hosted registry, unless others are given. */
export const defaultHostedNames = ['localhost:5001'];

// Whoever reads a manifest, from an upstream or from here, takes no more than this into memory.
const mostManifestBytes = 8 * 1024 * 1024;

/**
 * Parses how large a manifest may be.
 * @throws Error that says what was expected
 */
export function parseManifestSize(text: string): number {
  const sizeBytes = parseSize(text);
  if (sizeBytes <= mostManifestBytes) return sizeBytes;
  throw new Error('expected a size of 8MiB at most: manifests are read into memory');
}

/** The keys of the registry that is pushed to. */
export const hostedKeys = z.strictObject({
  names: listOf(parsedBy(parseRegistryName))
    .prefault(defaultHostedNames)
    .register(about, {
      type: 'list of hosts',
      description:
        'What it is called in the names of images. On the registry door, too, it answers to `ns=` and `Host` with one of ' +
        'these, and to `hosted.entrepot` in paths.',
    }),
  allowAnonymousPush: boolean.prefault(false).register(about, {
    type: 'boolean',
    description:
      'Whether everybody may push and delete by doors that other machines reach, too, while there is no `auth.htpasswd`.',
  }),
  maxManifestBytes: parsedBy(parseManifestSize).prefault('4MiB').register(about, {
    type: 'size',
    description: 'The largest manifest that may be pushed, 8 MiB at most; larger ones are 413.',
  }),
  immutableTags: listOf(parsedBy(parseTagPattern))
    .prefault([])
    .register(about, {
      type: 'list of patterns',
      description:
        'Regular expressions for tags that can be pushed once, such as `^v\\d+\\.\\d+\\.\\d+$`: afterwards they can be ' +
        'neither moved to another digest nor deleted.',
    }),
});
