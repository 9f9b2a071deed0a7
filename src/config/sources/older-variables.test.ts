import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadTestConfig, type TestSources } from '../../../test/support/command/config-sources.ts';

function load(sources: TestSources) {
  const { config, origins } = loadTestConfig(sources);
  const of = (name: string) => config.upstreams.find((upstream) => upstream.name === name);
  return { config, origins, of, default: config.doors.registry.default };
}

test('REGISTRY_PROXY_REMOTEURL makes the upstream at that URL the default', () => {
  const defaults: [string, string][] = [
    ['https://registry-1.docker.io', 'docker.io'],
    ['https://registry-1.docker.io/', 'docker.io'],
    ['https://index.docker.io', 'docker.io'],
    ['https://ghcr.io', 'ghcr.io'],
    ['https://10.0.0.5:5443', 'registry.corp:5443'],
  ];
  const yaml = 'upstreams: { "registry.corp:5443": { url: "https://10.0.0.5:5443", alias: registry.corp } }';
  for (const [url, name] of defaults) {
    const loaded = load({ yaml, env: { REGISTRY_PROXY_REMOTEURL: url } });
    assert.equal(loaded.default, name, url);
    assert.equal(loaded.origins.get('doors.registry.default'), 'REGISTRY_PROXY_REMOTEURL');
    assert.deepEqual(loaded.config.upstreams, load({ yaml }).config.upstreams, url);
  }
});

test('REGISTRY_PROXY_REMOTEURL adds the upstream when there is none', () => {
  const added: [string, string, string][] = [
    ['https://registry.example.com', 'registry.example.com', 'registry.example.com'],
    ['http://10.1.2.3:5000', '10.1.2.3:5000', '10.1.2.3'],
    ['http://mirror:5000/path', 'mirror:5000', 'mirror.internal'],
  ];
  for (const [url, name, alias] of added) {
    const loaded = load({ env: { REGISTRY_PROXY_REMOTEURL: url } });
    assert.equal(loaded.default, name);
    assert.equal(loaded.of(name)?.alias, alias);
    assert.equal(loaded.of(name)?.urls.join(), new URL(url).href);
  }
});

test('its credentials are those of the default upstream', () => {
  const credentials = { REGISTRY_PROXY_USERNAME: 'u', REGISTRY_PROXY_PASSWORD: 'p' };
  for (const [url, name] of [
    ['https://registry-1.docker.io', 'docker.io'],
    ['http://mirror:5000', 'mirror:5000'],
  ] as const) {
    const { of } = load({ env: { REGISTRY_PROXY_REMOTEURL: url, ...credentials } });
    assert.deepEqual([of(name)?.username, of(name)?.password?.reveal()], ['u', 'p']);
  }
});

test('REGISTRY_PROXY_REMOTEURL brings back an upstream that is not built in any more', () => {
  const env = { REGISTRY_PROXY_REMOTEURL: 'https://registry-1.docker.io' };
  const loaded = load({ yaml: 'builtinUpstreams: false', env });
  assert.deepEqual(
    loaded.config.upstreams.map(({ name, dockerHub }) => [name, dockerHub]),
    [['docker.io', true]],
  );
});

test('REGISTRY_DOMAIN, DOCKERHUB_, GHCR_ and QUAY_ variables set what they did', () => {
  const env = {
    REGISTRY_DOMAIN: 'registry.example.com',
    DOCKERHUB_USERNAME: 'd',
    DOCKERHUB_PASSWORD: 'dp',
    GHCR_USERNAME: 'g',
    GHCR_PASSWORD: 'gp',
    QUAY_USERNAME: 'q',
    QUAY_PASSWORD: 'qp',
  };
  const { config, of, origins } = load({ env });
  assert.equal(config.domain, 'registry.example.com');
  for (const [name, username, password] of [
    ['docker.io', 'd', 'dp'],
    ['ghcr.io', 'g', 'gp'],
    ['quay.io', 'q', 'qp'],
  ] as const) {
    assert.deepEqual([of(name)?.username, of(name)?.password?.reveal()], [username, password]);
  }
  assert.equal(origins.get('upstreams.docker.io.username'), 'DOCKERHUB_USERNAME');
});

test('the older variables win over the file, and ENTREPOT_ variables over them', () => {
  const yaml = 'domain: file.example\nupstreams: { docker.io: { username: file, password: p } }';
  const env = {
    REGISTRY_DOMAIN: 'older.example',
    DOCKERHUB_USERNAME: 'older',
    REGISTRY_PROXY_REMOTEURL: 'https://ghcr.io',
  };
  const older = load({ yaml, env });
  assert.deepEqual([older.config.domain, older.of('docker.io')?.username], ['older.example', 'older']);
  const newer = load({
    yaml,
    env: {
      ...env,
      ENTREPOT_DOMAIN: 'newer.example',
      ENTREPOT_UPSTREAMS: 'docker.io: { username: newer }',
      ENTREPOT_DOORS_REGISTRY_DEFAULT: 'quay.io',
    },
  });
  const { config, of } = newer;
  assert.deepEqual([config.domain, of('docker.io')?.username, newer.default], ['newer.example', 'newer', 'quay.io']);
});

test('a variable for credentials completes what the file begins', () => {
  const yaml = 'upstreams: { docker.io: { username: u, passwordFile: /missing } }';
  assert.equal(
    load({ yaml, env: { DOCKERHUB_PASSWORD: 'p' } })
      .of('docker.io')
      ?.password?.reveal(),
    'p',
  );
});

test('REGISTRY_CACHE_AUTH_REGISTRIES and AUTH_REGISTRIES give upstreams their credentials', () => {
  for (const variable of ['REGISTRY_CACHE_AUTH_REGISTRIES', 'AUTH_REGISTRIES']) {
    for (const hub of ['auth.docker.io', 'docker.io', 'registry-1.docker.io', 'index.docker.io']) {
      const { of, origins } = load({ env: { [variable]: `${hub}:myuser:my:pass  ghcr.io:other:token\n` } });
      assert.deepEqual([of('docker.io')?.username, of('docker.io')?.password?.reveal()], ['myuser', 'my:pass'], hub);
      assert.deepEqual([of('ghcr.io')?.username, of('ghcr.io')?.password?.reveal()], ['other', 'token']);
      assert.equal(origins.get('upstreams.ghcr.io.password'), variable);
    }
  }
});

test('a host of theirs may have a port, where an upstream has it', () => {
  const yaml = 'upstreams: { "registry.corp:5443": { alias: registry.corp } }';
  const { of } = load({ yaml, env: { AUTH_REGISTRIES: 'registry.corp:5443:me:pass:word ghcr.io:5443:x:y' } });
  const credentialsOf = (name: string) => [of(name)?.username, of(name)?.password?.reveal()];
  assert.deepEqual(credentialsOf('registry.corp:5443'), ['me', 'pass:word']);
  assert.deepEqual(credentialsOf('ghcr.io'), ['5443', 'x:y']);
});

test('REGISTRIES adds the registries that are not there', () => {
  const env = { REGISTRIES: 'registry.example.com quay.io', AUTH_REGISTRIES: 'registry.example.com:a:b' };
  const { of, config } = load({ env });
  assert.equal(of('registry.example.com')?.urls.join(), 'https://registry.example.com/');
  assert.equal(of('registry.example.com')?.username, 'a');
  assert.equal(config.upstreams.filter(({ name }) => name === 'quay.io').length, 1);
});

test('what is no host, name and password, or for no upstream, is told without the password', () => {
  const told = (env: Readonly<Record<string, string>>) => {
    try {
      load({ env });
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  const broken = told({ AUTH_REGISTRIES: 'ghcr.io:a:b auth.docker.io:swordfish' });
  assert.match(broken, /AUTH_REGISTRIES: Entry 2 is no host:name:password/);
  assert.doesNotMatch(broken, /swordfish/);
  const unknown = told({ AUTH_REGISTRIES: 'nowhere.example:me:swordfish' });
  assert.match(unknown, /Entry 1 is for nowhere\.example, which is no upstream: add it to REGISTRIES or upstreams/);
  assert.doesNotMatch(unknown, /swordfish/);
});
