import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage, makeIndex } from '../../../test/support/content/images.ts';
import { HostedStage } from '../../../test/support/stages/hosted-stage.ts';
import { digestOf } from '../../oci/digest.ts';
import { mediaTypes } from '../../oci/manifest/media-types.ts';
import { parseRepository, parseTag } from '../../oci/reference.ts';

const never = new AbortController().signal;
const image = makeImage({ seed: 'app', layers: [100, 200] });
const other = makeImage({ seed: 'other', layers: [100] });
const { manifest } = image;
const latest = parseTag('latest');

test('a pushed manifest is given byte for byte, by its tag and by its digest', async (t) => {
  const stage = new HostedStage(t);
  assert.deepEqual(await stage.push(image, 'latest'), {
    digest: manifest.digest,
    tags: ['latest'],
    subject: undefined,
  });
  for (const reference of [latest, manifest.digest]) {
    const { bytes, ...described } = await stage.manifests.get(stage.repository, reference);
    assert.deepEqual(Buffer.from(bytes), manifest.bytes);
    assert.deepEqual(await stage.manifests.resolve(stage.repository, reference), described);
    assert.equal(described.mediaType, manifest.mediaType);
    assert.equal(described.sizeBytes, manifest.bytes.length);
  }
});

test('a push by digest tags with its parameters, each once, and by sha512 as well', async (t) => {
  const stage = new HostedStage(t);
  await stage.push(image);
  const digest = digestOf(manifest.bytes, 'sha512');
  const pushed = await stage.put(manifest.bytes, manifest.mediaType, digest, ['a', 'b', 'a']);
  assert.deepEqual(pushed, { digest, tags: ['a', 'b'], subject: undefined });
  assert.equal(await stage.resolve('a'), digest);
  assert.equal(await stage.resolve('b'), digest);
  assert.equal(await stage.resolve(manifest.digest), manifest.digest);
});

test('what cannot be taken leaves nothing', async (t) => {
  const stage = new HostedStage(t, { maxManifestBytes: 1000 });
  const { bytes, mediaType } = manifest;
  const large = Buffer.concat([bytes, Buffer.alloc(1000, ' ')]);
  await assert.rejects(stage.put(large, mediaType, 'latest'), { code: 'SIZE_INVALID', status: 413 });
  await assert.rejects(stage.put(bytes, mediaType, other.manifest.digest), { code: 'DIGEST_INVALID', status: 400 });
  await assert.rejects(stage.put(bytes, mediaTypes.ociIndex, 'latest'), { code: 'MANIFEST_INVALID', status: 400 });
  assert.deepEqual([stage.blobs.blobs.size, stage.records.records.size], [0, 0]);
  assert.deepEqual(await stage.index.listRepositories(undefined, {}), []);
});

test('blobs that the repository has not are told, all of them, though another one has them', async (t) => {
  const stage = new HostedStage(t);
  const [first, ...rest] = image.blobs;
  await stage.putBlob(first!.bytes);
  for (const { bytes } of rest) await stage.putBlob(bytes, parseRepository('another/one'));
  await assert.rejects(stage.put(manifest.bytes, manifest.mediaType, 'latest'), {
    code: 'MANIFEST_BLOB_UNKNOWN',
    detail: rest.map(({ digest }) => ({ digest })),
  });
  assert.equal(stage.records.records.size, 0);
});

test('a blob that goes away while the manifest is being written takes nothing else with it', async (t) => {
  const stage = new HostedStage(t);
  await stage.push(other, 'latest');
  const before = new Map(stage.records.records);
  for (const { bytes } of image.blobs) await stage.putBlob(bytes);
  stage.beforeChange = (what) => {
    if (what === 'putManifest') void stage.index.removeBlob(stage.repository, image.blobs[0]!.digest);
  };
  await assert.rejects(stage.put(manifest.bytes, manifest.mediaType, 'latest'), { code: 'MANIFEST_BLOB_UNKNOWN' });
  assert.equal(await stage.resolve('latest'), other.manifest.digest);
  assert.equal(await stage.resolve(manifest.digest), undefined);
  assert.deepEqual([...stage.records.records.keys()], [...before.keys()]);
  assert.deepEqual(
    [...stage.records.records.values()].map(({ bytes }) => bytes),
    [...before.values()].map(({ bytes }) => bytes),
  );
});

test('an index is taken whether its manifests are here or not, and a subject need not be here', async (t) => {
  const stage = new HostedStage(t);
  const index = makeIndex([image, other]);
  await stage.put(index.manifest.bytes, index.manifest.mediaType, 'sparse');
  assert.equal(await stage.resolve('sparse'), index.manifest.digest);
  const signature = makeImage({ seed: 'signature', layers: [10], subject: manifest });
  assert.equal((await stage.push(signature)).subject, manifest.digest);
});

test('a manifest of a type that nobody knows is kept as it is', async (t) => {
  const stage = new HostedStage(t);
  const bytes = Buffer.from(' {"anything": [1, 2]}\n');
  const { digest } = await stage.put(bytes, 'application/x-mine+json', 'odd');
  const { bytes: got, mediaType } = await stage.manifests.get(stage.repository, digest);
  assert.deepEqual([Buffer.from(got), mediaType], [bytes, 'application/x-mine+json']);
});

test('what a repository was not given is not there, though another repository has it', async (t) => {
  const stage = new HostedStage(t);
  await stage.push(image, 'latest');
  const { manifests, repository } = stage;
  const elsewhere = parseRepository('another/one');
  await assert.rejects(manifests.get(elsewhere, manifest.digest), { code: 'NAME_UNKNOWN', status: 404 });
  await assert.rejects(manifests.resolve(repository, parseTag('none')), { code: 'MANIFEST_UNKNOWN', status: 404 });
  await assert.rejects(manifests.get(repository, image.blobs[0]!.digest), { code: 'MANIFEST_UNKNOWN' });
});

test('a manifest that is lost or damaged is unknown, told to the log, and mended by a push', async (t) => {
  const stage = new HostedStage(t);
  await stage.push(image, 'latest');
  stage.blobs.blobs.set(manifest.digest, Buffer.from('something else'));
  assert.equal(await stage.resolve('latest'), undefined);
  assert.deepEqual(
    stage.logged.map(({ level, event }) => [level, event]),
    [['error', 'hosted manifest lost']],
  );
  await stage.put(manifest.bytes, manifest.mediaType, manifest.digest);
  assert.equal(await stage.resolve('latest'), manifest.digest);
});

test('a manifest whose file is gone is not said to be here: clients would not push it again', async (t) => {
  const stage = new HostedStage(t);
  await stage.push(image, 'latest');
  stage.blobs.blobs.delete(manifest.digest);
  await assert.rejects(stage.manifests.resolve(stage.repository, latest), { code: 'MANIFEST_UNKNOWN' });
});

test('a manifest is not taken for gone when the disk cannot say', async (t) => {
  const stage = new HostedStage(t);
  await stage.push(image, 'latest');
  const fail = () => Promise.reject(Object.assign(new Error('disk'), { code: 'EIO' }));
  stage.blobs.faults.open = fail;
  stage.blobs.faults.size = fail;
  await assert.rejects(stage.resolve('latest'), { code: 'EIO' });
});

test('of two pushes of one tag at a time one wins whole: row and record are of the same', async (t) => {
  const stage = new HostedStage(t);
  await stage.push(image);
  await stage.push(other);
  const push = ({ bytes, mediaType }: typeof manifest) => stage.put(bytes, mediaType, 'latest');
  for (let round = 0; round < 10; round++) {
    await Promise.all([push(manifest), push(other.manifest), push(manifest)]);
    const record = stage.records.records.get('team/app/_tags/latest')!;
    assert.deepEqual(JSON.parse(Buffer.from(record.bytes).toString()), { digest: await stage.resolve('latest') });
  }
});

test('an immutable tag is not moved nor removed, and the same may be pushed again', async (t) => {
  const stage = new HostedStage(t, { immutableTags: [/^v\d/] });
  await stage.push(image, 'v1');
  await stage.push(image, 'v1');
  await stage.push(other, 'moves');
  const { manifests, repository } = stage;
  await assert.rejects(stage.push(other, 'v1'), { code: 'DENIED', message: /immutable/ });
  await assert.rejects(stage.put(other.manifest.bytes, other.manifest.mediaType, 'new', ['v1']), { code: 'DENIED' });
  assert.equal(await stage.resolve('new'), undefined);
  await assert.rejects(manifests.deleteTag(repository, parseTag('v1'), never), { code: 'DENIED' });
  await assert.rejects(manifests.deleteManifest(repository, manifest.digest, never), { code: 'DENIED' });
  assert.equal(await stage.resolve('v1'), manifest.digest);
  await stage.push(image, 'moves');
  await manifests.deleteTag(repository, parseTag('moves'), never);
});

test('a removed tag is gone, and nothing else is', async (t) => {
  const stage = new HostedStage(t);
  await stage.push(image, 'latest');
  await stage.put(manifest.bytes, manifest.mediaType, 'stays');
  await stage.manifests.deleteTag(stage.repository, latest, never);
  assert.equal(await stage.resolve('latest'), undefined);
  assert.equal(await stage.resolve('stays'), manifest.digest);
  assert.equal(await stage.resolve(manifest.digest), manifest.digest);
  assert.ok(!stage.records.records.has('team/app/_tags/latest'));
  await assert.rejects(stage.manifests.deleteTag(stage.repository, latest, never), { code: 'MANIFEST_UNKNOWN' });
});

test('a removed manifest takes its tags and records along, and what refers to it stays', async (t) => {
  const stage = new HostedStage(t);
  await stage.push(image, 'latest');
  await stage.put(manifest.bytes, manifest.mediaType, 'v1');
  await stage.push(other, 'stays');
  const signature = makeImage({ seed: 'signature', layers: [10], subject: manifest });
  await stage.push(signature);
  await stage.manifests.deleteManifest(stage.repository, manifest.digest, never);
  assert.deepEqual(await Promise.all(['latest', 'v1', manifest.digest].map((any) => stage.resolve(any))), [
    ...[undefined, undefined, undefined],
  ]);
  assert.equal(await stage.resolve('stays'), other.manifest.digest);
  assert.equal(await stage.resolve(signature.manifest.digest), signature.manifest.digest);
  const hexes = [other, signature].map((any) => any.manifest.digest.slice('sha256:'.length));
  assert.deepEqual(
    [...stage.records.records.keys()].sort(),
    [...hexes.map((hex) => `team/app/_manifests/sha256/${hex}`), 'team/app/_tags/stays'].sort(),
  );
  const again = stage.manifests.deleteManifest(stage.repository, manifest.digest, never);
  await assert.rejects(again, { code: 'MANIFEST_UNKNOWN' });
});

test('a manifest that is deleted is held until its record is gone, which would tell of something lost', async (t) => {
  const stage = new HostedStage(t);
  await stage.push(image);
  const held: Promise<boolean | undefined>[] = [];
  const isHeld = async () => (await stage.index.getContent(manifest.digest))?.hosted;
  stage.beforeChange = (what) => {
    if (/^removeManifest|^removeRecord/.test(what)) held.push(isHeld());
  };
  await stage.manifests.deleteManifest(stage.repository, manifest.digest, never);
  assert.ok(held.length >= 2);
  assert.deepEqual([new Set(await Promise.all(held)), await isHeld()], [new Set([true]), false]);
});

test('a manifest counts for the quota, once, and one that is beyond it is refused', async (t) => {
  const stage = new HostedStage(t, { maxBytes: 1000 });
  const bytes = (text: string) => Buffer.from(JSON.stringify({ text: text.repeat(800) }));
  await stage.put(bytes('a'), 'application/x-mine+json', 'a');
  await stage.put(bytes('a'), 'application/x-mine+json', 'again');
  await assert.rejects(stage.put(bytes('b'), 'application/x-mine+json', 'b'), { code: 'DENIED' });
  assert.equal(await stage.resolve('b'), undefined);
});

test('a push whose signal fires before it writes leaves nothing', async (t) => {
  const stage = new HostedStage(t);
  for (const { bytes } of image.blobs) await stage.putBlob(bytes);
  const { bytes, mediaType } = manifest;
  const push = { reference: latest, tags: [], mediaType, bytes };
  await assert.rejects(stage.manifests.put(stage.repository, push, AbortSignal.abort(new Error('gone'))), /gone/);
  assert.equal(stage.records.records.size, 0);
});
