import assert from 'node:assert/strict';
import { mediaTypes } from '../../src/oci/manifest/media-types.ts';
import { chunked, deleteBlob, expectBlob, expectPushed, type Place, postOnly, postPut, streamed } from './blob-apis.ts';
import type { Check } from './check.ts';
import type { Content, Descriptor, PushedManifest } from './contents.ts';
import { expectHeader, expectStatus, locationOf } from './expect.ts';
import { type Answer, ask, urlOf } from './wire.ts';

const manifestTypes = { accept: `${mediaTypes.ociIndex}, ${mediaTypes.ociManifest}` };

/** What is checked of one content: pushing all of it, reading it, and deleting all of it. */
export function contentChecks(place: Place, content: Content): Check[] {
  const row = content.name;
  return [
    { row, column: 'push', run: () => pushAll(place, content) },
    ...readingChecks(place, content),
    { row, column: 'delete', run: () => deleteAll(place, content) },
  ];
}

/** What is checked of content that is there: tags, HEAD, GET, and referrers where there are any. */
export function readingChecks(place: Place, content: Content): Check[] {
  const check = (column: string, run: () => Promise<void>): Check => ({ row: content.name, column, run });
  const checks = [
    check('tags', () => listTags(place, content)),
    check('HEAD', () => readAll(place, content, 'HEAD')),
    check('GET', () => readAll(place, content, 'GET')),
  ];
  if (content.manifests.every(({ subject }) => subject === undefined)) return checks;
  return [...checks, check('referrers', () => listReferrers(place, content))];
}

const turns = [postPut, postOnly, streamed, chunked()];

async function pushAll(place: Place, { blobs, manifests }: Content): Promise<void> {
  for (const [i, blob] of blobs.entries()) {
    await expectPushed(place, blob, await turns[i % turns.length]!(place, blob));
  }
  for (const manifest of manifests) {
    const query = manifest.byParameter ? manifest.tags.map((tag) => ['tag', tag] as const) : [];
    const answer = await put(place, manifest, manifest.digest, query);
    if (manifest.byParameter) {
      const tags = answer.headers['oci-tag'];
      const said = (Array.isArray(tags) ? tags : [tags ?? '']).flatMap((field) => field.split(/\s*,\s*/));
      assert.deepEqual(said.toSorted(), manifest.tags.toSorted());
    } else {
      for (const tag of manifest.tags) await put(place, manifest, tag, []);
    }
  }
}

async function put(
  { target, repository }: Place,
  { bytes, mediaType, digest, subject }: PushedManifest,
  reference: string,
  query: readonly (readonly [string, string])[],
): Promise<Answer> {
  const headers = { 'content-type': mediaType };
  const url = urlOf(target, repository, `manifests/${reference}`);
  const answer = await ask('PUT', url, { headers, query, body: bytes });
  expectStatus(answer, 201);
  expectHeader(answer, 'docker-content-digest', digest);
  if (subject !== undefined) expectHeader(answer, 'oci-subject', subject);
  const at = await ask('GET', locationOf(answer), { headers: manifestTypes });
  expectStatus(at, 200);
  assert.ok(at.body.equals(bytes));
  return answer;
}

async function listTags({ target, repository }: Place, { manifests }: Content): Promise<void> {
  const url = urlOf(target, repository, 'tags/list');
  const list = async (...query: (readonly [string, string])[]) => {
    const answer = await ask('GET', url, { query });
    if (answer.status === 404) return []; // of a repository that has nothing
    expectStatus(answer, 200);
    return (JSON.parse(answer.body.toString()) as { tags: string[] }).tags;
  };
  const all = await list();
  for (const tag of manifests.flatMap(({ tags }) => tags)) assert.ok(all.includes(tag), tag);
  assert.deepEqual(all, all.toSorted());
  if (all.length === 0) return;
  const middle = all[Math.floor((all.length - 1) / 2)]!;
  assert.deepEqual(await list(['last', middle]), all.slice(all.indexOf(middle) + 1));
  assert.deepEqual(await list(['n', '1']), all.slice(0, 1));
  assert.deepEqual(await list(['n', '0']), []);
}

async function readAll(place: Place, { blobs, manifests }: Content, method: 'GET' | 'HEAD'): Promise<void> {
  for (const { digest, tags, mediaType, bytes } of manifests) {
    for (const reference of [digest, ...tags]) {
      const url = urlOf(place.target, place.repository, `manifests/${reference}`);
      const answer = await ask(method, url, { headers: manifestTypes });
      expectStatus(answer, 200);
      expectHeader(answer, 'content-type', mediaType);
      expectHeader(answer, 'content-length', String(bytes.length));
      expectHeader(answer, 'docker-content-digest', digest);
      assert.ok(answer.body.equals(method === 'HEAD' ? Buffer.alloc(0) : bytes));
    }
  }
  for (const blob of blobs) await expectBlob(place, blob);
}

/** The referrers of each subject, all of them and by their types. */
async function listReferrers(place: Place, { manifests }: Content): Promise<void> {
  for (const [subject, referrers] of Map.groupBy(manifests, (manifest) => manifest.subject)) {
    if (subject === undefined) continue;
    await expectReferrers(place, subject, referrers, undefined);
    for (const type of new Set(referrers.map(({ artifactType }) => artifactType))) {
      const ofType = referrers.filter(({ artifactType }) => artifactType === type);
      await expectReferrers(place, subject, ofType, type);
    }
    await expectReferrers(place, subject, [], 'application/vnd.example.nothing');
  }
}

/** The referrers that a subject has, of one type or of all. */
export async function expectReferrers(
  { target, repository }: Place,
  subject: string,
  referrers: readonly PushedManifest[],
  artifactType: string | undefined,
): Promise<void> {
  const query = artifactType === undefined ? [] : [['artifactType', artifactType] as const];
  const answer = await ask('GET', urlOf(target, repository, `referrers/${subject}`), { query });
  expectStatus(answer, 200);
  expectHeader(answer, 'content-type', mediaTypes.ociIndex);
  if (artifactType !== undefined) expectHeader(answer, 'oci-filters-applied', 'artifactType');
  const index = JSON.parse(answer.body.toString()) as { manifests: Descriptor[] };
  const expected = referrers.map(({ mediaType, digest, bytes, artifactType: type, annotations }) => ({
    ...{ mediaType, digest, size: bytes.length, artifactType: type },
    ...(annotations === undefined ? {} : { annotations }),
  }));
  assert.deepEqual(
    { ...index, manifests: byDigest(index.manifests) },
    {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: byDigest(expected),
    },
  );
}

function byDigest<T extends { readonly digest: string }>(descriptors: readonly T[]): T[] {
  return descriptors.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
}

async function deleteAll(place: Place, { blobs, manifests }: Content): Promise<void> {
  const { target, repository } = place;
  const deleted = async (reference: string) => {
    const url = urlOf(target, repository, `manifests/${reference}`);
    expectStatus(await ask('DELETE', url), 202);
    for (const method of ['HEAD', 'GET', 'DELETE']) expectStatus(await ask(method, url), 404);
  };
  for (const { tags, digest } of manifests.toReversed()) {
    for (const tag of tags) await deleted(tag);
    await deleted(digest);
  }
  for (const { subject } of manifests) {
    if (subject !== undefined) await expectReferrers(place, subject, [], undefined);
  }
  for (const { digest } of blobs) await deleteBlob(place, digest);
}
