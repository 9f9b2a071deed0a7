import { z } from 'zod';
import { about, parsedBy, text } from '../values/key.ts';
import { parseListenAddress, parseListenAddressOrNone } from '../values/network/listen-address.ts';
import { tlsKeys } from './tls.ts';

const registryDoor = z.strictObject({
  listen: parsedBy(parseListenAddress).prefault('127.0.0.1:5000').register(about, {
    type: 'address',
    description:
      'Where clients reach it. `:5000` is every address of the machine, a bare port is loopback, port 0 is any free port.',
  }),
  default: text.prefault('docker.io').register(about, {
    type: 'host',
    description:
      'The upstream that answers when a request names none, as the Docker daemon’s do. `none` for no such upstream.',
  }),
  tls: tlsKeys,
});

const hostedDoor = z.strictObject({
  listen: parsedBy(parseListenAddressOrNone).prefault('127.0.0.1:5001').register(about, {
    type: 'address',
    description:
      'Where clients push to, and pull what was pushed: nothing else is served there. `none` for no such door.',
  }),
  tls: tlsKeys,
});

const proxyDoor = z.strictObject({
  listen: parsedBy(parseListenAddressOrNone)
    .prefault('127.0.0.1:3128')
    .register(about, {
      type: 'address',
      description:
        'Where clients come that use Entrepot as their `HTTPS_PROXY`: registries are served from here by their own names. ' +
        '`none` for no such door.',
    }),
});

/** The keys of the doors. */
export const doorKeys = z.strictObject({
  registry: registryDoor
    .prefault({})
    .register(about, { type: 'group', description: 'The door that speaks the registry protocol, `/v2/`.' }),
  hosted: hostedDoor
    .prefault({})
    .register(about, { type: 'group', description: 'The door of the registry that is pushed to.' }),
  proxy: proxyDoor.prefault({}).register(about, { type: 'group', description: 'The door that is an HTTP proxy.' }),
});
