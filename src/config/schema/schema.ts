import { z } from 'zod';
import { logFormats, logLevels } from '../config.ts';
import { freshnessKeys, upstreamFreshnessKeys } from './keeping/freshness.ts';
import { guardKeys, upstreamGuardKeys } from './keeping/guard.ts';
import { hostedKeys } from './keeping/hosted.ts';
import { parseReserve } from './keeping/reserve.ts';
import { warmKeys } from './keeping/warm.ts';
import { authKeys } from './serving/auth.ts';
import { doorKeys } from './serving/doors.ts';
import { proxyKeys } from './serving/proxy.ts';
import { throughputKeys } from './serving/throughput.ts';
import { parseCount } from './values/count.ts';
import { maxTimerMs, parseDuration, parseDurationOrNone } from './values/duration.ts';
import { about, boolean, choice, listOf, parsedBy, path, text } from './values/key.ts';
import { parseAlias, parseDomain, parseRegistryName } from './values/network/host-name.ts';
import { parseRegistryUrl } from './values/network/registry-url.ts';
import { parsePercent } from './values/percent.ts';
import { parseSize, parseSizeOrZero } from './values/size.ts';

const hosts = listOf(parsedBy(parseRegistryName));

/** One entry of `upstreams`. What it leaves out comes from what is built in for its name, or follows from the name. */
export const upstreamSchema = z.strictObject({
  url: parsedBy(parseRegistryUrl).optional().register(about, {
    type: 'url',
    description:
      'Where the registry is: `https://` and its name, unless given. `http://` is possible, and unprotected.',
  }),
  urls: listOf(parsedBy(parseRegistryUrl))
    .min(1, { error: 'expected at least one URL' })
    .optional()
    .register(about, {
      type: 'list of URLs',
      description:
        'Several places of the registry, or mirrors of it, tried in this order; instead of `url`. What clients log in with goes ' +
        'only to those on a host that is one of its names.',
    }),
  alias: parsedBy(parseAlias)
    .optional()
    .register(about, {
      type: 'host',
      description:
        'Its name in paths and virtual hosts: the name itself, unless that has a port or no dot. An alias has a dot, ' +
        'so that it shadows no name on Docker Hub.',
    }),
  names: hosts.optional().register(about, {
    type: 'list of hosts',
    description: 'Further names that clients use for it (in `ns=`).',
  }),
  username: text.optional().register(about, {
    type: 'text',
    description:
      'Who pulls from it; nobody (anonymous), unless given. Needs `password`, `passwordFile` or `tokenCommand`.',
  }),
  password: text.optional().register(about, {
    type: 'text',
    secret: true,
    description: 'The password, or an access token that stands for it. Better kept in a file of its own.',
  }),
  passwordFile: path.optional().register(about, {
    type: 'path',
    description:
      'A file that holds the password; a line break at its end does not count. It is read again when it changes. Instead ' +
      'of `password`.',
  }),
  dockerConfig: path.optional().register(about, {
    type: 'path',
    description:
      'A docker `config.json` with its credentials, or the names of the helpers that have them, by the host of its URL. ' +
      'It is read again when it changes. Instead of `username`; see [credentials.md](credentials.md).',
  }),
  tokenCommand: listOf(text)
    .min(1, { error: 'expected a program and its arguments' })
    .optional()
    .register(about, {
      type: 'command',
      description:
        'A program and its arguments that prints a password or token, and perhaps how long it lives. `username` is who it ' +
        'is for. Instead of `password`; see [credentials.md](credentials.md).',
    }),
  ca: path.optional().register(about, {
    type: 'path',
    description: 'A PEM file with the certificates that the registry’s is checked against.',
  }),
  cert: path.optional().register(about, {
    type: 'path',
    description: 'A PEM file with the certificate that Entrepot shows to the registry. Needs `key`.',
  }),
  key: path.optional().register(about, { type: 'path', description: 'A PEM file with the key of `cert`.' }),
  insecure: boolean.optional().register(about, {
    type: 'boolean',
    description: 'Take any certificate of the registry unseen. Whoever is on the way can then read the credentials.',
  }),
  ...upstreamGuardKeys,
  tokenHosts: hosts.optional().register(about, {
    type: 'list of hosts',
    description: 'Hosts outside the registry’s own domain that may hand out its tokens, and see its credentials.',
  }),
  maxConcurrent: parsedBy(parseCount)
    .optional()
    .register(about, {
      type: 'count',
      description:
        'How many requests it gets at a time, each until the last byte of its answer; any number, unless given. The others ' +
        'wait in line for up to 20 s.',
    }),
  maxBytesPerSecond: parsedBy(parseSize).optional().register(about, {
    type: 'size',
    description: 'How many bytes of blobs are read from it in a second, all together; as many as come, unless given.',
  }),
  rateLimitReserve: parsedBy(parseReserve)
    .optional()
    .register(about, {
      type: 'count or percentage',
      description:
        'How many of the pulls that the registry grants are kept for content that is not here: with fewer left, tags ' +
        'that are here are served without asking whether they moved. `10%` of the limit for docker.io, else `0`.',
    }),
  ...upstreamFreshnessKeys,
});

/** The configuration file. */
export const configSchema = z.strictObject({
  data: path.prefault('./data').register(about, {
    type: 'path',
    description: 'The folder of everything that is kept. It is made when it is missing.',
  }),
  domain: parsedBy(parseDomain).optional().register(about, {
    type: 'host',
    description: 'Gives every upstream a host of its own, `<alias>.<domain>`: point `*.<domain>` here in your DNS.',
  }),
  doors: doorKeys.prefault({}).register(about, { type: 'group', description: 'Where clients come in.' }),
  cache: z
    .strictObject({
      maxBytes: parsedBy(parseSize)
        .prefault('50GB')
        .register(about, {
          type: 'size',
          description:
            'How much space the cached content may take. When it is full, what was pulled longest ago goes. What is larger ' +
            'than all of it is passed on and not kept.',
        }),
      highWatermark: parsedBy(parsePercent).prefault('95%').register(about, {
        type: 'percentage',
        description: 'When more than so much of `maxBytes` is taken, room is made, down to `lowWatermark`.',
      }),
      lowWatermark: parsedBy(parsePercent).prefault('85%').register(about, {
        type: 'percentage',
        description: 'How much of `maxBytes` stays taken when room was made; less than `highWatermark`.',
      }),
      maxAge: parsedBy(parseDurationOrNone).prefault('none').register(about, {
        type: 'duration',
        description: 'What was not pulled for so long goes, though there be room for it. `none` for no limit.',
      }),
      minFreeBytes: parsedBy(parseSizeOrZero)
        .prefault('1GB')
        .register(about, {
          type: 'size',
          description:
            'When the file system of `data` has less free space than this, room is made too, whoever filled it. `0` for ' +
            'not looking.',
        }),
      grace: parsedBy((given) => parseDuration(given))
        .prefault('10m')
        .register(about, {
          type: 'duration',
          description: 'Nothing goes that was stored less than so long ago, so that images come whole.',
        }),
      scrubRate: parsedBy(parseSizeOrZero)
        .prefault('20MB')
        .register(about, {
          type: 'size',
          description:
            'How much of what is stored is read in a second, in the background, to find what the disk damaged. It goes ' +
            'round once a day at most. `0` reads nothing.',
        }),
      maxDownloads: parsedBy(parseCount)
        .prefault(200)
        .register(about, {
          type: 'count',
          description:
            'How many blobs are downloaded at a time. Who wants more waits in line for up to 20 s. Each download takes ' +
            'half a MiB of memory.',
        }),
      ...freshnessKeys,
      negativeTtl: parsedBy((given) => parseDuration(given))
        .prefault('10s')
        .register(about, {
          type: 'duration',
          description:
            'For how long an upstream is not asked again for what it does not have (404) or refuses (401, 403). `0` asks ' +
            'every time.',
        }),
    })
    .prefault({})
    .register(about, { type: 'group', description: 'What is kept, and for how long.' }),
  guard: guardKeys.prefault({}).register(about, {
    type: 'group',
    description: 'Who may read what an upstream lets not everybody read; see [guard.md](guard.md).',
  }),
  auth: authKeys.prefault({}).register(about, {
    type: 'group',
    description: 'Who may do what. Without `auth.htpasswd`, everybody may pull, and push from this machine.',
  }),
  hosted: hostedKeys.prefault({}).register(about, {
    type: 'group',
    description: 'The registry that is pushed to: `localhost:5001/…`, beside all that is pulled through.',
  }),
  proxy: proxyKeys.prefault({}).register(about, {
    type: 'group',
    description: 'What the proxy door does with connections, and the authority that it signs by.',
  }),
  throughput: throughputKeys.prefault({}).register(about, {
    type: 'group',
    description:
      'Measuring the way between clients and the cache, which `entrepot compare-paths` does; see [measuring.md](measuring.md).',
  }),
  warm: warmKeys.prefault({}).register(about, {
    type: 'group',
    description: 'Images that are here before anybody pulls them.',
  }),
  offline: boolean.prefault(false).register(about, {
    type: 'boolean',
    description:
      'Serve only what is here, tags whatever their age, and ask no upstream anything. What is not here is 404.',
  }),
  dockerConfig: path.optional().register(about, {
    type: 'path',
    description:
      'A docker `config.json`, for every upstream that has no credentials of its own. None is read unless it is named ' +
      'here or for the upstream; see [credentials.md](credentials.md).',
  }),
  builtinUpstreams: boolean.prefault(true).register(about, {
    type: 'boolean',
    description:
      'Whether the registries that are built in are served. With `false` only those are that `upstreams` names.',
  }),
  upstreams: z
    .record(z.string(), upstreamSchema)
    .prefault({})
    .register(about, {
      type: 'group',
      description:
        'The registries that are pulled from, by the name that they have in the names of images. An entry changes one ' +
        'that is built in, or adds one; `null` removes it.',
    }),
  log: z
    .strictObject({
      level: choice(logLevels)
        .prefault('info')
        .register(about, {
          type: 'choice',
          description: `The least that is logged: ${logLevels.join(', ')}.`,
        }),
      format: choice(logFormats).prefault('auto').register(about, {
        type: 'choice',
        description: '`json`, `pretty`, or `auto`: pretty when standard output is a terminal.',
      }),
    })
    .prefault({})
    .register(about, { type: 'group', description: 'What is said while running, on standard output.' }),
  shutdown: z
    .strictObject({
      grace: parsedBy((given) => parseDuration(given, maxTimerMs))
        .prefault('30s')
        .register(about, {
          type: 'duration',
          description: 'For how long answers that are under way may go on after SIGTERM.',
        }),
    })
    .prefault({})
    .register(about, { type: 'group', description: 'The end of the process.' }),
});

/** What the configuration file says, once read. */
export type ParsedConfig = z.output<typeof configSchema>;

/** One entry of `upstreams`, once read. */
export type ParsedUpstream = z.output<typeof upstreamSchema>;
