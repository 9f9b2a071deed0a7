import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage, makeIndex } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { commandsOf } from '../../support/pages/commands-of.ts';
import { openPageShell } from '../../support/pages/page-shell.ts';
import { pages } from '../../support/pages/pages.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const { text } = pages.find(({ path }) => path === 'docs/warm.md')!;

// The images of the page are larger, it leaves out the rest of a digest, and what is done first is told first.
const comparable = (printed: string) =>
  printed
    .replace(/\b[\d.]+ (?:B|kB|MB)\b/g, 'SIZE')
    .replaceAll(/sha256:(?:[0-9a-f]{64}|…)/g, 'DIGEST')
    .trimEnd()
    .split('\n')
    .sort();

test('every command of docs/warm.md can be run as it is written, and prints what it says', async (t) => {
  const upstream = await startTestRegistry();
  t.after(() => upstream.close());
  const [amd64, arm64] = ['amd64', 'arm64'].map((architecture) =>
    makeImage({ seed: architecture, layers: [28_000, 4_000], architecture }),
  );
  upstream.content.push('library/nginx', makeIndex([amd64!, arm64!]), '1.27');
  const app = upstream.content.push('owner/app', makeImage({ seed: 'app', layers: [9_000], architecture: 'amd64' }));
  const upstreams = Object.fromEntries(['docker.io', 'ghcr.io'].map((name) => [name, { url: upstream.url }]));
  const shell = openPageShell(t);
  const env = {
    ENTREPOT_DATA: tmpDir(t),
    ENTREPOT_BUILTIN_UPSTREAMS: 'false',
    ENTREPOT_UPSTREAMS: JSON.stringify(upstreams),
    // Nobody listens there, so that no server of this machine is asked.
    ENTREPOT_DOORS_REGISTRY_LISTEN: '127.0.0.1:1',
  };
  const commands = [...text.matchAll(/^```console\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) => commandsOf(block));
  assert.equal(commands.length, 1);
  await shell.run(`entrepot warm ghcr.io/owner/app@${app}`, env); // which was here before, as the page has it
  for (const { command, printed } of commands) {
    const said = await shell.run(command.replace('sha256:…', app), env);
    assert.deepEqual(comparable(said), comparable(printed), command);
  }
});
