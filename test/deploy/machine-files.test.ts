import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { nobody } from '../../src/access/access.ts';
import { openAccess } from '../../src/app/access.ts';
import type { Config } from '../../src/config/config.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { knownHosts } from '../../src/server/browsers.ts';
import { silentLog } from '../../src/util/log/log.ts';
import { systemClock } from '../../src/util/time/clock.ts';
import { loadTestConfig } from '../support/command/config-sources.ts';

// What is in deploy/ for a single machine, as far as it can be read without the tools that it is for.

// What stopping may take beyond the grace, as src/cli/server/serve.ts has it.
const stopMarginMs = 10_000;

function textOf(path: string): string {
  return readFileSync(new URL(`../../deploy/${path}`, import.meta.url), 'utf8');
}

/** The YAML of a page about deploying. */
function yamlIn(page: string): string {
  const text = readFileSync(new URL(`../../docs/deploy/${page}`, import.meta.url), 'utf8');
  const [, yaml] = /^```yaml\n(.*?)^```$/ms.exec(text) ?? [];
  assert.ok(yaml, page);
  return yaml;
}

/** Whether somebody who has not logged in may push from another machine, by a name. */
async function mayPush(config: Config, name: string): Promise<boolean> {
  const access = await openAccess(
    config,
    { clock: systemClock, log: silentLog, metrics: { logins: { inc() {} } } },
    [],
  );
  const target = { registry: 'hosted.entrepot', repository: parseRepository('team/app') };
  const isOpen = config.doors.hosted.listen?.host === '' && access.may(nobody, 'hosted', 'push', target);
  return isOpen && knownHosts(config.hosted.names, config.domain)(name);
}

interface Compose {
  readonly services: {
    readonly entrepot: {
      readonly ports: readonly string[];
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

test('other machines push to what runs by the files in deploy/ as its page says, by the name there, and not without that', async () => {
  const name = 'images.example.com:5001';
  const { ports, environment } = (parse(yamlIn('docker.md')) as Compose).services.entrepot;
  assert.deepEqual(ports, ['5001:5001']);
  const inContainer = (env: Readonly<Record<string, string>>) =>
    loadTestConfig({ yaml: textOf('docker/entrepot.yaml'), env }).config;
  const asService = (yaml: string) => loadTestConfig({ yaml }).config;
  const { ENTREPOT_HOSTED_NAMES: _, ...unnamed } = environment;
  const unnamedService = asService(yamlIn('systemd.md').replace(/^ {2}names: .*\n/m, ''));
  const rows: readonly (readonly [Config, boolean])[] = [
    [inContainer(environment), true],
    [inContainer(unnamed), false],
    [inContainer({}), false],
    [asService(yamlIn('systemd.md')), true],
    [unnamedService, false],
    [asService(textOf('systemd/entrepot.yaml')), false],
  ];
  for (const [config, expected] of rows) assert.equal(await mayPush(config, name), expected);
  assert.equal(await mayPush(unnamedService, '10.0.0.1:5001'), true);
});
