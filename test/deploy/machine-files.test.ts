import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { loadTestConfig } from '../support/config-sources.ts';

// What is in deploy/ for a single machine, as far as it can be read without the tools that it is for.

// What stopping may take beyond the grace, as src/cli/server/serve.ts has it.
const stopMarginMs = 10_000;

function textOf(path: string): string {
  return readFileSync(new URL(`../../deploy/${path}`, import.meta.url), 'utf8');
}

interface Compose {
  readonly services: {
    readonly entrepot: {
      readonly environment: Readonly<Record<string, string>>;
      readonly stop_grace_period: string;
    };
  };
}

const compose = parse(textOf('compose/compose.yaml')) as Compose;

test('the configurations of the image and of the service keep to /var/lib/entrepot, and are reached by other machines', () => {
  for (const path of ['docker/entrepot.yaml', 'systemd/entrepot.yaml']) {
    const { config } = loadTestConfig({ yaml: textOf(path) });
    assert.equal(config.data, '/var/lib/entrepot', path);
    assert.deepEqual(config.doors.registry.listen, { host: '', port: 5000 }, path);
  }
});

test('who stops the process waits until it has ended by itself', () => {
  const { config } = loadTestConfig({ yaml: textOf('docker/entrepot.yaml') });
  const takesMs = config.shutdown.graceMs + stopMarginMs;
  const [, unitSeconds] = /^TimeoutStopSec=(\d+)$/m.exec(textOf('systemd/entrepot.service.in')) ?? [];
  assert.ok(Number(unitSeconds) * 1000 > takesMs);
  assert.ok(Number.parseInt(compose.services.entrepot.stop_grace_period, 10) * 1000 > takesMs);
});

test('every variable of compose.yaml is explained in .env.example, and the other way round', () => {
  const used = [...textOf('compose/compose.yaml').matchAll(/\$\{(\w+):-/g)].map(([, name]) => name);
  const explained = [...textOf('compose/.env.example').matchAll(/^(\w+)=/gm)].map(([, name]) => name);
  assert.deepEqual(used.toSorted(), explained.toSorted());
});

test('Entrepot takes the variables of the container, the empty ones, too', () => {
  const { environment } = compose.services.entrepot;
  const envOf = (given: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [
        name,
        value.replace(/^\$\{(\w+):-(.*)\}$/, (_, variable: string, otherwise: string) => given[variable] ?? otherwise),
      ]),
    );
  const hubOf = (given: Readonly<Record<string, string>>) => {
    const { config } = loadTestConfig({ yaml: textOf('docker/entrepot.yaml'), env: envOf(given) });
    return { config, hub: config.upstreams.find(({ name }) => name === 'docker.io') };
  };
  assert.equal(hubOf({}).hub?.username, undefined);
  const given = { REGISTRY_DOMAIN: 'registry.test', DOCKERHUB_USERNAME: 'someone', DOCKERHUB_PASSWORD: 'swordfish' };
  const { config, hub } = hubOf({ ...given, CACHE_MAX_BYTES: '1TB' });
  assert.equal(hub?.username, 'someone');
  assert.equal(config.domain, 'registry.test');
  assert.equal(config.cache.maxBytes, 1e12);
});
