import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadTestConfig, type TestSources } from '../../test/support/command/config-sources.ts';
import type { UpstreamConfig } from './config.ts';
import type { LoadedConfig } from './load-config.ts';
import { builtinUpstreams } from './resolve/builtin-upstreams.ts';

function upstreamOf({ config }: LoadedConfig, name: string): UpstreamConfig {
  const found = config.upstreams.find((upstream) => upstream.name === name);
  assert.ok(found, `${name} is configured`);
  return found;
}

test('without a file, variables and flags, every key has its default', () => {
  const { config, origins } = loadTestConfig({});
  const { upstreams, ...rest } = config;
  assert.deepEqual(rest, {
    data: './data',
    domain: undefined,
    doors: {
      registry: { listen: { host: '127.0.0.1', port: 5000 }, default: 'docker.io', tls: undefined },
      hosted: { listen: { host: '127.0.0.1', port: 5001 }, tls: undefined },
      proxy: { listen: { host: '127.0.0.1', port: 3128 } },
    },
    cache: {
      maxBytes: 50e9,
      highWatermark: 0.95,
      lowWatermark: 0.85,
      maxAgeMs: undefined,
      minFreeBytes: 1e9,
      graceMs: 600_000,
      scrubRateBytes: 20e6,
      maxDownloads: 200,
      negativeTtlMs: 10_000,
    },
    guard: { ttlMs: 300_000, whenUpstreamFails: 'deny' },
    throughput: { maxBytes: 100e6, maxConcurrent: 8 },
    hosted: {
      names: ['localhost:5001'],
      allowAnonymousPush: false,
      maxManifestBytes: 4 * 1024 * 1024,
      immutableTags: [],
      maxBytes: undefined,
      uploads: { maxAgeMs: 86_400_000, maxCount: 1000, maxBytes: undefined },
      garbage: { everyMs: 86_400_000, graceMs: 3_600_000, untagged: false },
    },
    proxy: { others: 'tunnel', ports: [443], allowAddresses: [], idleMs: 900_000, ca: undefined, constrain: true },
    auth: undefined,
    warm: [],
    offline: false,
    log: { level: 'info', format: 'auto' },
    shutdown: { graceMs: 30_000 },
  });
  assert.deepEqual(
    upstreams.map(({ name }) => name),
    Object.keys(builtinUpstreams),
  );
  assert.equal(origins.get('data'), 'default');
  assert.equal(origins.get('upstreams.docker.io.url'), 'built in');
});

test('Docker Hub is built in with the host of its registry, and the others with their own', () => {
  const loaded = loadTestConfig({});
  const hub = upstreamOf(loaded, 'docker.io');
  assert.deepEqual(hub.urls.map(String), ['https://registry-1.docker.io/']);
  assert.ok(hub.dockerHub);
  assert.ok(hub.names.includes('index.docker.io'));
  const others = loaded.config.upstreams.filter(({ name }) => name !== 'docker.io');
  for (const { name, alias, urls, dockerHub } of others) {
    assert.deepEqual([alias, urls.map(String), dockerHub], [name, [`https://${name}/`], false]);
  }
  assert.deepEqual(upstreamOf(loaded, 'lscr.io').tokenHosts, ['ghcr.io']);
});

test('the hosted registry leaves its default name to an upstream that has it', () => {
  const yaml = 'upstreams: { "localhost:5001": { url: "http://localhost:5001", alias: local.test } }';
  assert.deepEqual(loadTestConfig({ yaml }).config.hosted.names, []);
});

test('the hosted registry leaves its default name to the registry door when that has its port', () => {
  const names = (yaml: string) => loadTestConfig({ yaml }).config.hosted.names;
  const registry = 'doors: { registry: { listen: ":5001" }, hosted: { listen: none } }';
  assert.deepEqual(names(registry), []);
  assert.deepEqual(names(`${registry}\nhosted: { names: ["localhost:5001"] }`), ['localhost:5001']);
});

test('the file wins over defaults, the environment over the file, flags over the environment', () => {
  const yaml = ['data: /file', 'cache: { tagTtl: 1m, maxBytes: 1GB }', 'log:', '  level: warn', '  format: json'].join(
    '\n',
  );
  const env = { ENTREPOT_CACHE_TAG_TTL: '2m', ENTREPOT_LOG_LEVEL: 'error', ENTREPOT_LOG_FORMAT: 'pretty' };
  const flags = { logLevel: 'debug', set: ['log.format=auto', 'shutdown.grace=5s', 'shutdown.grace=6s'] };
  const { config, origins } = loadTestConfig({ yaml, env, flags });
  assert.equal(config.data, '/file');
  assert.equal(config.cache.maxBytes, 1e9);
  assert.equal(config.upstreams[0]?.freshness.tagTtlMs, 120_000);
  assert.deepEqual(config.log, { level: 'debug', format: 'auto' });
  assert.equal(config.shutdown.graceMs, 6000);
  assert.deepEqual(
    [
      'data',
      'cache.maxBytes',
      'cache.tagTtl',
      'log.level',
      'log.format',
      'shutdown.grace',
      'doors.registry.listen',
    ].map((key) => origins.get(key)),
    [
      'entrepot.yaml:1',
      'entrepot.yaml:2',
      'ENTREPOT_CACHE_TAG_TTL',
      '--log-level',
      '--set log.format',
      '--set shutdown.grace',
      'default',
    ],
  );
});

test('ENTREPOT_CONFIG names the file unless --config does', () => {
  const files = { 'a.yaml': 'data: /a', 'b.yaml': 'data: /b' };
  const env = { ENTREPOT_CONFIG: 'a.yaml' };
  assert.equal(loadTestConfig({ files, env }).config.data, '/a');
  assert.equal(loadTestConfig({ files, env, file: 'b.yaml' }).config.data, '/b');
});

test('the limits of space are read, and those that may be none', () => {
  const yaml = 'cache: { highWatermark: 90%, lowWatermark: 50%, maxAge: 30d, minFreeBytes: 0, grace: 0 }';
  const { highWatermark, lowWatermark, maxAgeMs, minFreeBytes, graceMs } = loadTestConfig({ yaml }).config.cache;
  assert.deepEqual([highWatermark, lowWatermark, maxAgeMs], [0.9, 0.5, 30 * 86_400_000]);
  assert.deepEqual([minFreeBytes, graceMs], [0, 0]);
  const env = { ENTREPOT_CACHE_MAX_AGE: 'none' };
  assert.equal(loadTestConfig({ yaml, env }).config.cache.maxAgeMs, undefined);
});

test('an empty variable counts as not set, and an empty key as not given', () => {
  const env = { ENTREPOT_DATA: '', ENTREPOT_CONFIG: '', ENTREPOT_UNKNOWN: '', REGISTRY_DOMAIN: '', GHCR_USERNAME: '' };
  const yaml = 'cache:\ndomain:\nlog: { level: }\nupstreams:\n';
  assert.deepEqual(loadTestConfig({ env, yaml: '' }).config, loadTestConfig({ yaml }).config);
  assert.equal(loadTestConfig({ env, yaml: '# nothing\n' }).config.data, './data');
});

test('the example of the file is read in full', () => {
  const yaml = `
data: ./data
domain: registry.example.com
doors:
  registry: { listen: "127.0.0.1:5000", default: docker.io }
cache: { maxBytes: 50GB, tagTtl: 60s }
upstreams:
  docker.io: { url: "https://registry-1.docker.io", username: u, passwordFile: /run/secrets/hub }
  registry.corp:5443: { url: "https://10.0.0.5:5443", alias: registry.corp, ca: /etc/ssl/corp.pem }
log: { level: info, format: json }
`;
  const ca = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
  const loaded = loadTestConfig({ yaml, files: { '/run/secrets/hub': 'swordfish\n', '/etc/ssl/corp.pem': ca } });
  const hub = upstreamOf(loaded, 'docker.io');
  assert.equal(hub.username, 'u');
  assert.equal(hub.password?.reveal(), 'swordfish');
  assert.equal(hub.passwordFile, '/run/secrets/hub');
  const corp = upstreamOf(loaded, 'registry.corp:5443');
  const { freshness, ...others } = corp;
  assert.equal(freshness.tagTtlMs, 60_000);
  assert.deepEqual(
    { ...others, urls: corp.urls.map(String), ownUrls: corp.ownUrls.map(String) },
    {
      name: 'registry.corp:5443',
      alias: 'registry.corp',
      names: [],
      urls: ['https://10.0.0.5:5443/'],
      ownUrls: ['https://10.0.0.5:5443/'],
      dockerHub: false,
      username: undefined,
      password: undefined,
      passwordFile: undefined,
      dockerConfig: undefined,
      tokenCommand: undefined,
      ca,
      cert: undefined,
      key: undefined,
      insecure: false,
      guard: 'auto',
      tokenHosts: [],
      maxConcurrent: undefined,
      maxBytesPerSecond: undefined,
      rateLimitReserve: { count: 0 },
    },
  );
  assert.equal(loaded.config.domain, 'registry.example.com');
});

test('a client certificate and several URLs are read', () => {
  const pem = (what: string) => `-----BEGIN ${what}-----\nAA==\n-----END ${what}-----\n`;
  const yaml = 'upstreams: { a.example: { urls: [https://a1, http://a2:80/x], cert: c, key: k, insecure: true } }';
  const files = { c: pem('CERTIFICATE'), k: pem('EC PRIVATE KEY') };
  const upstream = upstreamOf(loadTestConfig({ yaml, files }), 'a.example');
  assert.deepEqual(upstream.urls.map(String), ['https://a1/', 'http://a2/x']);
  assert.equal(upstream.cert, files.c);
  assert.equal(upstream.key?.reveal(), files.k);
  assert.equal(upstream.insecure, true);
});

test('null removes a built-in upstream, and with builtinUpstreams: false only those named are there', () => {
  const names = (yaml: string) => loadTestConfig({ yaml }).config.upstreams.map(({ name }) => name);
  assert.ok(!names('upstreams: { quay.io: null }').includes('quay.io'));
  assert.deepEqual(names('builtinUpstreams: false'), []);
  assert.deepEqual(names('builtinUpstreams: false\nupstreams: { a.example: {}, quay.io: null }'), ['a.example']);
});

test('an upstream that is named although none is built in has what would be built in for it', () => {
  const loaded = loadTestConfig({ yaml: 'builtinUpstreams: false\nupstreams: { docker.io: {} }' });
  assert.deepEqual(upstreamOf(loaded, 'docker.io').urls.map(String), ['https://registry-1.docker.io/']);
});

test('a later source adds an upstream again that an earlier one removed, with nothing of it but what is built in', () => {
  const yaml = 'upstreams: { docker.io: { username: u, password: p } }';
  const env = { ENTREPOT_UPSTREAMS: 'docker.io: null' };
  const loaded = loadTestConfig({ yaml, env, flags: { set: ['upstreams.docker.io={}'] } });
  const hub = upstreamOf(loaded, 'docker.io');
  assert.deepEqual([hub.username, String(hub.urls[0])], [undefined, 'https://registry-1.docker.io/']);
});

test('the default upstream is docker.io while that is configured, and may be given by any of its names, or as none', () => {
  const defaultOf = (yaml: string) => loadTestConfig({ yaml }).config.doors.registry.default;
  assert.equal(defaultOf('upstreams: { docker.io: null }'), undefined);
  assert.equal(defaultOf('doors: { registry: { default: none } }'), undefined);
  assert.equal(defaultOf('doors: { registry: { default: ghcr.io } }'), 'ghcr.io');
  assert.equal(defaultOf('doors: { registry: { default: index.docker.io } }'), 'docker.io');
  const corp = 'upstreams: { "corp:5000": { alias: registry.corp } }';
  assert.equal(defaultOf(`${corp}\ndoors: { registry: { default: registry.corp } }`), 'corp:5000');
});

test('what a higher source gives takes the place of its alternative below', () => {
  const yaml = 'upstreams: { docker.io: { username: u, passwordFile: /missing, urls: ["https://a", "https://b"] } }';
  const env = { ENTREPOT_UPSTREAMS_DOCKER_IO_PASSWORD: 'p', ENTREPOT_UPSTREAMS_DOCKER_IO_URL: 'https://c' };
  const hub = upstreamOf(loadTestConfig({ yaml, env }), 'docker.io');
  assert.equal(hub.password?.reveal(), 'p');
  assert.deepEqual(hub.urls.map(String), ['https://c/']);
});

test('a name and a password are given by the file, by the environment and by flags, each in a file or as it is', () => {
  const name = 'upstreams.docker.io';
  const variables = { ENTREPOT_UPSTREAMS_DOCKER_IO_USERNAME: 'u' };
  const byFlag = `${name}.username=u`;
  const asItIs: TestSources[] = [
    { yaml: 'upstreams: { docker.io: { username: u, password: p } }' },
    { env: { ...variables, ENTREPOT_UPSTREAMS_DOCKER_IO_PASSWORD: 'p' } },
    { flags: { set: [byFlag, `${name}.password=p`] } },
  ];
  const inFile: TestSources[] = [
    { yaml: 'upstreams: { docker.io: { username: u, passwordFile: secret } }' },
    { env: { ...variables, ENTREPOT_UPSTREAMS_DOCKER_IO_PASSWORD_FILE: 'secret' } },
    { flags: { set: [byFlag, `${name}.passwordFile=secret`] } },
  ];
  for (const [sources, file] of [
    [asItIs, undefined],
    [inFile, 'secret'],
  ] as const) {
    for (const source of sources) {
      const hub = upstreamOf(loadTestConfig({ ...source, files: { secret: 'p\n' } }), 'docker.io');
      assert.deepEqual([hub.username, hub.password?.reveal(), hub.passwordFile], ['u', 'p', file]);
    }
  }
});

test('a docker config.json is given by the file, by the environment and by flags, for one upstream or for all', () => {
  const files = { 'docker.json': '{}', 'all.json': '{}' };
  const one: TestSources[] = [
    { yaml: 'upstreams: { docker.io: { dockerConfig: docker.json } }' },
    { env: { ENTREPOT_UPSTREAMS_DOCKER_IO_DOCKER_CONFIG: 'docker.json' } },
    { flags: { set: ['upstreams.docker.io.dockerConfig=docker.json'] } },
  ];
  for (const sources of one) {
    const loaded = loadTestConfig({ ...sources, files });
    assert.equal(upstreamOf(loaded, 'docker.io').dockerConfig, 'docker.json');
    assert.equal(upstreamOf(loaded, 'ghcr.io').dockerConfig, undefined);
  }
  const all: TestSources[] = [
    { yaml: 'dockerConfig: all.json' },
    { env: { ENTREPOT_DOCKER_CONFIG: 'all.json' } },
    { flags: { set: ['dockerConfig=all.json'] } },
  ];
  for (const sources of all) {
    assert.equal(upstreamOf(loadTestConfig({ ...sources, files }), 'ghcr.io').dockerConfig, 'all.json');
  }
});

test('the docker config.json of all is only for upstreams that have nothing of their own', () => {
  const yaml = `
dockerConfig: all.json
upstreams:
  docker.io: { dockerConfig: docker.json }
  ghcr.io: { username: u, password: p }
  quay.io: { username: u, tokenCommand: [print] }
`;
  const loaded = loadTestConfig({ yaml, files: { 'docker.json': '{}', 'all.json': '{}' } });
  const configs = ['docker.io', 'ghcr.io', 'quay.io', 'gcr.io'].map((name) => upstreamOf(loaded, name).dockerConfig);
  assert.deepEqual(configs, ['docker.json', undefined, undefined, 'all.json']);
});

test('a token command is a list in the file, and words or a JSON list in the environment and in flags', () => {
  const command = ['aws', 'ecr', 'get-login-password'];
  const name = 'upstreams.docker.io.tokenCommand';
  const variable = 'ENTREPOT_UPSTREAMS_DOCKER_IO_TOKEN_COMMAND';
  const sources: TestSources[] = [
    { yaml: 'upstreams: { docker.io: { tokenCommand: [aws, ecr, get-login-password] } }' },
    { env: { [variable]: ' aws ecr  get-login-password ' } },
    { env: { [variable]: '["aws", "ecr", "get-login-password"]' } },
    { flags: { set: [`${name}=aws ecr get-login-password`] } },
  ];
  for (const source of sources) {
    assert.deepEqual(upstreamOf(loadTestConfig(source), 'docker.io').tokenCommand, command);
  }
  const quoted = { env: { [variable]: '["/opt/my tools/print", "a b"]' } };
  assert.deepEqual(upstreamOf(loadTestConfig(quoted), 'docker.io').tokenCommand, ['/opt/my tools/print', 'a b']);
});

test('limits of an upstream are given by the file, by the environment and by flags; unless given, there are none', () => {
  const name = 'upstreams.docker.io';
  const sources: TestSources[] = [
    { yaml: 'upstreams: { docker.io: { maxConcurrent: 8, maxBytesPerSecond: 10MB } }' },
    {
      env: {
        ENTREPOT_UPSTREAMS_DOCKER_IO_MAX_CONCURRENT: '8',
        ENTREPOT_UPSTREAMS_DOCKER_IO_MAX_BYTES_PER_SECOND: '10MB',
      },
    },
    { flags: { set: [`${name}.maxConcurrent=8`, `${name}.maxBytesPerSecond=10MB`] } },
  ];
  for (const source of sources) {
    const loaded = loadTestConfig(source);
    const limits = ['docker.io', 'ghcr.io'].map((upstream) => {
      const { maxConcurrent, maxBytesPerSecond } = upstreamOf(loaded, upstream);
      return [maxConcurrent, maxBytesPerSecond];
    });
    assert.deepEqual(limits, [
      [8, 1e7],
      [undefined, undefined],
    ]);
  }
});

test('credentials of a higher source take the place of those of another kind below', () => {
  const files = { 'docker.json': '{}' };
  const yaml = 'upstreams: { docker.io: { username: u, password: p }, ghcr.io: { dockerConfig: docker.json } }';
  const env = {
    ENTREPOT_UPSTREAMS_DOCKER_IO_DOCKER_CONFIG: 'docker.json',
    ENTREPOT_UPSTREAMS_GHCR_IO_USERNAME: 'v',
    ENTREPOT_UPSTREAMS_GHCR_IO_PASSWORD: 'q',
  };
  const loaded = loadTestConfig({ yaml, env, files });
  const hub = upstreamOf(loaded, 'docker.io');
  assert.deepEqual([hub.username, hub.password, hub.dockerConfig], [undefined, undefined, 'docker.json']);
  const ghcr = upstreamOf(loaded, 'ghcr.io');
  assert.deepEqual([ghcr.username, ghcr.password?.reveal(), ghcr.dockerConfig], ['v', 'q', undefined]);
  const flags = { set: ['upstreams.docker.io.tokenCommand=print'] };
  const commanded = upstreamOf(loadTestConfig({ yaml, flags, files }), 'docker.io');
  assert.deepEqual([commanded.username, commanded.password, commanded.tokenCommand], ['u', undefined, ['print']]);
});

test('values that YAML reads as numbers are taken where they are one thing only', () => {
  const { config } = loadTestConfig({
    yaml: 'cache: { maxBytes: 1000, tagTtl: 0 }\ndoors: { registry: { listen: 80 } }',
  });
  assert.equal(config.cache.maxBytes, 1000);
  assert.equal(config.upstreams[0]?.freshness.tagTtlMs, 0);
  assert.deepEqual(config.doors.registry.listen, { host: '127.0.0.1', port: 80 });
});

test('anchors and aliases of YAML are followed', () => {
  const yaml = 'upstreams:\n  a.example: &c { username: u, password: p }\n  b.example: *c\n';
  assert.equal(upstreamOf(loadTestConfig({ yaml }), 'b.example').password?.reveal(), 'p');
});

test('a tenth of Docker Hub’s limit is kept for what is not here, of no other registry’s anything, unless it is said', () => {
  const reserveOf = (loaded: LoadedConfig, name: string) => upstreamOf(loaded, name).rateLimitReserve;
  const implied = loadTestConfig({});
  assert.deepEqual([reserveOf(implied, 'docker.io'), reserveOf(implied, 'quay.io')], [{ part: 0.1 }, { count: 0 }]);
  assert.equal(implied.origins.get('upstreams.docker.io.rateLimitReserve'), 'built in');
  const given = loadTestConfig({
    yaml: 'upstreams: { docker.io: { rateLimitReserve: 20 }, quay.io: { rateLimitReserve: 5% } }',
    env: { ENTREPOT_UPSTREAMS_QUAY_IO_RATE_LIMIT_RESERVE: '7' },
  });
  assert.deepEqual([reserveOf(given, 'docker.io'), reserveOf(given, 'quay.io')], [{ count: 20 }, { count: 7 }]);
});
