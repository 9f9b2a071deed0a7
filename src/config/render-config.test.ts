import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { loadTestConfig } from '../../test/support/command/config-sources.ts';
import { toObject } from './render-config.ts';

const secrets = ['swordfish', 'tunafish', 'MIIEsecretkey'];
const pem = (what: string, body: string) => `-----BEGIN ${what}-----\n${body}\n-----END ${what}-----\n`;
const sources = {
  yaml: `
upstreams:
  docker.io: { username: someone, password: swordfish }
  ghcr.io: { username: other, passwordFile: /run/ghcr }
  a.example: { cert: c.pem, key: k.pem, names: [b.example, c.example] }
cache: { maxBytes: 10GB }
`,
  env: { ENTREPOT_LOG_LEVEL: 'warn' },
  flags: { set: ['upstreams.quay.io.username=q', 'upstreams.quay.io.password=tunafish'] },
  files: {
    '/run/ghcr': 'swordfish',
    'c.pem': pem('CERTIFICATE', 'AA=='),
    'k.pem': pem('PRIVATE KEY', 'MIIEsecretkey'),
  },
};

test('no way to print the configuration gives a secret away', () => {
  const loaded = loadTestConfig(sources);
  assert.equal(loaded.config.upstreams.find(({ name }) => name === 'docker.io')?.password?.reveal(), 'swordfish');
  const printed = [
    loaded.render(),
    JSON.stringify(loaded),
    JSON.stringify([...loaded.origins]),
    JSON.stringify(toObject(loaded.values)),
    inspect(loaded, { depth: 20 }),
  ];
  for (const text of printed) for (const secret of secrets) assert.ok(!text.includes(secret), text);
});

test('render() prints every value with where it came from', () => {
  const lines = loadTestConfig(sources).render().split('\n');
  const expected = [
    'data: ./data # default',
    '    listen: 127.0.0.1:5000 # default',
    '    default: docker.io # default',
    '  maxBytes: 10GB # entrepot.yaml:6',
    '    url: https://registry-1.docker.io # built in',
    '    password: "[redacted]" # entrepot.yaml:3',
    '    passwordFile: /run/ghcr # entrepot.yaml:4',
    '    names: [b.example, c.example] # entrepot.yaml:5',
    '    url: https://a.example # default',
    '    username: q # --set upstreams.quay.io.username',
    '  level: warn # ENTREPOT_LOG_LEVEL',
  ];
  for (const line of expected) assert.ok(lines.includes(line), `${line}\nis in\n${lines.join('\n')}`);
});

test('what render() prints can be used as a configuration file, and comes to the same', () => {
  const yaml =
    'domain: d.example\nupstreams: { "c:50": { alias: c.d, urls: ["http://x"] }, quay.io: }\nlog: { level: debug }';
  for (const builtinUpstreams of ['true', 'false']) {
    const first = loadTestConfig({ yaml, env: { ENTREPOT_BUILTIN_UPSTREAMS: builtinUpstreams } });
    assert.deepEqual(loadTestConfig({ yaml: first.render() }).config, first.config);
  }
});

test('the default upstream is printed as none when there is none', () => {
  const { values } = loadTestConfig({ yaml: 'builtinUpstreams: false' });
  assert.deepEqual(
    values.find(({ path }) => path.join('.') === 'doors.registry.default'),
    { path: ['doors', 'registry', 'default'], value: 'none', origin: 'default' },
  );
});
