import { builtinUpstreams } from '../src/config/resolve/builtin-upstreams.ts';
import {
  aboutKey,
  type ConfigKey,
  configKeys,
  nameOfPath,
  upstreamKeys,
  variableOfPath,
} from '../src/config/schema/keys.ts';
import { configSchema } from '../src/config/schema/schema.ts';
import { flagKeys } from '../src/config/sources/flags.ts';
import { olderVariables } from '../src/config/sources/older-variables.ts';
import { table } from './table.ts';

/** The page docs/configuration.md, from the schema. */
export function configurationPage(): string {
  return [introduction, example, ...sections(), upstreamSection(), typeNotes, olderSection(), errorNotes]
    .join('\n\n')
    .concat('\n');
}

const introduction = `<!-- Written by \`npm run docs\` from src/config/schema; do not edit. -->

# Configuration

Entrepot needs no configuration: every key has a default. What differs goes into one YAML file, named by
\`--config FILE\` or the variable \`ENTREPOT_CONFIG\`. Each key also has an environment variable, which wins over the file,
and \`--set KEY=VALUE\` on the command line, which wins over both; the most used keys have a flag of their own.

An empty variable counts as not set. So does a key with nothing after it, except the name of an upstream: that removes the
upstream, as \`null\` does for \`icr.io\` below.

\`entrepot config check\` takes the same file, variables and flags as \`entrepot serve\`, and prints what they come to:
each value with where it came from, secrets redacted. It ends with 0, or with 1 after telling everything that is wrong.
With \`--json\` it prints JSON. Like \`serve\` it reads the certificates, keys and passwords that are named; no other command
needs them.

Relative paths count from the working directory.`;

const example = `## Example

\`\`\`yaml
data: /var/lib/entrepot
domain: registry.example.com
doors:
  registry: { listen: ":5000", default: docker.io }
cache: { maxBytes: 500GB, tagTtl: 5m }
upstreams:
  docker.io:
    username: someone
    passwordFile: /run/secrets/docker-hub
    immutableTags: ['^v\\d+\\.\\d+\\.\\d+$']
    rules:
      - { repository: library/*, tagTtl: 1h }
      - { repository: someone/**, tag: '-dev$', tagTtl: 0 }
  registry.corp:5443: { url: "https://10.0.0.5:5443", alias: registry.corp, ca: /etc/ssl/corp.pem }
  icr.io: null
log: { level: info, format: json }
\`\`\`

The same in the environment:

\`\`\`sh
ENTREPOT_DATA=/var/lib/entrepot
ENTREPOT_DOORS_REGISTRY_LISTEN=:5000
ENTREPOT_CACHE_MAX_BYTES=500GB
ENTREPOT_UPSTREAMS='{"registry.corp:5443": {"url": "https://10.0.0.5:5443", "alias": "registry.corp"}, "icr.io": null}'
ENTREPOT_UPSTREAMS_DOCKER_IO_USERNAME=someone
ENTREPOT_UPSTREAMS_DOCKER_IO_PASSWORD_FILE=/run/secrets/docker-hub
ENTREPOT_UPSTREAMS_DOCKER_IO_IMMUTABLE_TAGS='^v\\d+\\.\\d+\\.\\d+$'
ENTREPOT_UPSTREAMS_DOCKER_IO_RULES='[{"repository": "library/*", "tagTtl": "1h"}]'
\`\`\`

And on the command line:

\`\`\`sh
entrepot serve --data /var/lib/entrepot --listen :5000 --set cache.maxBytes=500GB \\
  --set upstreams.docker.io.username=someone --set upstreams.docker.io.passwordFile=/run/secrets/docker-hub \\
  --set upstreams.icr.io=null
\`\`\``;

/** A section for each group at the top, and one before them for the keys that are in none. */
function sections(): string[] {
  const single = configKeys.filter(({ path }) => path.length === 1);
  const groups = Object.entries(configSchema.shape).flatMap(([group, schema]) => {
    const keys = configKeys.filter(({ path }) => path.length > 1 && path[0] === group);
    if (keys.length === 0) return [];
    return [[`### \`${group}\``, aboutKey(schema).description, keyTable(keys)].join('\n\n')];
  });
  return [['## Keys', keyTable(single)].join('\n\n'), ...groups];
}

function keyTable(keys: readonly ConfigKey[]): string {
  const rows = keys.map(({ path, about, defaultValue }) => {
    const flag = flagKeys.find((entry) => nameOfPath(entry.path) === nameOfPath(path));
    return [
      `\`${nameOfPath(path)}\``,
      about.type,
      defaultValue === undefined ? '' : `\`${String(defaultValue)}\``,
      `\`${variableOfPath(path)}\`${flag === undefined ? '' : `, \`${flag.flag}\``}`,
      about.description,
    ];
  });
  return table(['Key', 'Type', 'Default', 'Variable, flag', 'What it is for'], rows);
}

const typeNotes = `### Types

- **size**: a count of bytes, or a number with a unit: \`kB\`, \`MB\`, \`GB\`, \`TB\` are powers of 1000, \`KiB\`, \`MiB\`, \`GiB\`,
  \`TiB\` powers of 1024.
- **duration**: a number with a unit, \`ms\`, \`s\`, \`m\`, \`h\` or \`d\`, or several in a row (\`1h30m\`).
- **address**: \`host:port\`; \`[::1]:5000\` for IPv6, \`:5000\` for every address of the machine.
- **boolean**: \`true\` or \`false\`.
- **list**: a YAML list in the file, separated by commas in variables and flags.
- **command**: a YAML list of a program and its arguments. In variables and flags they are separated by blanks, or
  written as a JSON list. No shell reads them: there are no quotes, variables or pipes.
- **list of patterns**: regular expressions of JavaScript. In YAML, single quotes leave backslashes alone. In variables
  and flags, spaces separate them, as a comma may be part of one.
- **list of rules**: a YAML list of groups, also in variables and flags: \`[{ repository: library/*, tagTtl: 1h }]\`.
- **list of image lists**: the same: \`[{ images: [nginx:1.27], every: 1h }]\`.`;

function upstreamSection(): string {
  const rows = upstreamKeys.map(({ path, about }) => [
    `\`${nameOfPath(path)}\``,
    about.type,
    `\`…_${variableOfPath(path).replace('ENTREPOT_', '')}\``,
    about.description,
  ]);
  const builtin = Object.entries(builtinUpstreams).map(([name, { url, names = [], tokenHosts = [] }]) => [
    `\`${name}\``,
    `\`${url ?? `https://${name}`}\``,
    names.map((other) => `\`${other}\``).join(', '),
    tokenHosts.map((host) => `\`${host}\``).join(', '),
  ]);
  return `### \`upstreams\`

${aboutKey(configSchema.shape.upstreams).description} No other registry is ever asked.

All of them can be given in one variable, \`ENTREPOT_UPSTREAMS\`, as YAML or JSON. What the file says of an upstream and
the variable does not, stays. The keys of an upstream that is built in or configured have variables of their own, which
begin with \`ENTREPOT_UPSTREAMS_\` and its name in upper case, with \`_\` for every other character:
\`ENTREPOT_UPSTREAMS_DOCKER_IO_USERNAME\`.

${table(['Key', 'Type', 'Variable', 'What it is for'], rows)}

These are built in. One that is \`null\` in \`upstreams\` is not served; with \`builtinUpstreams: false\` none is that
\`upstreams\` does not name.

${table(['Upstream', 'At', 'Also called', 'Tokens also from'], builtin)}`;
}

function olderSection(): string {
  const rows = olderVariables.map(({ name, description }) => [`\`${name}\``, description]);
  return `## Variables of older systems

These work as they are. They win over the file; the variables that begin with \`ENTREPOT_\` win over them.

${table(['Variable', 'What it sets'], rows)}`;
}

const errorNotes = `## What is refused

A configuration with something wrong in it is not used at all: everything that is wrong is told at once, with its place
and what to do. That goes for keys and \`ENTREPOT_…\` variables that do not exist, too, so that no misspelt one is passed
over. (The variables that Kubernetes sets for a Service called \`entrepot\` are.)

An \`entrepot\` command ends with 0 when it is done, 1 when it failed, and 2 when the command line is wrong.`;
