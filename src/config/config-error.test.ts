import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadTestConfig, type TestSources } from '../../test/support/command/config-sources.ts';
import { certificates } from '../../test/support/tls/certs.ts';
import { ConfigError, quoteValue } from './config-error.ts';

const { server, client } = certificates();

interface Case extends TestSources {
  /** The lines of the message, without its first. */
  readonly says: readonly (string | RegExp)[];
}

function problemsOf(sources: TestSources): string[] {
  try {
    loadTestConfig(sources);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    const lines = error.message.split('\n  ').slice(1);
    assert.equal(lines.length, error.problems.length);
    return lines;
  }
  assert.fail('the configuration is refused');
}

function assertSays(lines: readonly string[], says: readonly (string | RegExp)[]): void {
  assert.equal(lines.length, says.length, lines.join('\n'));
  for (const [index, expected] of says.entries()) {
    if (typeof expected === 'string') assert.equal(lines[index], expected);
    else assert.match(lines[index] ?? '', expected);
  }
}

const cases: Readonly<Record<string, Case>> = {
  'an unknown key, with the nearest': {
    yaml: 'data: x\ncache:\n  maxByte: 1GB',
    says: ['entrepot.yaml:3: Unknown key "cache.maxByte": did you mean "cache.maxBytes"?'],
  },
  'a known key in the wrong place, with the right one': {
    yaml: 'listen: ":5000"',
    says: ['entrepot.yaml:1: Unknown key "listen": did you mean "doors.registry.listen"?'],
  },
  'an unknown key that is like no other, with those that are possible': {
    yaml: 'log: { wombat: 1 }',
    says: ['entrepot.yaml:1: Unknown key "log.wombat": expected one of level, format'],
  },
  'an unknown key of an upstream': {
    yaml: 'upstreams:\n  docker.io: { user: u }',
    says: [/^entrepot.yaml:2: Unknown key "upstreams.docker.io.user": (did you mean|expected one of)/],
  },
  'a value where keys belong': {
    yaml: 'cache: 50GB\nupstreams: [a]',
    says: [
      'entrepot.yaml:1: "cache" is a group of keys: write its keys below it, as key: value',
      'entrepot.yaml:2: "upstreams" is a group of keys: write its keys below it, as key: value',
    ],
  },
  'a file that is no group of keys': {
    yaml: 'just words',
    says: ['entrepot.yaml:1: The whole is not a group of keys: write its keys below it, as key: value'],
  },
  'keys where a value belongs': {
    yaml: 'data: { a: 1 }',
    says: [/^entrepot.yaml:1: Cannot use data a group of keys: expected text/],
  },
  'YAML that is none': {
    yaml: 'data: x\nlog: { level: info',
    says: [/^entrepot.yaml:2: Cannot read the YAML: /],
  },
  'two documents in one file': {
    yaml: 'data: x\n---\ndata: y',
    says: ['entrepot.yaml:2: A second document begins here: leave one, without "---" between'],
  },
  'a path that only a shell could read': {
    yaml: 'data: ~/data',
    env: { ENTREPOT_DOCKER_CONFIG: '~' },
    says: [
      /^entrepot.yaml:1: Cannot use data "~\/data": expected a path without "~"/,
      /^ENTREPOT_DOCKER_CONFIG: Cannot use dockerConfig "~": expected a path without "~"/,
    ],
  },
  'the beginning of a key': {
    yaml: 'upstreams: { docker.io: { user: a } }',
    says: ['entrepot.yaml:1: Unknown key "upstreams.docker.io.user": did you mean "upstreams.docker.io.username"?'],
  },
  'a key that is there twice': {
    yaml: 'data: x\ndata: y',
    says: ['entrepot.yaml:2: Cannot read the YAML: Map keys must be unique: correct it there'],
  },
  'an anchor that is not there': {
    yaml: 'data: *nowhere\nupstreams: { a.example: { names: [*nowhere] } }',
    says: [
      /^entrepot.yaml:1: Cannot read "data": the anchor/,
      /^entrepot.yaml:2: Cannot read "upstreams.a.example.names"/,
    ],
  },
  'a file that is not there': {
    file: 'missing.yaml',
    says: [
      '--config: Cannot read the configuration file "missing.yaml": there is no such file: correct the path, or the rights',
    ],
  },
  'a file that is not there, named by the environment': {
    env: { ENTREPOT_CONFIG: 'missing.yaml' },
    says: [/^ENTREPOT_CONFIG: Cannot read the configuration file "missing.yaml": there is no such file/],
  },
  'a bad size': {
    yaml: 'cache: { maxBytes: lots }',
    says: [
      'entrepot.yaml:1: Cannot use cache.maxBytes "lots": expected a size above zero, such as 50GB, 500MiB, or a count of bytes',
    ],
  },
  'a part of something that is no percentage': {
    yaml: 'cache: { highWatermark: 0.95 }',
    says: [
      'entrepot.yaml:1: Cannot use cache.highWatermark "0.95": expected a percentage above 0% and up to 100%, such as 95%',
    ],
  },
  'watermarks that are the wrong way round': {
    yaml: 'cache:\n  highWatermark: 50%\n  lowWatermark: 60.5%',
    says: [
      'entrepot.yaml:3: Cannot use cache.lowWatermark 60.5% with cache.highWatermark 50%: it is not below it: lower the one, or raise the other',
    ],
  },
  'a high watermark below the low one that is the default': {
    env: { ENTREPOT_CACHE_HIGH_WATERMARK: '85%' },
    says: [
      'ENTREPOT_CACHE_HIGH_WATERMARK: Cannot use cache.lowWatermark 85% with cache.highWatermark 85%: it is not below it: lower the one, or raise the other',
    ],
  },
  'an age that leaves nothing': {
    yaml: 'cache: { maxAge: 0 }',
    says: ['entrepot.yaml:1: Cannot use cache.maxAge "0": expected a duration above zero, such as 30d, or none'],
  },
  'a bad duration': {
    env: { ENTREPOT_CACHE_TAG_TTL: '60' },
    says: ['ENTREPOT_CACHE_TAG_TTL: Cannot use cache.tagTtl "60": expected a duration, such as 500ms, 60s, 5m, 1h'],
  },
  'a grace that no timer can be set to': {
    yaml: 'shutdown: { grace: 30d }',
    says: ['entrepot.yaml:1: Cannot use shutdown.grace "30d": expected a duration of at most 24d'],
  },
  'a bad listen address': {
    flags: { listen: 'everywhere' },
    says: [/^--listen: Cannot use doors.registry.listen "everywhere": expected host:port/],
  },
  'a bad choice': {
    flags: { logLevel: 'loud', logFormat: 'xml' },
    says: [
      '--log-level: Cannot use log.level "loud": expected one of trace, debug, info, warn, error, fatal, silent',
      '--log-format: Cannot use log.format "xml": expected one of json, pretty, auto',
    ],
  },
  'a bad boolean': {
    env: { ENTREPOT_BUILTIN_UPSTREAMS: 'maybe' },
    says: ['ENTREPOT_BUILTIN_UPSTREAMS: Cannot use builtinUpstreams "maybe": expected true or false'],
  },
  'a bad domain': {
    env: { REGISTRY_DOMAIN: 'https://registry.example.com' },
    says: [/^REGISTRY_DOMAIN: Cannot use domain "https:\/\/registry.example.com": expected a domain/],
  },
  'an unknown variable, with the nearest': {
    env: { ENTREPOT_CACHE_MAXBYTES: '1', ENTREPOT_LISTEN: ':80', ENTREPOT_UPSTREAMS_DOCKER_IO_USER: 'u' },
    says: [
      'ENTREPOT_CACHE_MAXBYTES: Unknown variable: did you mean ENTREPOT_CACHE_MAX_BYTES?',
      'ENTREPOT_LISTEN: Unknown variable: did you mean ENTREPOT_DOORS_REGISTRY_LISTEN?',
      /^ENTREPOT_UPSTREAMS_DOCKER_IO_USER: Unknown variable: did you mean ENTREPOT_UPSTREAMS_DOCKER_IO_.*must be configured/,
    ],
  },
  'an unknown variable that is like no other, with those that are possible': {
    env: { ENTREPOT_WOMBAT_WOMBAT_WOMBAT: '1' },
    says: [
      /^ENTREPOT_WOMBAT_WOMBAT_WOMBAT: Unknown variable: it is like none .* ENTREPOT_CACHE_MAX_BYTES is cache\.maxBytes$/,
    ],
  },
  // For the port, that of the proxy's tunnels was suggested.
  'what others look for, with where it is': {
    yaml: 'port: 5000\nmirrors: [a]\nremoteUrl: https://a\nlog: { level: info }\ndoors: { hosted: { port: 1 } }',
    env: { ENTREPOT_PORT: '5000', ENTREPOT_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/x' },
    flags: { set: ['http.addr=:5000', 'hosted.wombats.wombats=1'] },
    says: [
      'entrepot.yaml:1: Unknown key "port": where clients reach it is "doors.registry.listen", such as ":5000"',
      /^entrepot.yaml:2: Unknown key "mirrors": each registry is an entry of "upstreams", by its name/,
      /^entrepot.yaml:3: Unknown key "remoteUrl": each registry is an entry .* is "doors.registry.default"$/,
      'entrepot.yaml:5: Unknown key "doors.hosted.port": did you mean "doors.hosted.listen"?',
      '--set http.addr: Unknown key "http.addr": where clients reach it is "doors.registry.listen", such as ":5000"',
      /^--set hosted.wombats.wombats: .*: it is like none that there is; all begin with one of data, domain, doors, cache, /,
      'ENTREPOT_PORT: Unknown variable: where clients reach it is "doors.registry.listen", such as ":5000"',
      /^ENTREPOT_STORAGE_FILESYSTEM_ROOTDIRECTORY: Unknown variable: all is kept in the folder "data", /,
    ],
  },
  'the configuration of registry:2, with where its parts are': {
    yaml: [
      ...['version: 0.1', 'log: { level: info }', 'storage: { filesystem: { rootdirectory: /x } }'],
      ...['http: { addr: ":5000" }', 'proxy: { remoteurl: https://a, username: me }', 'health: {}'],
    ].join('\n'),
    says: [
      'entrepot.yaml:1: Unknown key "version": there is nothing of this kind here: leave it out',
      /^entrepot.yaml:3: Unknown key "storage": all is kept in the folder "data", and .* is "cache.maxBytes"$/,
      /^entrepot.yaml:4: Unknown key "http": where clients .* "doors.registry.listen".* "doors.registry.tls.cert"/,
      /^entrepot.yaml:5: Unknown key "proxy.remoteurl": each registry is an entry of "upstreams"/,
      /^entrepot.yaml:5: Unknown key "proxy.username": the login to a registry is "username" and "passwordFile"/,
      'entrepot.yaml:6: Unknown key "health": there is nothing of this kind here: leave it out',
    ],
  },
  'a variable that may mean two upstreams': {
    yaml: 'upstreams: { a-b.example: {}, a.b.example: {} }',
    env: { ENTREPOT_UPSTREAMS_A_B_EXAMPLE_INSECURE: 'true' },
    says: [/^ENTREPOT_UPSTREAMS_A_B_EXAMPLE_INSECURE: It could mean several upstreams/],
  },
  'a value for a whole group by --set': {
    flags: { set: ['cache=5GB'] },
    says: ['--set cache: "cache" is a group of keys: name one of them, such as cache.maxBytes'],
  },
  'an unknown key of --set, with the nearest': {
    flags: { set: ['cache.maxbyte=1', 'upstreams.docker.io.pasword=swordfish', 'nothing'] },
    says: [
      '--set cache.maxbyte: Unknown key "cache.maxbyte": did you mean "cache.maxBytes"?',
      '--set upstreams.docker.io.pasword: Unknown key "upstreams.docker.io.pasword": did you mean "upstreams.docker.io.password"?',
      '--set: Cannot read an assignment: it has no "=": write --set key.path=value',
    ],
  },
  'ENTREPOT_UPSTREAMS that is no YAML, or no group of keys': {
    env: { ENTREPOT_UPSTREAMS: '{"docker.io": [' },
    says: [/^ENTREPOT_UPSTREAMS: Cannot read the YAML/, /^ENTREPOT_UPSTREAMS: Cannot read the YAML/],
  },
  'an alias without a dot': {
    yaml: 'upstreams: { a.example: { alias: corp } }',
    says: [/^entrepot.yaml:1: Cannot use upstreams.a.example.alias "corp": expected a lower-case host name with a dot/],
  },
  'a name with a port or without a dot, and no alias': {
    yaml: 'upstreams:\n  registry.corp:5443: {}\n  corp: {}',
    says: [
      /^entrepot.yaml:2: Upstream "registry.corp:5443" has no alias, .*such as alias: registry.corp$/,
      /^entrepot.yaml:3: Upstream "corp" has no alias, .*such as alias: corp.internal$/,
    ],
  },
  'a name that is none': {
    yaml: 'upstreams: { "https://a.example": {}, Docker.io: {} }',
    says: [
      /^entrepot.yaml:1: Cannot use "https:\/\/a.example" as the name of an upstream: expected a lower-case host name/,
      /^entrepot.yaml:1: Cannot use "Docker.io" as the name of an upstream: expected a lower-case host name/,
    ],
  },
  'two upstreams with one alias': {
    yaml: 'upstreams:\n  "a.example:1": { alias: a.example }\n  "a.example:2":\n    alias: a.example',
    says: [/^entrepot.yaml:4: The upstreams "a.example:1" and "a.example:2" are both called "a.example"/],
  },
  'an alias that is the name of another upstream': {
    yaml: 'upstreams: { "corp:5000": { alias: ghcr.io } }',
    says: [/^entrepot.yaml:1: The upstreams "ghcr.io" and "corp:5000" are both called "ghcr.io"/],
  },
  'a further name that another upstream has': {
    yaml: 'upstreams: { a.example: { names: [index.docker.io] } }',
    says: [/^entrepot.yaml:1: The upstreams "docker.io" and "a.example" are both called "index.docker.io"/],
  },
  'a username without a password': {
    yaml: 'upstreams: { docker.io: { username: u } }',
    env: { GHCR_USERNAME: 'u' },
    says: [
      /^entrepot.yaml:1: Upstream "docker.io" has a username and no password: give its password, passwordFile or tokenCommand/,
      /^GHCR_USERNAME: Upstream "ghcr.io" has a username and no password/,
    ],
  },
  'credentials of two kinds in one place': {
    yaml: [
      'upstreams:',
      '  docker.io: { username: u, password: p, dockerConfig: docker.json }',
      '  ghcr.io: { username: u, password: p, tokenCommand: [print] }',
      '  quay.io: { dockerConfig: docker.json, tokenCommand: [print] }',
      '  gcr.io: { username: u, passwordFile: secret, dockerConfig: docker.json }',
    ].join('\n'),
    files: { 'docker.json': '{}', secret: 'p' },
    says: [
      'entrepot.yaml:2: Upstream "docker.io" has both username and dockerConfig: keep one of them',
      'entrepot.yaml:2: Upstream "docker.io" has both password and dockerConfig: keep one of them',
      'entrepot.yaml:3: Upstream "ghcr.io" has both password and tokenCommand: keep one of them',
      'entrepot.yaml:4: Upstream "quay.io" has both dockerConfig and tokenCommand: keep one of them',
      'entrepot.yaml:5: Upstream "gcr.io" has both username and dockerConfig: keep one of them',
      'entrepot.yaml:5: Upstream "gcr.io" has both passwordFile and dockerConfig: keep one of them',
    ],
  },
  'a docker config.json that is missing, or none': {
    yaml: 'dockerConfig: gone.json\nupstreams: { docker.io: { dockerConfig: none.json }, ghcr.io: { dockerConfig: gone.json } }',
    files: { 'none.json': '["swordfish"]' },
    says: [
      'entrepot.yaml:1: Cannot read dockerConfig "gone.json": there is no such file: correct the path, or the rights',
      'entrepot.yaml:2: Cannot use dockerConfig "none.json" of upstream "docker.io": it is not a JSON object: docker login writes one',
      'entrepot.yaml:2: Cannot read dockerConfig "gone.json" of upstream "ghcr.io": there is no such file: correct the path, or the rights',
    ],
  },
  'a token command that is no command': {
    yaml: 'upstreams: { docker.io: { tokenCommand: print }, ghcr.io: { tokenCommand: [] }, quay.io: { tokenCommand: [a, 5] } }',
    env: { ENTREPOT_UPSTREAMS_GCR_IO_TOKEN_COMMAND: '["print"' },
    says: [
      'entrepot.yaml:1: Cannot use upstreams.docker.io.tokenCommand "print": expected a list, such as [a, b]',
      'entrepot.yaml:1: Cannot use upstreams.ghcr.io.tokenCommand a list: expected a program and its arguments',
      /^entrepot.yaml:1: Cannot use upstreams.quay.io.tokenCommand "5": expected text/,
      /^ENTREPOT_UPSTREAMS_GCR_IO_TOKEN_COMMAND: Cannot use upstreams.gcr.io.tokenCommand .*: expected a list, such as \[a, b\]$/,
    ],
  },
  'limits of an upstream that are none': {
    yaml: 'upstreams: { docker.io: { maxConcurrent: 0, maxBytesPerSecond: fast } }',
    says: [
      /^entrepot.yaml:1: Cannot use upstreams.docker.io.maxConcurrent "0": expected a whole number/,
      /^entrepot.yaml:1: Cannot use upstreams.docker.io.maxBytesPerSecond "fast": expected a size/,
    ],
  },
  'a password without a username': {
    env: { DOCKERHUB_PASSWORD: 'swordfish' },
    says: [/^DOCKERHUB_PASSWORD: Upstream "docker.io" has a password and no username/],
  },
  'password and passwordFile': {
    yaml: 'upstreams:\n  docker.io:\n    username: u\n    password: swordfish\n    passwordFile: f',
    files: { f: 'swordfish' },
    says: ['entrepot.yaml:5: Upstream "docker.io" has both password and passwordFile: keep one of them'],
  },
  'url and urls': {
    yaml: 'upstreams: { a.example: { url: "https://a", urls: ["https://b"] } }',
    says: ['entrepot.yaml:1: Upstream "a.example" has both url and urls: keep one of them'],
  },
  'no URL at all': {
    yaml: 'upstreams: { a.example: { urls: [] } }',
    says: [/^entrepot.yaml:1: Cannot use upstreams.a.example.urls a list: expected at least one URL/],
  },
  'files of an upstream that cannot be read': {
    yaml: 'upstreams: { docker.io: { username: u, passwordFile: p, ca: /etc/ca.pem, cert: c, key: k } }',
    says: [
      'entrepot.yaml:1: Cannot read passwordFile "p" of upstream "docker.io": there is no such file: correct the path, or the rights',
      /Cannot read key "k"/,
      /Cannot read ca "\/etc\/ca.pem"/,
      /Cannot read cert "c"/,
    ],
  },
  'files of an upstream that hold something else': {
    yaml: 'upstreams: { docker.io: { username: u, passwordFile: empty, ca: text, cert: text, key: text } }',
    files: { empty: '\n', text: 'swordfish' },
    says: [
      /Cannot use passwordFile "empty" of upstream "docker.io": it is empty/,
      /Cannot use key "text" of upstream "docker.io": it is not PEM: expected a line -----BEGIN PRIVATE KEY-----/,
      /Cannot use ca "text"/,
      /Cannot use cert "text" .*BEGIN CERTIFICATE/,
    ],
  },
  'a client certificate without its key': {
    yaml: 'upstreams: { a.example: { cert: c } }',
    files: { c: '-----BEGIN CERTIFICATE-----' },
    says: [/^entrepot.yaml:1: Upstream "a.example" has a cert and no key/],
  },
  'a client certificate that would count for every client': {
    yaml: 'upstreams: { a.example: { guard: always, cert: c, key: k } }',
    files: { c: '-----BEGIN CERTIFICATE-----', k: '-----BEGIN PRIVATE KEY-----' },
    says: [/^entrepot.yaml:1: Upstream "a.example" has a cert and guard: always: the cert is shown for every client/],
  },
  'URLs that are none, or carry what they must not': {
    yaml: [
      'upstreams:',
      '  a.example: { url: ghcr.io }',
      '  b.example: { url: "https://u:swordfish@b.example" }',
      '  c.example: { urls: ["https://c.example", "https://c.example/?q"] }',
    ].join('\n'),
    says: [
      'entrepot.yaml:2: Cannot use upstreams.a.example.url "ghcr.io": expected an http:// or https:// URL',
      'entrepot.yaml:3: Cannot use upstreams.b.example.url "https://[redacted]@b.example": a URL must not carry credentials; give them as username and password',
      'entrepot.yaml:4: Cannot use upstreams.c.example.urls "https://c.example/?q": a URL must not have a query or a fragment; leave them away',
    ],
  },
  'an older variable with a URL that is none': {
    env: { REGISTRY_PROXY_REMOTEURL: 'https://u:swordfish@registry-1.docker.io' },
    says: [/^REGISTRY_PROXY_REMOTEURL: Cannot use the URL: a URL must not carry credentials/],
  },
  'older credentials without the URL that they belong to': {
    env: { REGISTRY_PROXY_USERNAME: 'u', REGISTRY_PROXY_PASSWORD: 'swordfish' },
    says: [
      'REGISTRY_PROXY_USERNAME: It belongs to REGISTRY_PROXY_REMOTEURL, which is not set: set REGISTRY_PROXY_REMOTEURL, too',
      /^REGISTRY_PROXY_PASSWORD: It belongs to REGISTRY_PROXY_REMOTEURL/,
    ],
  },
  'older variables that contradict each other': {
    env: {
      REGISTRY_PROXY_REMOTEURL: 'https://registry-1.docker.io',
      REGISTRY_PROXY_USERNAME: 'u',
      REGISTRY_PROXY_PASSWORD: 'p',
      DOCKERHUB_USERNAME: 'other',
    },
    says: [/^DOCKERHUB_USERNAME: It says something else than REGISTRY_PROXY_USERNAME, of the same upstream/],
  },
  'a variable for an upstream that is not there': {
    yaml: 'upstreams: { quay.io: null }',
    env: { QUAY_USERNAME: 'u', QUAY_PASSWORD: 'swordfish', ENTREPOT_UPSTREAMS_QUAY_IO_INSECURE: 'true' },
    says: [
      /^QUAY_USERNAME: It is for the upstream "quay.io", which is not configured/,
      /^QUAY_PASSWORD: It is for the upstream "quay.io", which is not configured/,
      /^ENTREPOT_UPSTREAMS_QUAY_IO_INSECURE: It is for the upstream "quay.io", which is not configured/,
    ],
  },
  'an upstream that is removed without being there': {
    yaml: 'upstreams:\n  registry.corp:',
    says: [
      'entrepot.yaml:2: Cannot remove "upstreams.registry.corp": there is no such upstream: to add one, write {} or its keys',
    ],
  },
  'a default upstream that is not configured': {
    yaml: 'upstreams: { ghcr.io: null }\ndoors: { registry: { default: ghcr.io } }',
    says: [
      'entrepot.yaml:2: Cannot use doors.registry.default "ghcr.io": no such upstream is configured: name one that is, or none',
    ],
  },
  'a name of the hosted registry that an upstream has': {
    yaml: 'upstreams: { corp: { url: "http://corp", alias: corp.test, names: ["r.corp:5001"] } }\nhosted: { names: [r.corp:5001, ghcr.io] }',
    says: [
      'entrepot.yaml:2: Cannot use hosted.names "r.corp:5001": it is a name of the upstream corp: give one of the two another name',
      'entrepot.yaml:2: Cannot use hosted.names "ghcr.io": it is a name of the upstream ghcr.io: give one of the two another name',
    ],
  },
  'an upstream by the name of the hosted registry': {
    yaml: 'upstreams:\n  corp:\n    url: http://corp\n    alias: hosted.entrepot',
    says: [
      'entrepot.yaml:4: Cannot use the name "hosted.entrepot" for the upstream corp: it is that of the registry that is pushed to: choose another',
    ],
  },
  'certificates of doors that cannot be used, with the key and the file': {
    yaml: [
      'doors:',
      '  registry:',
      '    tls: { cert: none.crt, key: door.crt }',
      '  hosted:',
      '    tls:',
      '      cert: door.crt',
      '      key: other.key',
      '      clientCa: other.key',
    ].join('\n'),
    env: { ENTREPOT_DOORS_REGISTRY_TLS_CLIENT_CA: 'none.ca' },
    files: { 'door.crt': server.cert, 'other.key': client.key },
    says: [
      'entrepot.yaml:3: Cannot use doors.registry.tls.cert "none.crt": there is no such file: correct the path, the rights, or the file',
      /^ENTREPOT_DOORS_REGISTRY_TLS_CLIENT_CA: Cannot use doors.registry.tls.clientCa "none.ca": there is no such file: /,
      'entrepot.yaml:7: Cannot use doors.hosted.tls.key "other.key": it is not the key of the (first) certificate in cert: correct the path, the rights, or the file',
    ],
  },
  'a key in the place of a certificate': {
    yaml: 'doors: { registry: { tls: { cert: door.key, key: door.key } } }',
    files: { 'door.key': server.key },
    says: [
      /^entrepot.yaml:1: Cannot use doors.registry.tls.cert "door.key": there is no certificate in it; expected a/,
    ],
  },
  'TLS with a part of what it takes': {
    yaml: 'doors: { registry: { tls: { cert: door.crt } }, hosted: { tls: { hsts: 1d } } }',
    says: [
      'entrepot.yaml:1: doors.registry.tls has cert and no key: give cert and key, or nothing of tls',
      'entrepot.yaml:1: doors.hosted.tls has hsts and no cert and no key: give cert and key, or nothing of tls',
    ],
  },
  'a text that YAML reads as something else': {
    yaml: 'upstreams: { docker.io: { username: 123, password: 4567 } }',
    says: [
      /^entrepot.yaml:1: Cannot use upstreams.docker.io.username "123": expected text; put it in quotes/,
      'entrepot.yaml:1: Cannot use upstreams.docker.io.password: expected text; put it in quotes where it looks like something else',
    ],
  },
  'a pattern of tags that is none': {
    yaml: "cache: { immutableTags: ['^v', '('] }",
    says: [
      'entrepot.yaml:1: Cannot use cache.immutableTags "(": expected a regular expression, such as ^v\\d+$ (Unterminated group)',
    ],
  },
  'a bad pattern in the rule of an upstream': {
    yaml: "upstreams:\n  docker.io:\n    rules:\n      - { tag: a, tagTtl: 1h }\n      - { tag: 'v[', tagTtl: 1h }",
    says: [
      'entrepot.yaml:3: Cannot use upstreams.docker.io.rules, entry 2, tag "v[": expected a regular expression, such as ^v\\d+$ (Unterminated character class)',
    ],
  },
  'a repository of a rule that no repository can match': {
    flags: { set: ['upstreams.docker.io.rules=[{ repository: Library/*, tagTtl: 1h }]'] },
    says: [
      '--set upstreams.docker.io.rules: Cannot use upstreams.docker.io.rules, entry 1, repository "Library/*": expected the lower-case name of a repository, with * and ** for any part, such as library/*',
    ],
  },
  'a pattern within a list of a rule': {
    yaml: "upstreams: { docker.io: { rules: [{ tag: a, immutableTags: [')'] }] } }",
    says: [
      'entrepot.yaml:1: Cannot use upstreams.docker.io.rules, entry 1, immutableTags ")": expected a regular expression, such as ^v\\d+$ (Unmatched \')\')',
    ],
  },
  'a key that no rule has': {
    env: { ENTREPOT_UPSTREAMS_DOCKER_IO_RULES: '[{"tag": "a", "tagTTL": "1h"}]' },
    says: [
      'ENTREPOT_UPSTREAMS_DOCKER_IO_RULES: Cannot use upstreams.docker.io.rules, entry 1: expected a group of repository, tag, tagTtl, staleFor, onDenied, onMissing, revalidate, immutableTags, and nothing else',
    ],
  },
  'a rule for nothing': {
    yaml: 'upstreams: { docker.io: { rules: [{ tagTtl: 1h }] } }',
    says: [/^entrepot.yaml:1: Cannot use upstreams.docker.io.rules, entry 1: expected a repository or a tag/],
  },
  'a rule that changes nothing': {
    yaml: 'upstreams: { docker.io: { rules: [{ repository: a }] } }',
    says: [/^entrepot.yaml:1: Cannot use upstreams.docker.io.rules, entry 1: expected one of tagTtl, staleFor/],
  },
  'rules that are no list': {
    env: { ENTREPOT_UPSTREAMS_DOCKER_IO_RULES: '[{' },
    says: [
      'ENTREPOT_UPSTREAMS_DOCKER_IO_RULES: Cannot use upstreams.docker.io.rules "[{": expected a list, such as [a, b]',
    ],
  },
  'a policy that is none': {
    yaml: 'cache: { onDenied: forget, staleFor: none }',
    says: [
      'entrepot.yaml:1: Cannot use cache.staleFor "none": expected a duration, such as 1h, 7d, or forever',
      'entrepot.yaml:1: Cannot use cache.onDenied "forget": expected one of deny, serve',
    ],
  },
};

describe('the configuration is refused, with what, where and what to do, for', () => {
  for (const [name, { says, ...sources }] of Object.entries(cases)) {
    test(name, () => {
      const lines = problemsOf(sources);
      assertSays(lines, says);
      for (const line of lines) assert.ok(!/swordfish|4567/.test(line), line);
    });
  }
});

test('everything that is wrong is told at once, whatever the source', () => {
  const lines = problemsOf({
    yaml: 'dta: x\ncache: { maxBytes: none }\nupstreams: { corp: { username: u } }',
    env: { ENTREPOT_LOG_LEVEL: 'loud', ENTREPOT_DOMAN: 'x' },
    flags: { default: 'nowhere' },
  });
  const wheres = lines.map((line) => line.slice(0, line.indexOf(': ')));
  const expected = ['1', '2', '3', '3'].map((line) => `entrepot.yaml:${line}`);
  assert.deepEqual(wheres.sort(), ['--default', 'ENTREPOT_DOMAN', 'ENTREPOT_LOG_LEVEL', ...expected].sort());
});

test('the message of a YAML error repeats nothing of the text', () => {
  for (const yaml of ['password: "swordfish', 'a: |swordfish\n b', 'a: !swordfish x', 'a: {password: swordfish']) {
    for (const line of problemsOf({ yaml })) assert.ok(!line.includes('swordfish'), line);
  }
});

test('quoteValue() is short, and hides the credentials of a URL', () => {
  assert.equal(quoteValue('https://u:p/w@host/x'), '"https://[redacted]@host/x"');
  assert.equal(quoteValue('x'.repeat(500)), `"${'x'.repeat(100)}…"`);
  assert.equal(quoteValue(['secret']), 'a list');
  assert.equal(quoteValue({ a: 1 }), 'a group of keys');
  assert.equal(quoteValue(true), '"true"');
});
