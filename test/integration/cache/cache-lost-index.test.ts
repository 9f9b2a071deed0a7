import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeImage } from '../../support/content/images.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { repository, setStage } from '../../support/stages/stage.ts';

const image = makeImage({ seed: 'app', layers: [1000] });

// A manifest was served by its tag for ever without being noted: by digest it was not served when upstream was gone,
// and it never made room, as the index did not know that it is stored.
test('a manifest whose index was lost is noted when its tag is pulled, and served by digest without upstream', async (t) => {
  const stage = await setStage(t, { cache: { retry: { rounds: 1 } } });
  stage.origin.content.push(repository, image, 'latest');
  await rawFetch(stage.manifestUrl('latest'));
  await stage.restart(() => {
    for (const end of ['', '-wal', '-shm']) rmSync(join(stage.data, `index-v1.sqlite${end}`), { force: true });
  });
  stage.origin.requests.clear();
  await rawFetch(stage.manifestUrl('latest'), { method: 'HEAD' });
  await rawFetch(stage.manifestUrl('latest'));
  assert.deepEqual(stage.origin.requests.lines(/manifests/), [`HEAD /v2/${repository}/manifests/latest`]);
  await stage.restart(() => stage.origin.close());
  const { status, body } = await rawFetch(stage.manifestUrl(image.manifest.digest));
  assert.equal(status, 200);
  assert.deepEqual(body, image.manifest.bytes);
});
