import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage } from '../../../test/support/content/images.ts';
import { HostedStage } from '../../../test/support/stages/hosted-stage.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import { parseTag } from '../../oci/reference.ts';
import { tagRecord, tagRecordName } from './record.ts';
import { removeManifest, removeTag, removeUnused } from './removal.ts';

const image = makeImage({ seed: 'app', layers: [100] });
const { digest } = image.manifest;

test('a tag that another process sets while the manifest is removed goes with it, or stays with it', async (t) => {
  const stage = new HostedStage(t);
  const { repository } = stage;
  await stage.push(image, 'one');
  let pushed: Promise<unknown> | undefined;
  stage.beforeChange = (what) => {
    if (what === 'removeManifest') pushed ??= stage.put(image.manifest.bytes, image.manifest.mediaType, 'two');
  };
  await removeManifest(stage.tools, repository, digest);
  assert.ok(pushed);
  await pushed;
  for (const tag of ['one', 'two']) {
    const record = stage.records.records.has(`team/app/_tags/${tag}`);
    assert.equal(record, (await stage.resolve(tag)) !== undefined, tag);
  }
});

test('a tag that another process moves while the manifest is removed that it stood for stays with what it stands for', async (t) => {
  for (const moment of ['untag', 'removeRecord', 'removeManifest']) {
    const stage = new HostedStage(t);
    const { repository, index, records } = stage;
    const other = makeImage({ seed: 'other', layers: [100] });
    await stage.push(other);
    await stage.push(image, 'latest');
    const { mediaType, digest: moved, bytes } = other.manifest;
    let left = 1;
    stage.beforeChange = (what) => {
      if (!what.startsWith(moment) || left-- !== 1) return;
      const row = { digest: moved, mediaType, sizeBytes: bytes.length, checkedAtMs: 1 };
      void index.putTag({ registry: hostedRegistryName, repository }, parseTag('latest'), row);
      const name = tagRecordName(repository, parseTag('latest'));
      records.records.set(name, { bytes: tagRecord(moved), writtenAtMs: 1 });
    };
    assert.equal(await removeManifest(stage.tools, repository, digest), true);
    assert.equal(await stage.resolve('latest'), moved, moment);
    const record = records.records.get(tagRecordName(repository, parseTag('latest')));
    assert.deepEqual(record && JSON.parse(Buffer.from(record.bytes).toString()), { digest: moved });
    assert.equal(await stage.resolve(digest), undefined);
  }
});

test('what nobody uses goes: a manifest that has no tag, and a blob that no manifest references', async (t) => {
  const stage = new HostedStage(t);
  const { repository, tools } = stage;
  await stage.push(image, 'latest');
  const [config] = image.blobs;
  const beforeMs = stage.clock.now() + 1;
  const remove = (any: typeof digest) => removeUnused(tools, repository, any, beforeMs);
  assert.equal(await remove(config!.digest), false);
  assert.equal(await remove(digest), false, 'it has a tag');
  assert.equal(await removeTag(tools, repository, parseTag('latest'), config!.digest), false, 'it stands for another');
  assert.equal(await removeTag(tools, repository, parseTag('latest'), digest), true);
  assert.equal(await removeUnused(tools, repository, digest, beforeMs - 1), false, 'it is too young');
  assert.equal(await remove(digest), true);
  assert.equal(await remove(config!.digest), true);
  assert.equal(await remove(config!.digest), false);
  assert.equal(await removeTag(tools, repository, parseTag('latest')), false);
});
