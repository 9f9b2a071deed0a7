import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tmpDir } from '../../support/disk/tmp.ts';
import { openPageShell } from '../../support/pages/page-shell.ts';
import { pages } from '../../support/pages/pages.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';

const { text } = pages.find(({ path }) => path === 'README.md')!;
const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block);

test('README.md begins with the two commands that lead to the first pull', () => {
  assert.equal(blocks[0], 'make run\ndocker pull localhost:5000/library/alpine\n');
  assert.match(text, /^# Entrepot\n\n```sh\n/);
});

test('what README.md says of clients is done as it is written', async (t) => {
  const upstreams = ['docker.io', 'ghcr.io'].map((name) => ({ name, urls: [new URL(`https://${name}`)] }));
  const cache = await startTestCache({ data: tmpDir(t), upstreams });
  t.after(() => cache.stop());
  const shell = openPageShell(t);
  const [block = '', ...more] = blocks.filter((each) => each.includes('/setup/'));
  assert.equal(more.length, 0);
  const here = (line: string) =>
    line.replace('127.0.0.1:5000', `127.0.0.1:${cache.port}`).replace('npm run --silent entrepot --', 'entrepot');
  const said: string[] = [];
  for (const line of block.trim().split('\n')) said.push(await shell.run(here(line)));
  const [docker = '', registries = '', containerd = ''] = said;
  assert.ok(docker.includes(`"http://127.0.0.1:${cache.port}"`));
  assert.ok(registries.includes(`- http://127.0.0.1:${cache.port} `));
  assert.match(containerd, /\[host\."http:\/\/10\.0\.0\.5:5000"\]/);
});

test('every target that README.md names for /setup/ is there', async (t) => {
  const cache = await startTestCache({ data: tmpDir(t), upstreams: [], default: null });
  t.after(() => cache.stop());
  const list = await (await fetch(`${cache.url}/setup/`)).text();
  const [, names = ''] = /\/setup\/docker +# (.*)/.exec(text) ?? [];
  const targets = ['docker', ...names.split(', ')];
  assert.ok(targets.length > 5);
  for (const name of targets) assert.match(list, new RegExp(`^${name} `, 'm'));
});
