import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage, makeIndex } from '../../../test/support/content/images.ts';
import { HostedStage } from '../../../test/support/stages/hosted-stage.ts';
import { digestOf } from '../../oci/digest.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import { mediaTypes } from '../../oci/manifest/media-types.ts';
import { parseTag } from '../../oci/reference.ts';
import { listReferrers } from '../lists.ts';
import { checkRecords, checkRows } from './check-records.ts';
import { noteRecord } from './note-record.ts';
import { rebuildHosted } from './rebuild.ts';
import { manifestRecordName, tagRecordName } from './record.ts';
import type { RecordFinding } from './record-finding.ts';

const never = new AbortController().signal;
const image = makeImage({ seed: 'app', layers: [100, 200] });
const other = makeImage({ seed: 'other', layers: [100] });
const signature = makeImage({ seed: 'signature', layers: [10], subject: image.manifest, artifactType: 'a/b' });
const index = makeIndex([image, other]);
const digestOfLatest = index.manifest.digest;

type Told = Omit<RecordFinding, 'reason'> & { readonly repaired: boolean };

/** Checks both ways, and gives what was found. */
async function check(stage: HostedStage, repair: boolean, beforeMs = Number.POSITIVE_INFINITY): Promise<Told[]> {
  const told: Told[] = [];
  const found = ({ kind, record }: RecordFinding, repaired: boolean) => void told.push({ kind, record, repaired });
  await checkRecords(stage.tools, { repair, beforeMs, signal: never, found });
  await checkRows(stage.tools, { repair, beforeMs, signal: never, found });
  return told;
}

async function fullStage(t: ConstructorParameters<typeof HostedStage>[0]): Promise<HostedStage> {
  const stage = new HostedStage(t);
  await stage.push(index, 'latest');
  await stage.push(signature);
  await rebuildHosted(stage.tools, never);
  return stage;
}

test('a lost index is filled again from the records: manifests, tags, blobs and referrers', async (t) => {
  const stage = await fullStage(t);
  const key = { registry: hostedRegistryName, repository: stage.repository };
  await stage.restart('index');
  assert.equal(await stage.resolve('latest'), undefined);
  assert.equal(await stage.index.isRebuilt(), false);
  await rebuildHosted(stage.tools, never);
  assert.equal(await stage.index.isRebuilt(), true);
  assert.equal(await stage.resolve('latest'), digestOfLatest);
  for (const { manifest, blobs } of [image, other, signature]) {
    assert.equal(await stage.resolve(manifest.digest), manifest.digest);
    for (const { digest, bytes } of blobs) {
      const link = await stage.index.getLink(key, digest);
      assert.deepEqual(link, { mediaType: undefined, sizeBytes: bytes.length });
    }
  }
  const { bytes } = await listReferrers(stage.index, stage.repository, image.manifest.digest, { artifactType: 'a/b' });
  assert.match(Buffer.from(bytes).toString(), new RegExp(signature.manifest.digest));
  assert.deepEqual(await stage.index.getContent(image.manifest.digest).then((entry) => entry?.referencedBy), [
    digestOfLatest,
  ]);
  assert.deepEqual(await check(stage, false), []);
  assert.equal(stage.logged.at(-1)?.event, 'hosted repositories rebuilt from their records');
});

test('blobs that an index lists are brought back with it, as build caches have theirs', async (t) => {
  const stage = new HostedStage(t);
  const layer = Buffer.from('a layer of a build cache');
  const digest = await stage.putBlob(layer);
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  const manifest = { schemaVersion: 2, manifests: [{ mediaType, digest, size: layer.length }] };
  await stage.put(Buffer.from(JSON.stringify(manifest)), mediaTypes.ociIndex, 'cache');
  await stage.restart('index');
  await rebuildHosted(stage.tools, never);
  const key = { registry: hostedRegistryName, repository: stage.repository };
  assert.deepEqual(await stage.index.getLink(key, digest), { mediaType: undefined, sizeBytes: layer.length });
});

test('what a manifest need not have is brought back where the repository had it, and nothing that only is stored', async (t) => {
  for (const repairs of [false, true]) {
    const stage = new HostedStage(t);
    const { repository } = stage;
    const [own, foreign] = [Buffer.from('a layer that was pushed'), Buffer.from('a layer that others may not read')];
    const mediaType = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';
    await stage.putBlob(own);
    await stage.index.putContent(digestOf(foreign), foreign.length, 1); // of a cached repository
    stage.blobs.blobs.set(digestOf(foreign), foreign);
    const [config] = image.blobs;
    await stage.putBlob(config!.bytes);
    const layers = [own, foreign].map((bytes) => ({ mediaType, digest: digestOf(bytes), size: bytes.length }));
    const ofConfig = { mediaType: 'a/b', digest: config!.digest, size: config!.bytes.length };
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, config: ofConfig, layers }));
    await stage.put(manifest, mediaTypes.ociManifest, 'latest');
    if (repairs) {
      await stage.records.removeRecord(manifestRecordName(repository, digestOf(manifest)));
      assert.equal((await check(stage, true)).length, 1);
    }
    await stage.restart('index');
    await rebuildHosted(stage.tools, never);
    assert.equal(await stage.resolve('latest'), digestOf(manifest));
    const key = { registry: hostedRegistryName, repository };
    const sizes = [config!.bytes, own, foreign].map(async (bytes) => {
      return (await stage.index.getLink(key, digestOf(bytes)))?.sizeBytes;
    });
    assert.deepEqual(await Promise.all(sizes), [config!.bytes.length, own.length, undefined]);
  }
});

test('an index that has been filled is not filled again, and one that was begun is', async (t) => {
  const stage = await fullStage(t);
  await stage.restart('index');
  let left = 3;
  stage.beforeChange = () => {
    if (--left === 0) throw new Error('killed');
  };
  await assert.rejects(rebuildHosted(stage.tools, never), /killed/);
  stage.beforeChange = () => {};
  await stage.restart();
  await rebuildHosted(stage.tools, never);
  assert.equal(await stage.resolve('latest'), digestOfLatest);
  stage.beforeChange = (what) => assert.fail(what);
  await rebuildHosted(stage.tools, never);
});

test('records and an index that agree have no findings, and those that do not are told and put right', async (t) => {
  const stage = await fullStage(t);
  const { repository, records } = stage;
  assert.deepEqual(await check(stage, false), []);
  const latest = tagRecordName(repository, parseTag('latest'));
  const ofOther = manifestRecordName(repository, other.manifest.digest);
  const ofImage = manifestRecordName(repository, image.manifest.digest);
  await stage.put(other.manifest.bytes, other.manifest.mediaType, 'unnoted');
  await stage.index.untag(repository, parseTag('unnoted'));
  await stage.index.removeManifest(repository, image.manifest.digest);
  await records.removeRecord(ofOther);
  await records.putRecord(latest, Buffer.from(JSON.stringify({ digest: other.manifest.digest })));
  const expected = [
    { kind: 'unnoted record', record: ofImage },
    { kind: 'unnoted record', record: tagRecordName(repository, parseTag('unnoted')) },
    { kind: 'wrong record', record: latest },
    { kind: 'wrong record', record: ofOther },
  ];
  const byName = (a: Told, b: Told) => (a.record < b.record ? -1 : 1);
  const told = (repaired: boolean) => expected.map((finding) => ({ ...finding, repaired }) as Told).sort(byName);
  assert.deepEqual((await check(stage, false)).sort(byName), told(false));
  assert.deepEqual((await check(stage, true)).sort(byName), told(true));
  assert.deepEqual(await check(stage, false), []);
  assert.equal(await stage.resolve('latest'), digestOfLatest);
  assert.equal(await stage.resolve('unnoted'), other.manifest.digest);
  assert.equal(await stage.resolve(image.manifest.digest), image.manifest.digest);
});

test('records that are broken, or of what is lost, are told and left as they are', async (t) => {
  const stage = await fullStage(t);
  const { repository, records, blobs } = stage;
  const latest = tagRecordName(repository, parseTag('latest'));
  const ofIndex = manifestRecordName(repository, digestOfLatest);
  await records.putRecord('team/app/_tags/broken', Buffer.from('{'));
  await records.putRecord('what/is/this', Buffer.from('{}'));
  blobs.blobs.set(digestOfLatest, Buffer.from('damaged'));
  await stage.restart('index');
  const before = new Map(records.records);
  const found = await check(stage, true);
  const left = found.filter(({ repaired }) => !repaired).map(({ kind, record }) => `${kind} ${record}`);
  assert.deepEqual(left.sort(), [
    'broken record team/app/_tags/broken',
    'broken record what/is/this',
    `lost manifest ${ofIndex}`,
    `lost manifest ${latest}`,
  ]);
  assert.deepEqual(records.records, before);
  assert.equal(await stage.resolve('latest'), undefined);
  assert.equal(await stage.resolve(image.manifest.digest), image.manifest.digest);
});

test('what was written since is left alone: it is about to be noted', async (t) => {
  const stage = await fullStage(t);
  await stage.restart('index');
  assert.deepEqual(await check(stage, true, stage.clock.now()), []);
  stage.clock.advance(1);
  assert.equal((await check(stage, true, stage.clock.now())).length, 5);
});

test('a tag that another process moves while it is noted stands for what it was moved to', async (t) => {
  const stage = await fullStage(t);
  const { repository, records } = stage;
  const latest = tagRecordName(repository, parseTag('latest'));
  await stage.restart('index');
  let isMoved = false;
  stage.beforeChange = (what) => {
    if (what !== 'putTag' || isMoved) return;
    isMoved = true;
    records.records.set(latest, {
      ...records.records.get(latest)!,
      bytes: Buffer.from(JSON.stringify({ digest: other.manifest.digest })),
    });
  };
  await check(stage, true);
  assert.equal(isMoved, true);
  assert.equal(await stage.resolve('latest'), other.manifest.digest);
});

test('what another process pushes while a record that went is taken back stays', async (t) => {
  const stage = await fullStage(t);
  const { repository, records } = stage;
  const name = tagRecordName(repository, parseTag('latest'));
  const record = records.records.get(name)!;
  let untagged = 0;
  stage.beforeChange = (what) => {
    if (what === 'putTag' && untagged === 0) records.records.delete(name); // it is removed,
    if (what === 'untag' && untagged++ === 0) records.records.set(name, record); // and pushed again
  };
  const reason = await noteRecord(stage.tools, {
    ...{ kind: 'tag', repository, tag: parseTag('latest') },
    digest: digestOfLatest,
  });
  assert.deepEqual([reason, untagged], [undefined, 1]);
  assert.equal(await stage.resolve('latest'), digestOfLatest);
});

test('what is removed while records are read does not come back', async (t) => {
  const stage = await fullStage(t);
  const { repository, records } = stage;
  await stage.restart('index');
  await check(stage, true);
  await stage.index.untag(repository, parseTag('latest'));
  records.faults.get = async (name) => {
    records.faults.get = undefined;
    await records.removeRecord(name); // by another process, after it was listed
  };
  await check(stage, true);
  assert.equal(await stage.resolve('latest'), undefined);
  assert.ok(!records.records.has(tagRecordName(repository, parseTag('latest'))));
});
