import { z } from 'zod';
import { parseRegistryName } from './host-name.ts';
import { about, listOf, parsedBy } from './key.ts';
import { parseSize } from './size.ts';

/** The names of the hosted registry, unless others are given. */
export const defaultHostedNames = ['localhost:5001'];

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
  maxManifestBytes: parsedBy(parseSize).prefault('4MiB').register(about, {
    type: 'size',
    description: 'The largest manifest that may be pushed; larger ones are 413.',
  }),
});
