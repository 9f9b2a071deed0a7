import { z } from 'zod';
import { parseDurationOrNone } from '../values/duration.ts';
import { about, parsedBy, path } from '../values/key.ts';

const tls = z.strictObject({
  cert: path.optional().register(about, {
    type: 'path',
    description:
      'A PEM file with the door’s certificate, followed by those that lead to its authority. With it and `key`, the door ' +
      'speaks TLS, and nothing else. Both are read again when they change; see [tls.md](tls.md).',
  }),
  key: path.optional().register(about, {
    type: 'path',
    description: 'A PEM file with the key of `cert`, without a passphrase.',
  }),
  clientCa: path.optional().register(about, {
    type: 'path',
    description:
      'A PEM file with the authorities of clients: one that has no certificate of theirs is refused in the handshake. ' +
      'Read again when it changes.',
  }),
  hsts: parsedBy(parseDurationOrNone)
    .prefault('none')
    .register(about, {
      type: 'duration',
      description:
        'For how long browsers are told to use nothing but TLS with this host, at any port (`Strict-Transport-Security`). ' +
        '`none` for not telling them; clients of registries do not care.',
    }),
});

/** The keys of a door about TLS. */
export const tlsKeys = tls.prefault({}).register(about, { type: 'group', description: 'TLS at this door.' });

/** What a door says about TLS, once read. */
export type ParsedTls = z.output<typeof tls>;
