import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage } from '../../test/support/content/images.ts';
import { HostedStage } from '../../test/support/stages/hosted-stage.ts';
import { type Digest, digestOf } from '../oci/digest.ts';
import { mediaTypes } from '../oci/manifest/media-types.ts';
import { parseRepository } from '../oci/reference.ts';
import { listReferrers, listRepositories, listTags } from './lists.ts';

const image = makeImage({ seed: 'app', layers: [100] });
const subject = image.manifest.digest;

test('tags come in lexical order, in pages of what is wanted, and none of none', async (t) => {
  const stage = new HostedStage(t);
  const { index, repository } = stage;
  await stage.push(image);
  await stage.put(image.manifest.bytes, image.manifest.mediaType, subject, ['b', 'a', 'B', 'a.1', '10']);
  assert.deepEqual(await listTags(index, repository, {}), { tags: ['10', 'B', 'a', 'a.1', 'b'], next: undefined });
  const first = await listTags(index, repository, { count: 2 });
  assert.deepEqual(first, { tags: ['10', 'B'], next: { count: 2, last: 'B' } });
  assert.deepEqual(await listTags(index, repository, { count: 3, last: 'B' }), {
    ...{ tags: ['a', 'a.1', 'b'], next: undefined },
  });
  assert.deepEqual(await listTags(index, repository, { count: 0 }), { tags: [], next: undefined });
  assert.deepEqual(await listTags(index, repository, { last: 'zzz' }), { tags: [], next: undefined });
});

test('a repository that has anything has a list of tags, and one that has nothing is not known', async (t) => {
  const stage = new HostedStage(t);
  const { index, repository } = stage;
  for (const count of [0, 1, undefined]) {
    await assert.rejects(listTags(index, repository, { count }), { code: 'NAME_UNKNOWN', status: 404 });
  }
  await stage.putBlob(Buffer.from('blob'));
  assert.deepEqual(await listTags(index, repository, {}), { tags: [], next: undefined });
  for (const near of ['team/apo', 'team/app-x', 'team/ap', 'team/app0', 'team']) {
    await assert.rejects(listTags(index, parseRepository(near), {}), { code: 'NAME_UNKNOWN' }, near);
  }
});

test('repositories come in lexical order and in pages', async (t) => {
  const stage = new HostedStage(t);
  for (const name of ['b/c', 'a', 'b', 'b-c']) await stage.putBlob(Buffer.from(name), parseRepository(name));
  const { index } = stage;
  assert.deepEqual(await listRepositories(index, {}), { repositories: ['a', 'b', 'b-c', 'b/c'], next: undefined });
  assert.deepEqual(await listRepositories(index, { count: 2, last: 'a' }), {
    ...{ repositories: ['b', 'b-c'], next: { count: 2, last: 'b-c' } },
  });
  assert.deepEqual(await listRepositories(index, { count: 0 }), { repositories: [], next: undefined });
});

interface Listed {
  readonly schemaVersion: number;
  readonly mediaType: string;
  readonly manifests: readonly { readonly digest: Digest; readonly artifactType?: string }[];
}

const read = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()) as Listed;

test('referrers are an image index, whole or of one type, and an empty one when there are none', async (t) => {
  const stage = new HostedStage(t);
  const { index, repository } = stage;
  const none = await listReferrers(index, repository, subject, {});
  assert.deepEqual(read(none.bytes), { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] });
  assert.deepEqual([none.filtered, none.next], [false, undefined]);
  const annotations = { 'org.example': 'text' };
  const signed = makeImage({ seed: 'a', layers: [1], subject: image.manifest, artifactType: 'a/b', annotations });
  const other = makeImage({ seed: 'b', layers: [1], subject: image.manifest });
  for (const referrer of [signed, other]) await stage.push(referrer);
  const all = read((await listReferrers(index, repository, subject, {})).bytes);
  const digests = [signed, other].map(({ manifest }) => manifest.digest).sort();
  assert.deepEqual(
    all.manifests.map(({ digest }) => digest),
    digests,
  );
  const { bytes, filtered } = await listReferrers(index, repository, subject, { artifactType: 'a/b' });
  assert.equal(filtered, true);
  const { digest, mediaType } = signed.manifest;
  const size = signed.manifest.bytes.length;
  assert.deepEqual(read(bytes).manifests, [{ mediaType, digest, size, artifactType: 'a/b', annotations }]);
  const missing = await listReferrers(index, repository, subject, { artifactType: 'x/y' });
  assert.deepEqual([read(missing.bytes).manifests, missing.filtered], [[], true]);
});

test('referrers come in pages that clients can read, each once, however large their annotations are', async (t) => {
  const stage = new HostedStage(t);
  const { index, repository } = stage;
  const sizes = [...Array.from({ length: 20 }, () => 400_000), 4_100_000, 10];
  const pushed: Digest[] = [];
  for (const [place, sizeBytes] of sizes.entries()) {
    const manifest = {
      ...{ subject: { mediaType: 'a/b', digest: subject, size: 1 }, place },
      annotations: { text: 'A'.repeat(sizeBytes) },
    };
    const bytes = Buffer.from(JSON.stringify(manifest));
    pushed.push(digestOf(bytes));
    await stage.put(bytes, 'application/x-mine+json', digestOf(bytes));
  }
  const listed: Digest[] = [];
  let pages = 0;
  for (let page: string | undefined; ; pages++) {
    const { bytes, next } = await listReferrers(index, repository, subject, { page });
    assert.ok(bytes.length <= 4 * 1024 * 1024 + 300, `${bytes.length}`);
    listed.push(...read(bytes).manifests.map(({ digest }) => digest));
    page = next;
    if (page === undefined) break;
  }
  assert.deepEqual(listed, pushed.sort());
  assert.ok(pages >= 3);
  await assert.rejects(listReferrers(index, repository, subject, { page: 'x' }), { status: 400 });
});
