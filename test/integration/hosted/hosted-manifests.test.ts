import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { freeAccess } from '../../../src/access/free-access.ts';
import type { HostedLimits } from '../../../src/hosted/tools.ts';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { hostedRegistryName } from '../../../src/oci/hosted.ts';
import { mediaTypes } from '../../../src/oci/manifest/media-types.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import { makeImage, makeIndex, type TestManifest } from '../../support/content/images.ts';
import { pushImage } from '../../support/hosted/push.ts';
import { openTestDoor } from '../../support/stages/test-door.ts';
import { openTestHosted } from '../../support/stages/test-hosted.ts';

const repository = parseRepository('team/app');
const image = makeImage({ seed: 'app', layers: [3000, 200] });
const other = makeImage({ seed: 'other', layers: [100] });

/** A hosted registry behind a door that anybody may push by. */
async function openStage(t: TestContext, limits: Partial<HostedLimits> = {}) {
  const { registry, close } = await openTestHosted(limits);
  const name = hostedRegistryName;
  const { url } = await openTestDoor(t, {
    registries: [{ name, alias: name, registry, pushable: registry }],
    access: { access: freeAccess(new Set(['hosted'])), door: 'hosted' },
    maxManifestBytes: limits.maxManifestBytes ?? 4 * 1024 * 1024,
  });
  t.after(close);
  const base = `${url}/v2/${repository}`;
  return {
    registry,
    base,
    get: (path: string, init: RequestInit = {}) => fetch(`${base}${path}`, init),
    put: (reference: string, { bytes, mediaType }: Pick<TestManifest, 'bytes' | 'mediaType'>, query = '') =>
      fetch(`${base}/manifests/${reference}${query}`, {
        method: 'PUT',
        headers: { 'content-type': mediaType },
        body: new Uint8Array(bytes),
      }),
    /** Pushes the blobs of an image. */
    blobs: async (of: typeof image) => void (await pushImage(registry, repository, of)),
  };
}

async function codeOf(answer: Response): Promise<readonly [number, string, unknown]> {
  const { errors } = (await answer.json()) as { errors: { code: string; detail?: unknown }[] };
  return [answer.status, errors[0]!.code, errors[0]!.detail];
}

test('a manifest is pushed by tag, and answered byte for byte with its type, digest and size', async (t) => {
  const { base, get, put, blobs } = await openStage(t);
  await blobs(image);
  const pushed = await put('v1', image.manifest);
  const { digest, mediaType, bytes } = image.manifest;
  assert.equal(pushed.status, 201);
  assert.equal(pushed.headers.get('docker-content-digest'), digest);
  const location = new URL(pushed.headers.get('location')!, base);
  for (const path of ['/manifests/v1', `/manifests/${digest}`, location.pathname.slice(`/v2/${repository}`.length)]) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await get(path, { method });
      assert.equal(answer.status, 200, path);
      assert.equal(answer.headers.get('content-type'), mediaType);
      assert.equal(answer.headers.get('content-length'), String(bytes.length));
      assert.equal(answer.headers.get('docker-content-digest'), digest);
      if (method === 'GET') assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes);
    }
  }
});

test('a manifest is pushed by sha512 with several tags, which the answer names', async (t) => {
  const { get, put, blobs } = await openStage(t);
  await blobs(image);
  const digest = digestOf(image.manifest.bytes, 'sha512');
  const pushed = await put(digest, image.manifest, '?tag=a&tag=b');
  assert.equal(pushed.status, 201);
  assert.deepEqual(pushed.headers.get('oci-tag')?.split(/, */).sort(), ['a', 'b']);
  for (const tag of ['a', 'b']) {
    const answer = await get(`/manifests/${tag}`, { method: 'HEAD' });
    assert.equal(answer.headers.get('docker-content-digest'), digest);
  }
  assert.deepEqual(await (await get('/tags/list')).json(), { name: repository, tags: ['a', 'b'] });
});

test('what cannot be taken is refused with its code, and what is wrong', async (t) => {
  const { put, blobs } = await openStage(t, { maxManifestBytes: 5000, immutableTags: [/^v/] });
  assert.deepEqual(await codeOf(await put('v1', image.manifest)), [
    ...[404, 'MANIFEST_BLOB_UNKNOWN', image.blobs.map(({ digest }) => ({ digest }))],
  ]);
  await blobs(image);
  await blobs(other);
  const { bytes, mediaType } = image.manifest;
  const wrong = await put(other.manifest.digest, image.manifest);
  assert.deepEqual((await codeOf(wrong)).slice(0, 2), [400, 'DIGEST_INVALID']);
  const mistyped = await put('v1', { bytes, mediaType: mediaTypes.ociIndex });
  assert.deepEqual(await codeOf(mistyped), [400, 'MANIFEST_INVALID', { field: 'mediaType' }]);
  const broken = await put('v1', { bytes: bytes.subarray(1), mediaType });
  assert.deepEqual((await codeOf(broken)).slice(0, 2), [400, 'MANIFEST_INVALID']);
  const large = await put('v1', { bytes: Buffer.concat([bytes, Buffer.alloc(5000, ' ')]), mediaType });
  assert.deepEqual((await codeOf(large)).slice(0, 2), [413, 'SIZE_INVALID']);
  assert.equal((await put('v1', image.manifest)).status, 201);
  assert.deepEqual((await codeOf(await put('v1', other.manifest))).slice(0, 2), [403, 'DENIED']);
  assert.equal((await put('v1', image.manifest)).status, 201);
});

test('what refers to a manifest is told, listed, filtered, and stays when that goes', async (t) => {
  const { get, put, blobs } = await openStage(t);
  const artifactType = 'application/vnd.example.sbom';
  const sbom = makeImage({ seed: 'sbom', layers: [10], subject: image.manifest, artifactType });
  const signature = makeImage({ seed: 'signature', layers: [10], subject: image.manifest });
  for (const one of [sbom, signature]) await blobs(one);
  assert.equal((await put('sbom', sbom.manifest)).headers.get('oci-subject'), image.manifest.digest);
  const list = async (query = '') => {
    const answer = await get(`/referrers/${image.manifest.digest}${query}`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), mediaTypes.ociIndex);
    const { manifests } = (await answer.json()) as { manifests: { digest: Digest }[] };
    return [manifests.map(({ digest }) => digest), answer.headers.get('oci-filters-applied')];
  };
  const both = [sbom, signature].map(({ manifest }) => manifest.digest).sort();
  assert.deepEqual(await list(), [both, null]);
  assert.deepEqual(await list(`?artifactType=${artifactType}`), [[sbom.manifest.digest], 'artifactType']);
  await blobs(image);
  assert.equal((await get(`/manifests/${image.manifest.digest}`, { method: 'DELETE' })).status, 202);
  assert.deepEqual(await list(), [both, null]);
  assert.equal((await get(`/manifests/${sbom.manifest.digest}`, { method: 'DELETE' })).status, 202);
  assert.deepEqual(await list(), [[signature.manifest.digest], null]);
});

test('referrers come in pages of what clients can read, linked to each other', async (t) => {
  const { base, put } = await openStage(t);
  const digests: string[] = [];
  for (let place = 0; place < 3; place++) {
    const subject = { mediaType: image.manifest.mediaType, digest: image.manifest.digest, size: 1 };
    const bytes = Buffer.from(JSON.stringify({ place, subject, annotations: { text: 'a'.repeat(2_000_000) } }));
    digests.push(digestOf(bytes));
    assert.equal((await put(digestOf(bytes), { bytes, mediaType: 'application/x-mine+json' })).status, 201);
  }
  const whole = await followReferrers(`${base}/referrers/${image.manifest.digest}`);
  assert.deepEqual([whole.found, whole.filtered], [digests.sort(), [false, false]]);
});

test('referrers of one type are of that type on every page', async (t) => {
  const { base, put } = await openStage(t);
  const digests = new Map<string, string[]>([
    ['a/b', []],
    ['c/d', []],
  ]);
  for (const artifactType of ['a/b', 'c/d', 'a/b', 'c/d', 'a/b', 'c/d']) {
    const place = digests.get(artifactType)!.length;
    const subject = { mediaType: image.manifest.mediaType, digest: image.manifest.digest, size: 1 };
    const annotations = { text: 'a'.repeat(2_000_000) };
    const bytes = Buffer.from(JSON.stringify({ place, artifactType, subject, annotations }));
    digests.get(artifactType)!.push(digestOf(bytes));
    assert.equal((await put(digestOf(bytes), { bytes, mediaType: 'application/x-mine+json' })).status, 201);
  }
  for (const [artifactType, expected] of digests) {
    const url = `${base}/referrers/${image.manifest.digest}?artifactType=${encodeURIComponent(artifactType)}`;
    const { found, filtered } = await followReferrers(url);
    assert.deepEqual([found, filtered], [expected.sort(), [true, true]]);
  }
});

/** Everything that a list of referrers and the pages behind it name, and of each page whether it was filtered. */
async function followReferrers(first: string): Promise<{ found: string[]; filtered: boolean[] }> {
  const found: string[] = [];
  const filtered: boolean[] = [];
  for (let url: string | undefined = first; url !== undefined; ) {
    const answer: Response = await fetch(url);
    const { manifests } = (await answer.json()) as { manifests: { digest: string }[] };
    found.push(...manifests.map(({ digest }) => digest));
    filtered.push(answer.headers.get('oci-filters-applied') === 'artifactType');
    const next: string | undefined = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
    url = next === undefined ? undefined : new URL(next, url).href;
  }
  return { found, filtered };
}

test('a tag or a manifest that was deleted is gone at once, and cannot be deleted again', async (t) => {
  const { get, put, blobs } = await openStage(t);
  const index = makeIndex([image, other]);
  for (const one of [image, other]) await blobs(one);
  for (const tag of ['v1', 'latest']) assert.equal((await put(tag, index.manifest)).status, 201);
  const remove = (reference: string) => get(`/manifests/${reference}`, { method: 'DELETE' });
  assert.equal((await remove('v1')).status, 202);
  assert.equal((await get('/manifests/v1')).status, 404);
  assert.deepEqual((await codeOf(await remove('v1'))).slice(0, 2), [404, 'MANIFEST_UNKNOWN']);
  assert.equal((await get('/manifests/latest')).status, 200);
  assert.equal((await remove(index.manifest.digest)).status, 202);
  for (const reference of ['latest', index.manifest.digest]) {
    assert.equal((await get(`/manifests/${reference}`)).status, 404);
  }
  assert.equal((await get(`/manifests/${image.manifest.digest}`)).status, 200);
  assert.deepEqual(await (await get('/tags/list')).json(), { name: repository, tags: [] });
});
