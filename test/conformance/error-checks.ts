import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { digestOf } from '../../src/oci/digest.ts';
import { mediaTypes } from '../../src/oci/manifest/media-types.ts';
import { expectPushed, newBlob, type Place, postPut } from './blob-apis.ts';
import type { Check } from './check.ts';
import { expectReferrers } from './content-checks.ts';
import { makeContents } from './contents.ts';
import { expectHeader, expectStatus } from './expect.ts';
import { ask, urlOf } from './wire.ts';

const column = 'holds';
const badDigest = 'sha256:baddigeststring';

/** What is checked of reading what is not there, wherever it is. */
export function missingChecks(place: Place): Check[] {
  const { target, repository } = place;
  const expectMissing = async (path: string, ...statuses: number[]) => {
    for (const method of ['GET', 'HEAD']) expectStatus(await ask(method, urlOf(target, repository, path)), ...statuses);
  };
  const missing = digestOf(randomBytes(100));
  return [
    { row: 'ping (end-1)', column, run: async () => expectStatus(await ask('GET', new URL('/v2/', target.url)), 200) },
    { row: 'a manifest by digest that is not there', column, run: () => expectMissing(`manifests/${missing}`, 404) },
    { row: 'a manifest by tag that is not there', column, run: () => expectMissing('manifests/no-such-tag', 404) },
    { row: 'a manifest by what can be no tag', column, run: () => expectMissing('manifests/.no-tag', 404) },
    { row: 'a blob that is not there', column, run: () => expectMissing(`blobs/${missing}`, 404) },
    { row: 'a manifest by no digest', column, run: () => expectMissing(`manifests/${badDigest}`, 400, 404) },
    { row: 'a blob by no digest', column, run: () => expectMissing(`blobs/${badDigest}`, 400, 404) },
    { row: 'referrers of no digest', column, run: () => expectMissing(`referrers/${badDigest}`, 400) },
    { row: 'referrers of nothing are none', column, run: () => expectReferrers(place, missing, [], undefined) },
  ];
}

/** What is checked of pushing what cannot be taken. */
export function refusalChecks(place: Place): Check[] {
  const putManifest = (bytes: Uint8Array, reference: string) =>
    ask('PUT', urlOf(place.target, place.repository, `manifests/${reference}`), {
      headers: { 'content-type': mediaTypes.ociManifest },
      body: bytes,
    });
  const image = () => makeContents()[0]!;
  return [
    {
      row: 'a manifest under another digest than its own',
      column,
      async run() {
        const { blobs, manifests } = image();
        for (const blob of blobs) await expectPushed(place, blob, await postPut(place, blob));
        const { bytes, digest } = manifests[0]!;
        expectStatus(await putManifest(Buffer.concat([bytes, Buffer.from('  ')]), digest), 400);
        expectStatus(await ask('GET', urlOf(place.target, place.repository, `manifests/${digest}`)), 404);
      },
    },
    {
      row: 'a manifest under no digest',
      column,
      run: async () => expectStatus(await putManifest(image().manifests[0]!.bytes, badDigest), 400),
    },
    {
      row: 'a manifest whose blobs are not there',
      column,
      run: async () => expectStatus(await putManifest(image().manifests[0]!.bytes, 'lacking'), 400, 404),
    },
    {
      row: 'a manifest that is no JSON',
      column,
      run: async () => expectStatus(await putManifest(Buffer.from('{"schemaVersion":'), 'broken'), 400),
    },
    {
      row: 'a name that is none',
      column,
      async run() {
        const url = new URL(`/v2/${place.target.prefix}UPPER/case/blobs/uploads/`, place.target.url);
        expectStatus(await ask('POST', url), 400, 404);
      },
    },
    { row: 'an upload that is not there', column, run: () => checkNoUpload(place) },
  ];
}

/** What is checked of a repository that is only read: nothing can be pushed to it, and it says so. */
export function readOnlyChecks({ target, repository }: Place): Check[] {
  const refused = (row: string, method: string, path: string): Check => ({
    row,
    column,
    run: async () => expectStatus(await ask(method, urlOf(target, repository, path), { body: Buffer.from('{}') }), 405),
  });
  const digest = digestOf(randomBytes(100));
  return [
    refused('an upload is refused', 'POST', 'blobs/uploads/'),
    refused('a manifest is refused', 'PUT', 'manifests/latest'),
    refused('nothing is deleted: a manifest', 'DELETE', `manifests/${digest}`),
    refused('nothing is deleted: a blob', 'DELETE', `blobs/${digest}`),
  ];
}

async function checkNoUpload({ target, repository }: Place): Promise<void> {
  const url = urlOf(target, repository, 'blobs/uploads/00000000-0000-4000-8000-000000000000');
  const { bytes, digest } = newBlob('sha256', 10);
  expectStatus(await ask('GET', url), 404);
  expectStatus(await ask('PATCH', url, { body: bytes }), 404);
  const answer = await ask('PUT', url, { body: bytes, query: [['digest', digest]] });
  expectStatus(answer, 404);
  expectHeader(answer, 'content-type', 'application/json');
  assert.match(answer.body.toString(), /BLOB_UPLOAD_UNKNOWN/);
}
