import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tmpDir } from '../../support/disk/tmp.ts';
import { openPageShell } from '../../support/pages/page-shell.ts';
import { pages, projectRoot } from '../../support/pages/pages.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';

// What is asked of Entrepot itself; `make`, helm, kubectl and the image have tests of their own in test/deploy.
const asked = /^(?:entrepot|curl -fsS) /;

/** The commands of a page that ask Entrepot, each as it is written. */
function commandsOf(text: string): string[] {
  const blocks = [...text.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].map(([, block = '']) => block);
  return blocks.flatMap((block) => block.split('\n').map((line) => line.trim())).filter((line) => asked.test(line));
}

test('what docs/deploy says to ask Entrepot is answered', async (t) => {
  const upstreams = [{ name: 'docker.io', urls: [new URL('https://origin.test')], dockerHub: true }];
  const cache = await startTestCache({ data: tmpDir(t), upstreams });
  t.after(() => cache.stop());
  const shell = openPageShell(t);
  const env = { ENTREPOT_DATA: tmpDir(t), ENTREPOT_DOORS_REGISTRY_LISTEN: `127.0.0.1:${cache.port}` };
  const found = pages.filter(({ path }) => path.startsWith('docs/deploy/')).flatMap(({ text }) => commandsOf(text));
  assert.ok(found.length >= 10, found.join('\n'));
  for (const command of found) {
    const here = command.replace(/^(curl .*)http:\/\/[\d.]+:5000/, `$1${cache.url}`);
    const { stdout, stderr } = await shell.runAll(`cd '${projectRoot}'; ${here}`, env);
    assert.equal(stderr, '', command);
    assert.notEqual(stdout, '', command);
  }
});
