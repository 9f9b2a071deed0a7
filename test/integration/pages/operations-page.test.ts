import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { withHostedFolder } from '../../support/hosted/hosted-folder.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { openPageShell } from '../../support/pages/page-shell.ts';
import { pages } from '../../support/pages/pages.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';

const { text } = pages.find(({ path }) => path === 'docs/operations.md')!;

test('what docs/operations.md has copied is enough to serve what was pushed', async (t) => {
  const [data, backup] = [tmpDir(t), tmpDir(t)];
  const image = makeImage({ seed: 'app', layers: [30_000, 2000] });
  await withHostedFolder(data, async ({ push, storage }) => {
    await storage.index.markRebuilt();
    await push('team/app', image, 'v1');
  });
  const block = [...text.matchAll(/```sh\n([\s\S]*?)```/g)]
    .map(([, each = '']) => each)
    .find((each) => /^cp/.test(each));
  assert.ok(block);
  const commands = block.replaceAll('/var/lib/entrepot', data).replaceAll('/backup/', `${backup}/`);
  await openPageShell(t).run(commands);

  const cache = await startTestCache({ data: backup, upstreams: [] });
  t.after(() => cache.stop());
  const { body } = await rawFetch(`${cache.hostedUrl}/v2/team/app/manifests/v1`);
  assert.deepEqual(body, image.manifest.bytes);
  for (const { digest, bytes } of image.blobs) {
    assert.deepEqual((await rawFetch(`${cache.hostedUrl}/v2/team/app/blobs/${digest}`)).body, bytes);
  }
});
