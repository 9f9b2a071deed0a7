import assert from 'node:assert/strict';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { parse as parseToml } from 'smol-toml';
import { parse } from 'yaml';
import { k3s } from '../../../src/setup/targets/clusters/k3s.ts';
import { kops } from '../../../src/setup/targets/clusters/kops.ts';
import { containerd } from '../../../src/setup/targets/containerd.ts';
import { setupViewOf } from '../../support/command/setup-views.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { commandsOf } from '../../support/pages/commands-of.ts';
import { openPageShell } from '../../support/pages/page-shell.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';

const root = join(import.meta.dirname, '../../..');
const folder = join(root, 'docs/clients');
const pages = globSync('*.md', { cwd: folder }).sort();
const read = (page: string) => readFileSync(join(folder, page), 'utf8');
const blocksOf = (page: string, kind: string) =>
  [...read(page).matchAll(/```(\w+)\n([\s\S]*?)```/g)]
    .filter(([, each]) => each === kind)
    .map(([, , text = '']) => text);

/** A shell for a page, with what `kops get` would have printed; the scripts in it work in a folder as if it were the root. */
function openShell(t: TestContext) {
  const { folder: work, runAll } = openPageShell(t);
  const system = tmpDir(t);
  writeFileSync(join(work, 'cluster.yaml'), 'kind: Cluster\nspec: {}\n');
  mkdirSync(join(system, 'etc/docker'), { recursive: true });
  writeFileSync(join(system, 'etc/docker/daemon.json'), '{ "log-driver": "journald" }\n');
  return (command: string) => runAll(command, { ENTREPOT_ROOT: system });
}

/** A command that changes this machine, for the folder that stands for it. */
function inSystem(command: string): string {
  const [own = ''] = command.replace(/^sudo /, '').split(' && ');
  return own.startsWith('entrepot ') ? `${own} --root "$ENTREPOT_ROOT"` : own;
}

/** A line of a page, which leaves out what is another each time. */
function patternOf(line: string): RegExp {
  return new RegExp(line.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('…', '.*'));
}

describe('docs/clients', () => {
  for (const page of pages) {
    test(`${page}: every command in it is run as it is written`, async (t) => {
      const upstreams = ['docker.io', 'ghcr.io'].map((name) => ({ name, urls: [new URL(`https://${name}`)] }));
      const cache = await startTestCache({ data: tmpDir(t), upstreams });
      t.after(() => cache.stop());
      const run = openShell(t);
      const commands = blocksOf(page, 'sh').flatMap((block) => block.trimEnd().split('\n'));
      assert.ok(commands.length > 0);
      for (const command of commands) {
        const { stderr } = await run(command.replaceAll(':5000/', `:${cache.port}/`));
        assert.equal(stderr, '', command);
      }
      for (const { command, printed } of blocksOf(page, 'console').flatMap(commandsOf)) {
        if (!/^sudo (?:entrepot|sh) /.test(command)) continue; // what others' programs are started with
        const { stdout } = await run(inSystem(command));
        for (const line of printed.split('\n')) assert.match(stdout, patternOf(line), command);
      }
    });
  }

  test('the files in the pages are those that are made', () => {
    const view = setupViewOf({ address: 'http://cache.example.com:5000' });
    const made = (target: typeof containerd, end: string) =>
      target
        .plan(view)
        .files.find(({ path }) => path.endsWith(end))
        ?.render(undefined) ?? '';
    const [hosts = '', ...configurations] = blocksOf('containerd.md', 'toml');
    assert.deepEqual(parseToml(hosts), parseToml(made(containerd, 'docker.io/hosts.toml')));
    const notes = containerd.plan(view).notes.join('\n');
    assert.equal(configurations.length, 2);
    for (const text of configurations) assert.ok(notes.includes(text.trim().replaceAll('\n', '\n  ')), text);
    const [registries = ''] = blocksOf('k3s.md', 'yaml');
    const { mirrors } = parse(made(k3s, 'registries.yaml'));
    assert.deepEqual(parse(registries), { mirrors: { 'docker.io': mirrors['docker.io'], '*': mirrors['*'] } });
    const [cluster = ''] = blocksOf('kops.md', 'yaml');
    assert.ok(made(kops, 'cluster.yaml').includes(cluster));
  });

  test('the page of each target that is named there is there, and says how the cache is missed', () => {
    for (const page of pages.filter((each) => each !== 'README.md')) {
      assert.ok(read('README.md').includes(`(${page})`), page);
      assert.match(read(page), /^## When the cache is not there$/m, page);
    }
  });
});
