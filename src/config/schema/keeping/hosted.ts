import { z } from 'zod';
import { parseCount } from '../values/count.ts';
import { parseDurationAboveZero } from '../values/duration.ts';
import { about, boolean, listOf, parsedBy } from '../values/key.ts';
import { parseRegistryName } from '../values/network/host-name.ts';
import { parseTagPattern } from '../values/pattern.ts';
import { parseSize, parseSizeOrNone } from '../values/size.ts';
import { garbageKeys } from './garbage.ts';

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
        'these, and to `hosted.entrepot` in paths. Without a login it is pushed to by these, `localhost` and addresses only.',
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
  maxBytes: parsedBy(parseSizeOrNone)
    .prefault('none')
    .register(about, {
      type: 'size',
      description:
        'How much pushed content may take in all, beside `cache.maxBytes`: a push that would exceed it is refused (403). ' +
        '`none` for no limit but the disk.',
    }),
  uploads: z
    .strictObject({
      maxAge: parsedBy(parseDurationAboveZero).prefault('24h').register(about, {
        type: 'duration',
        description: 'An upload to which nothing was added for so long is removed. It is looked once an hour.',
      }),
      maxCount: parsedBy(parseCount).prefault(1000).register(about, {
        type: 'count',
        description:
          'How many uploads may have been begun and not be over; more are refused (429). One user, or where nobody logs in one address (of IPv6 a network of 64 bits), may have half of them.',
      }),
      maxBytes: parsedBy(parseSizeOrNone)
        .prefault('none')
        .register(about, {
          type: 'size',
          description:
            'The largest blob that may be pushed; larger ones are refused (413). `none` for no limit but ' +
            '`hosted.maxBytes` and the disk, which keeps `cache.minFreeBytes` free (507).',
        }),
    })
    .prefault({})
    .register(about, { type: 'group', description: 'The blobs that are being pushed.' }),
  garbage: garbageKeys.prefault({}).register(about, {
    type: 'group',
    description: 'What was pushed and nobody needs: blobs that no manifest of their repository references.',
  }),
});
