import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadTestConfig } from '../../../test/support/command/config-sources.ts';
import { certificates } from '../../../test/support/tls/certs.ts';
import { configKeys, nameOfPath, variableOfPath } from '../schema/keys.ts';

test('every key has a variable of its own, which sets it', () => {
  const values: Readonly<Record<string, string>> = {
    ENTREPOT_DATA: '/d',
    ENTREPOT_DOMAIN: 'd.example',
    ENTREPOT_DOCKER_CONFIG: 'config.json',
    ENTREPOT_DOORS_REGISTRY_LISTEN: ':80',
    ENTREPOT_DOORS_REGISTRY_DEFAULT: 'none',
    ENTREPOT_CACHE_MAX_BYTES: '3MB',
    ENTREPOT_CACHE_HIGH_WATERMARK: '90%',
    ENTREPOT_CACHE_LOW_WATERMARK: '80%',
    ENTREPOT_CACHE_MAX_AGE: '3d',
    ENTREPOT_CACHE_MIN_FREE_BYTES: '3GB',
    ENTREPOT_CACHE_GRACE: '3m',
    ENTREPOT_CACHE_SCRUB_RATE: '3kB',
    ENTREPOT_CACHE_MAX_DOWNLOADS: '3',
    ENTREPOT_CACHE_TAG_TTL: '3m',
    ENTREPOT_CACHE_STALE_FOR: '3d',
    ENTREPOT_CACHE_ON_DENIED: 'serve',
    ENTREPOT_CACHE_ON_MISSING: 'serve',
    ENTREPOT_CACHE_REVALIDATE: 'background',
    ENTREPOT_CACHE_IMMUTABLE_TAGS: '^v.{1,3}$ ^r',
    ENTREPOT_CACHE_NEGATIVE_TTL: '3s',
    ENTREPOT_DOORS_HOSTED_LISTEN: 'none',
    ENTREPOT_DOORS_REGISTRY_TLS_CERT: 'r.crt',
    ENTREPOT_DOORS_REGISTRY_TLS_KEY: 'r.key',
    ENTREPOT_DOORS_REGISTRY_TLS_CLIENT_CA: 'r.ca',
    ENTREPOT_DOORS_REGISTRY_TLS_HSTS: '3d',
    ENTREPOT_DOORS_HOSTED_TLS_CERT: 'h.crt',
    ENTREPOT_DOORS_HOSTED_TLS_KEY: 'h.key',
    ENTREPOT_DOORS_HOSTED_TLS_CLIENT_CA: 'h.ca',
    ENTREPOT_DOORS_HOSTED_TLS_HSTS: '3h',
    ENTREPOT_AUTH_HTPASSWD: 'htpasswd',
    ENTREPOT_AUTH_RULES: '[{ users: [ci], repositories: [hosted.entrepot/team/*], allow: [push] }]',
    ENTREPOT_AUTH_REMEMBER_FOR: '3m',
    ENTREPOT_HOSTED_ALLOW_ANONYMOUS_PUSH: 'true',
    ENTREPOT_HOSTED_NAMES: 'r.example, localhost:5001',
    ENTREPOT_HOSTED_MAX_MANIFEST_BYTES: '3MB',
    ENTREPOT_HOSTED_IMMUTABLE_TAGS: '^v.{1,3}$ ^r',
    ENTREPOT_HOSTED_MAX_BYTES: '3TB',
    ENTREPOT_HOSTED_UPLOADS_MAX_AGE: '3h',
    ENTREPOT_HOSTED_UPLOADS_MAX_COUNT: '3',
    ENTREPOT_HOSTED_UPLOADS_MAX_BYTES: '3GB',
    ENTREPOT_HOSTED_GARBAGE_EVERY: '3h',
    ENTREPOT_HOSTED_GARBAGE_GRACE: '3m',
    ENTREPOT_HOSTED_GARBAGE_UNTAGGED: 'true',
    ENTREPOT_DOORS_PROXY_LISTEN: 'none',
    ENTREPOT_PROXY_OTHERS: 'deny',
    ENTREPOT_PROXY_PORTS: '443, 8443',
    ENTREPOT_PROXY_ALLOW_ADDRESSES: '10.0.0.0/8, fd00::1',
    ENTREPOT_PROXY_IDLE: '3m',
    ENTREPOT_PROXY_CA_CERT: 'ca.crt',
    ENTREPOT_PROXY_CA_KEY: 'ca.key',
    ENTREPOT_PROXY_CONSTRAIN: 'false',
    ENTREPOT_GUARD_TTL: '3m',
    ENTREPOT_GUARD_WHEN_UPSTREAM_FAILS: 'allow-proven',
    ENTREPOT_THROUGHPUT_MAX_BYTES: '3MB',
    ENTREPOT_THROUGHPUT_MAX_CONCURRENT: '3',
    ENTREPOT_WARM_IMAGES: 'ghcr.io/o/a:1, ghcr.io/o/b',
    ENTREPOT_WARM_EVERY: '3h',
    ENTREPOT_WARM_PLATFORMS: 'linux/amd64,linux/arm64',
    ENTREPOT_WARM_CONCURRENCY: '3',
    ENTREPOT_WARM_LISTS: '[{ images: [ghcr.io/o/c], every: 3m, platforms: [all] }]',
    ENTREPOT_OFFLINE: 'true',
    ENTREPOT_BUILTIN_UPSTREAMS: 'false',
    ENTREPOT_LOG_LEVEL: 'fatal',
    ENTREPOT_LOG_FORMAT: 'json',
    ENTREPOT_SHUTDOWN_GRACE: '3s',
  };
  assert.deepEqual(configKeys.map(({ path }) => variableOfPath(path)).sort(), Object.keys(values).sort());
  const { ca, server, client } = certificates();
  const files = {
    ...{ 'config.json': '{}', htpasswd: '', 'r.crt': server.cert, 'r.key': server.key, 'r.ca': ca.cert },
    ...{ 'h.crt': client.cert, 'h.key': client.key, 'h.ca': ca.cert },
  };
  const { config, origins } = loadTestConfig({ env: values, files });
  assert.deepEqual(config, {
    data: '/d',
    domain: 'd.example',
    doors: {
      registry: {
        listen: { host: '', port: 80 },
        default: undefined,
        tls: { cert: 'r.crt', key: 'r.key', clientCa: 'r.ca', hstsMs: 3 * 86_400_000 },
      },
      hosted: {
        listen: undefined,
        tls: { cert: 'h.crt', key: 'h.key', clientCa: 'h.ca', hstsMs: 3 * 3_600_000 },
      },
      proxy: { listen: undefined },
    },
    cache: {
      maxBytes: 3e6,
      highWatermark: 0.9,
      lowWatermark: 0.8,
      maxAgeMs: 3 * 86_400_000,
      minFreeBytes: 3e9,
      graceMs: 180_000,
      scrubRateBytes: 3000,
      maxDownloads: 3,
      negativeTtlMs: 3000,
    },
    hosted: {
      names: ['r.example', 'localhost:5001'],
      allowAnonymousPush: true,
      maxManifestBytes: 3e6,
      immutableTags: [/^v.{1,3}$/, /^r/],
      maxBytes: 3e12,
      uploads: { maxAgeMs: 3 * 3_600_000, maxCount: 3, maxBytes: 3e9 },
      garbage: { everyMs: 3 * 3_600_000, graceMs: 180_000, untagged: true },
    },
    auth: {
      htpasswd: 'htpasswd',
      rules: [
        {
          users: ['ci'],
          doors: ['registry', 'hosted', 'proxy'],
          repositories: [/^hosted\.entrepot\/team\/[^/]*$/],
          allow: ['push'],
        },
      ],
      rememberForMs: 180_000,
    },
    proxy: {
      ...{ others: 'deny', ports: [443, 8443], allowAddresses: ['10.0.0.0/8', 'fd00::1'], idleMs: 180_000 },
      ...{ ca: { cert: 'ca.crt', key: 'ca.key' }, constrain: false },
    },
    guard: { ttlMs: 180_000, whenUpstreamFails: 'allow-proven' },
    throughput: { maxBytes: 3e6, maxConcurrent: 3 },
    warm: [
      {
        images: ['ghcr.io/o/a:1', 'ghcr.io/o/b'],
        everyMs: 3 * 3_600_000,
        platforms: ['linux/amd64', 'linux/arm64'],
        concurrency: 3,
      },
      { images: ['ghcr.io/o/c'], everyMs: 180_000, platforms: 'all', concurrency: 3 },
    ],
    offline: true,
    upstreams: [],
    log: { level: 'fatal', format: 'json' },
    shutdown: { graceMs: 3000 },
  });
  for (const { path } of configKeys) assert.equal(origins.get(nameOfPath(path)), variableOfPath(path));
});

test('an upstream that is configured anywhere has variables for each of its keys', () => {
  const yaml = 'upstreams: { "registry.corp:5443": { alias: registry.corp } }';
  const env = {
    ENTREPOT_UPSTREAMS: '{"other.example": {"insecure": true}}',
    ENTREPOT_UPSTREAMS_REGISTRY_CORP_5443_URLS: 'https://a, https://b',
    ENTREPOT_UPSTREAMS_REGISTRY_CORP_5443_TOKEN_HOSTS: 'auth.example',
    ENTREPOT_UPSTREAMS_OTHER_EXAMPLE_INSECURE: 'false',
    ENTREPOT_UPSTREAMS_GHCR_IO_USERNAME: '12345',
    ENTREPOT_UPSTREAMS_GHCR_IO_PASSWORD: 'true',
    ENTREPOT_UPSTREAMS_NEW_EXAMPLE_INSECURE: 'true',
  };
  const flags = { set: ['upstreams.new.example.url=http://n'] };
  const { upstreams } = loadTestConfig({ yaml, env, flags }).config;
  const of = (name: string) => upstreams.find((upstream) => upstream.name === name);
  assert.deepEqual(of('registry.corp:5443')?.urls.map(String), ['https://a/', 'https://b/']);
  assert.deepEqual(of('registry.corp:5443')?.tokenHosts, ['auth.example']);
  assert.equal(of('other.example')?.insecure, false);
  assert.equal(of('ghcr.io')?.username, '12345');
  assert.equal(of('ghcr.io')?.password?.reveal(), 'true');
});

test('ENTREPOT_UPSTREAMS adds to the upstreams of the file, in YAML or JSON', () => {
  const yaml = 'upstreams: { docker.io: { username: u, password: p }, a.example: {} }';
  for (const text of [
    'docker.io: { insecure: true }\na.example:',
    '{"docker.io": {"insecure": true}, "a.example": null}',
  ]) {
    const { config, origins } = loadTestConfig({ yaml, env: { ENTREPOT_UPSTREAMS: text } });
    const hub = config.upstreams.find(({ name }) => name === 'docker.io');
    assert.deepEqual([hub?.insecure, hub?.username], [true, 'u']);
    assert.equal(origins.get('upstreams.docker.io.insecure'), 'ENTREPOT_UPSTREAMS');
    assert.ok(!config.upstreams.some(({ name }) => name === 'a.example'));
  }
});

test('what Kubernetes sets for a Service called entrepot is passed over', () => {
  const env = {
    ENTREPOT_SERVICE_HOST: '10.0.0.1',
    ENTREPOT_SERVICE_PORT: '5000',
    ENTREPOT_SERVICE_PORT_REGISTRY: '5000',
    ENTREPOT_PORT: 'tcp://10.0.0.1:5000',
    ENTREPOT_PORT_5000_TCP: 'tcp://10.0.0.1:5000',
    ENTREPOT_PORT_5000_TCP_ADDR: '10.0.0.1',
    ENTREPOT_METRICS_SERVICE_HOST: '10.0.0.2',
    ENTREPOT_METRICS_PORT: 'tcp://10.0.0.2:80',
  };
  assert.deepEqual(loadTestConfig({ env }).config, loadTestConfig({}).config);
  assert.throws(() => loadTestConfig({ env: { ENTREPOT_PORT: '5000' } }), /ENTREPOT_PORT: Unknown variable/);
});
