import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse as parseToml } from 'smol-toml';
import { buildkit } from '../../../src/setup/targets/buildkit.ts';
import { docker } from '../../../src/setup/targets/docker.ts';
import { podman } from '../../../src/setup/targets/podman.ts';
import { setupViewOf } from '../../support/command/setup-views.ts';
import { openPageShell } from '../../support/pages/page-shell.ts';

const root = join(import.meta.dirname, '../../..');

function blocksOf(page: string, kind: string): string[] {
  const text = readFileSync(join(root, 'docs', page), 'utf8');
  return [...text.matchAll(/```(\w+)\n([\s\S]*?)```/g)]
    .filter(([, each]) => each === kind)
    .map(([, , block = '']) => block);
}

test('what docs/client-files.md says is done as it is written: applied, applied again, and taken back', async (t) => {
  const { folder, run } = openPageShell(t);
  const said: string[] = [];
  for (const command of blocksOf('client-files.md', 'sh').flatMap((block) => block.trimEnd().split('\n'))) {
    said.push(await run(command));
  }
  const [, first = '', second, third = ''] = said;
  assert.match(first, /^made: \/etc\/docker\/daemon\.json\n/);
  assert.equal(second, 'as it should be: /etc/docker/daemon.json\n');
  assert.match(third, /^removed: \/etc\/docker\/daemon\.json\n/);
  assert.deepEqual(readdirSync(join(folder, 'image')), []);
});

test('what docs/doctor.md says is done as it is written', async (t) => {
  const { run } = openPageShell(t);
  const said: string[] = [];
  for (const command of blocksOf('doctor.md', 'sh').flatMap((block) => block.trimEnd().split('\n'))) {
    said.push(await run(command));
  }
  assert.match(
    said.at(-1) ?? '',
    /^podman\n {2}ok {4}It pulls docker\.io, ghcr\.io, quay\.io and \d+ more by http:\/\/127\.0\.0\.1:5000 \(/,
  );
});

test('the files in the pages of docker, podman and BuildKit are those that are made', () => {
  const view = setupViewOf();
  const made = (target: typeof docker, before?: string) => target.plan(view).files[0]?.render(before) ?? '';
  const [daemon = ''] = blocksOf('clients/docker.md', 'json');
  assert.deepEqual(JSON.parse(daemon), JSON.parse(made(docker, '{"log-driver": "journald"}')));
  const [registries = ''] = blocksOf('clients/podman.md', 'toml');
  assert.ok(made(podman).includes(registries));
  const [buildkitd = ''] = blocksOf('clients/buildkit.md', 'toml');
  const all = parseToml(made(buildkit)) as { registry: Record<string, unknown> };
  const shown = parseToml(buildkitd) as { registry: Record<string, unknown> };
  assert.equal(Object.keys(shown.registry).length, 2);
  for (const [name, table] of Object.entries(shown.registry)) assert.deepEqual(table, all.registry[name], name);
});

test('the pages about clients’ files name them, and messages, as they are', () => {
  const code = [
    'apply/journal.ts',
    'apply/undo.ts',
    'script/first-boot.ts',
    'targets/cloud-init.ts',
    '../oci/wire/probe-tag.ts',
  ]
    .map((path) => readFileSync(join(root, 'src/setup', path), 'utf8'))
    .join('');
  const pages = ['client-files.md', 'doctor.md', 'clients/cloud-init.md'].map((page) =>
    readFileSync(join(root, 'docs', page), 'utf8'),
  );
  for (const name of [
    '/var/lib/entrepot-setup',
    '.entrepot-kept-',
    'first-boot.sh',
    'entrepot:',
    'entrepot-doctor-',
    '/doctor/',
  ]) {
    assert.ok(pages.join('').includes(name), `the pages: ${name}`);
    assert.ok(code.includes(name), `the code: ${name}`);
  }
  assert.ok(existsSync(join(root, 'docs/clients/docker.md')));
});
