import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage, makeIndex } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { commandsOf } from '../../support/pages/commands-of.ts';
import { openPageShell } from '../../support/pages/page-shell.ts';
import { pages } from '../../support/pages/pages.ts';
import { architecture } from '../../support/stages/measure-stage.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const { text } = pages.find(({ path }) => path === 'docs/offline.md')!;

// The images of the page are larger, and its machine is of one architecture.
const comparable = (printed: string) =>
  printed
    .replace(/\b[\d.]+ (?:B|kB|MB)\b/g, 'SIZE')
    .replace(/\b\d+ contents/g, 'COUNT contents')
    .replaceAll(`linux/${architecture}`, 'linux/HERE')
    .replaceAll('linux/elsewhere', 'linux/THERE')
    .trimEnd();

test('what docs/offline.md says is done as it is written: warmed, exported, and imported elsewhere', async (t) => {
  const upstream = await startTestRegistry();
  t.after(() => upstream.close());
  const [here, there] = [architecture, 'elsewhere'].map((each) =>
    makeImage({ seed: each, layers: [28_000, 4000], architecture: each }),
  );
  upstream.content.push('library/nginx', makeIndex([here!, there!]), '1.27');
  upstream.content.push('owner/app', makeImage({ seed: 'app', layers: [9000], architecture }), 'v1');
  const shell = openPageShell(t);
  const [sender, receiver] = [tmpDir(t), tmpDir(t)];
  const upstreams = Object.fromEntries(['docker.io', 'ghcr.io'].map((name) => [name, { url: upstream.url }]));
  const env = {
    ENTREPOT_BUILTIN_UPSTREAMS: 'false',
    ENTREPOT_UPSTREAMS: JSON.stringify(upstreams),
    // Nobody listens there, so that no server of this machine is asked.
    ENTREPOT_DOORS_REGISTRY_LISTEN: '127.0.0.1:1',
  };
  const commands = [...text.matchAll(/^```console\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) => commandsOf(block));
  assert.deepEqual(
    commands.map(({ command }) => command.split(' ')[1]),
    ['warm', 'export', 'import'],
  );
  const onPage = (printed: string) =>
    comparable(printed.replaceAll('linux/amd64', 'linux/HERE').replaceAll('linux/arm64', 'linux/THERE'));
  for (const { command, printed } of commands) {
    const data = command.includes(' import ') ? receiver : sender;
    const said = await shell.run(command, { ...env, ENTREPOT_DATA: data! });
    if (printed !== '') assert.equal(comparable(said), onPage(printed), command);
  }
});
