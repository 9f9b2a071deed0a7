import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseRepository, parseTag } from '../../../src/oci/reference.ts';
import { makeImage } from '../../support/content/images.ts';
import { signal } from '../../support/contract-suite.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { pushBlob, pushImage } from '../../support/hosted/push.ts';
import { openTestHosted } from '../../support/stages/test-hosted.ts';

const repository = parseRepository('team/app');
const first = makeImage({ seed: 'first', layers: [3000] });
const second = makeImage({ seed: 'second', layers: [200] });
const latest = parseTag('latest');
const isGone = { code: 'INDEX_GONE', message: /was moved or removed while it is in use: put it back/ };

test('nothing is acknowledged while the data folder is elsewhere, and all goes on when it is back', async (t) => {
  const folder = tmpDir(t);
  const [data, elsewhere] = [join(folder, 'data'), join(folder, 'elsewhere')];
  const { registry, close } = await openTestHosted({}, { data });
  t.after(close);
  await pushImage(registry, repository, first, 'latest');
  const lone = await pushBlob(registry, repository, Buffer.from('a layer of no image'));
  for (const { bytes } of second.blobs) await pushBlob(registry, repository, bytes);
  const { bytes, mediaType } = second.manifest;
  const push = () => registry.putManifest(repository, { reference: latest, tags: [], mediaType, bytes }, signal);

  renameSync(data, elsewhere);
  await assert.rejects(push(), isGone, 'its blobs are elsewhere');
  await assert.rejects(pushBlob(registry, repository, Buffer.from('another layer')), isGone);
  await assert.rejects(registry.deleteTag(repository, latest, signal), isGone);
  await assert.rejects(registry.deleteBlob(repository, lone, signal), isGone);

  rmSync(data, { recursive: true });
  renameSync(elsewhere, data);
  await push();
  assert.equal((await registry.getManifest(repository, latest, signal)).digest, second.manifest.digest);
  const [layer] = first.blobs;
  assert.equal((await registry.statBlob(repository, layer!.digest, signal)).sizeBytes, layer!.bytes.length);
});
