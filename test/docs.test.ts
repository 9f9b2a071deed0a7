import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { configurationPage } from '../scripts/configuration-page.ts';
import { errorsPage } from '../scripts/errors-page.ts';
import { helpPage } from '../scripts/help-page.ts';
import { metricsPage } from '../scripts/metrics-page.ts';
import { configKeys, nameOfPath, upstreamKeys, variableOfPath } from '../src/config/schema/keys.ts';
import { loadTestConfig } from './support/command/config-sources.ts';
import { anchorsOf, linksOf, pages, projectRoot } from './support/pages/pages.ts';
import { certificates } from './support/tls/certs.ts';

const page = readFileSync(new URL('../docs/configuration.md', import.meta.url), 'utf8');

test('docs/configuration.md is what the schema says: npm run docs writes it', () => {
  assert.equal(page, configurationPage());
});

for (const [name, write] of Object.entries({ errors: errorsPage, help: helpPage, metrics: metricsPage })) {
  test(`docs/${name}.md is what the code says: npm run docs writes it`, async () => {
    assert.equal(readFileSync(new URL(`../docs/${name}.md`, import.meta.url), 'utf8'), await write());
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

for (const [name, count] of Object.entries({ credentials: 2, guard: 1, warm: 1 })) {
  test(`the examples of docs/${name}.md can be used`, () => {
    const text = readFileSync(new URL(`../docs/${name}.md`, import.meta.url), 'utf8');
    const examples = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = '']) => yaml);
    assert.equal(examples.length, count);
    const files = { '/run/secrets/docker/config.json': '{}', '/etc/entrepot/corp.json': '{}' };
    for (const yaml of examples) assert.ok(loadTestConfig({ yaml, files }).config, yaml);
    const shell = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block).join('');
    const variables = [...shell.matchAll(/^(ENTREPOT_\w+)="?(.*?)"?$/gm)].map(([, variable, value]) => [
      variable,
      value,
    ]);
    assert.ok(loadTestConfig({ env: Object.fromEntries(variables) }).config);
  });
}

const pageAt = new Map(pages.map((each) => [each.path, each]));

test('every link of a page leads to a file, and to a heading of it', () => {
  const links = pages.flatMap((each) => linksOf(each).map((link) => ({ from: each.path, ...link })));
  assert.ok(links.length > 100);
  const broken = links.filter(({ path, anchor }) => {
    if (!existsSync(join(projectRoot, path))) return true;
    const target = pageAt.get(path);
    return anchor !== undefined && target !== undefined && !anchorsOf(target).has(anchor);
  });
  assert.deepEqual(
    broken.map(({ from, written }) => `${from}: ${written}`),
    [],
    'correct these links',
  );
});

test('every page of docs/ is found from docs/README.md, and that from README.md', () => {
  const start = 'docs/README.md';
  const found = new Set([start]);
  for (const path of found) {
    for (const { path: target } of linksOf(pageAt.get(path)!)) {
      if (target.startsWith('docs/') && pageAt.has(target)) found.add(target);
    }
  }
  const lost = pages.map(({ path }) => path).filter((path) => path.startsWith('docs/') && !found.has(path));
  assert.deepEqual(lost, [], 'name them in docs/README.md, under what a reader wants');
  assert.ok(linksOf(pageAt.get('README.md')!).some(({ path }) => path === start));
});
