import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { configurationPage } from '../scripts/configuration-page.ts';
import { errorsPage } from '../scripts/errors-page.ts';
import { metricsPage } from '../scripts/metrics-page.ts';
import { configKeys, nameOfPath, upstreamKeys, variableOfPath } from '../src/config/schema/keys.ts';
import { certificates } from './support/certs.ts';
import { loadTestConfig } from './support/config-sources.ts';

const page = readFileSync(new URL('../docs/configuration.md', import.meta.url), 'utf8');

test('docs/configuration.md is what the schema says: npm run docs writes it', () => {
  assert.equal(page, configurationPage());
});

for (const [name, write] of Object.entries({ errors: errorsPage, metrics: metricsPage })) {
  test(`docs/${name}.md is what the code says: npm run docs writes it`, () => {
    assert.equal(readFileSync(new URL(`../docs/${name}.md`, import.meta.url), 'utf8'), write());
  });
}

test('docs/configuration.md has every key, with its variable', () => {
  for (const { path } of configKeys) assert.ok(page.includes(`| \`${nameOfPath(path)}\` `), nameOfPath(path));
  for (const { path } of configKeys) assert.ok(page.includes(`\`${variableOfPath(path)}\``), variableOfPath(path));
  for (const { path } of upstreamKeys) assert.ok(page.includes(`| \`${nameOfPath(path)}\` `), nameOfPath(path));
});

test('the examples of docs/configuration.md can be used', () => {
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? [];
  const [environment = '', command = ''] = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text);
  const files = {
    '/run/secrets/docker-hub': 'swordfish\n',
    '/etc/ssl/corp.pem': '-----BEGIN CERTIFICATE-----\n',
  };
  const variables = [...environment.matchAll(/^(\w+)=(?:'(.*)'|(.*))$/gm)];
  const env = Object.fromEntries(variables.map(([, name, quoted, plain]) => [name, quoted ?? plain]));
  assert.equal(Object.keys(env).length, 8);
  const [, data, listen] = /--data (\S+) --listen (\S+)/.exec(command) ?? [];
  const set = [...command.matchAll(/--set (\S+)/g)].map(([, assignment = '']) => assignment);
  assert.equal(set.length, 4);
  for (const sources of [{ yaml }, { env }, { flags: { data, listen, set } }]) {
    const { config } = loadTestConfig({ ...sources, files });
    assert.equal(config.data, '/var/lib/entrepot');
    assert.deepEqual(config.doors.registry.listen, { host: '', port: 5000 });
    assert.equal(config.cache.maxBytes, 500e9);
    assert.equal(config.upstreams.find(({ name }) => name === 'docker.io')?.username, 'someone');
    assert.ok(!config.upstreams.some(({ name }) => name === 'icr.io'));
  }
});

test('the examples of docs/access.md can be used', () => {
  const text = readFileSync(new URL('../docs/access.md', import.meta.url), 'utf8');
  const examples = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = '']) => yaml);
  const { server } = certificates();
  const files = {
    '/etc/entrepot/htpasswd': '',
    '/etc/entrepot/tls.crt': server.cert,
    '/etc/entrepot/tls.key': server.key,
  };
  const own = examples.filter((yaml) => !yaml.startsWith('scrape_configs'));
  assert.equal(own.length, 3);
  for (const yaml of own) assert.ok(loadTestConfig({ yaml, files }).config.auth, yaml);
});
