import { z } from 'zod';
import { proxyPolicies } from '../../config.ts';
import { parseDurationAboveZero } from '../values/duration.ts';
import { about, boolean, choice, listOf, parsedBy, path } from '../values/key.ts';
import { parseNetwork, parsePort } from '../values/network/network.ts';

/** The keys of what the proxy door does. */
export const proxyKeys = z.strictObject({
  others: choice(proxyPolicies)
    .prefault('tunnel')
    .register(about, {
      type: 'choice',
      description:
        'What becomes of connections to hosts that are no configured registries: `tunnel`, which passes them on untouched, ' +
        'or `deny`.',
    }),
  ports: listOf(parsedBy(parsePort))
    .prefault([443])
    .register(about, { type: 'list of ports', description: 'The ports that may be reached through tunnels.' }),
  allowAddresses: listOf(parsedBy(parseNetwork))
    .prefault([])
    .register(about, {
      type: 'list of networks',
      description:
        'Addresses that may be reached though they are private, loopback, link-local or otherwise not of the public ' +
        'internet: `10.0.0.0/8`. None is, unless given.',
    }),
  idle: parsedBy((given) => parseDurationAboveZero(given))
    .prefault('15m')
    .register(about, { type: 'duration', description: 'A tunnel through which nothing comes for so long is ended.' }),
  ca: z
    .strictObject({
      cert: path.optional().register(about, {
        type: 'path',
        description:
          'A PEM file with the certificate of an authority to sign by, instead of one that is made. Needs `key`.',
      }),
      key: path
        .optional()
        .register(about, { type: 'path', description: 'A PEM file with the key of `proxy.ca.cert`.' }),
    })
    .prefault({})
    .register(about, { type: 'group', description: 'The authority that clients of the proxy door have to trust.' }),
  constrain: boolean.prefault(true).register(about, {
    type: 'boolean',
    description:
      'Whether the authority that is made can sign for the configured registries alone. When others are added later, ' +
      '`entrepot ca renew` makes a new one, which clients have to trust. `false` for one that signs for every host.',
  }),
});
