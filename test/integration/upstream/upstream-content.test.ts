import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import { mediaTypes } from '../../../src/oci/manifest/media-types.ts';
import { parseTag } from '../../../src/oci/reference.ts';
import { seededBytes } from '../../support/content/images.ts';
import { readAll } from '../../support/http/read.ts';
import { shorten } from '../../support/registry/recorder.ts';
import {
  latest,
  makeClient,
  patient,
  repository,
  skipSleeps,
  startUpstream,
} from '../../support/upstream/upstream-client.ts';

const bytes = seededBytes('blob', 3_000_000);
const digest = digestOf(bytes);

describe('what is asked for', () => {
  test('every manifest is asked for with the one fixed Accept, by tag, by digest and by HEAD', async (t) => {
    const { registry, server, image } = await startUpstream(t);
    await registry.getManifest(repository, latest, patient);
    await registry.getManifest(repository, image.manifest.digest, patient);
    await registry.resolveManifest(repository, latest, patient);
    const accept =
      'application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, ' +
      'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, */*';
    const asked = server.requests.matching(/manifests/);
    assert.deepEqual(
      asked.map(({ headers }) => headers.accept),
      [accept, accept, accept],
    );
  });

  test('every request says who asks, and that nothing shall be encoded; there is nothing else in it', async (t) => {
    const { registry, server } = await startUpstream(t, { auth: { kind: 'bearer' } });
    server.content.putBlob(repository, bytes);
    await registry.getManifest(repository, latest, patient);
    const blob = await registry.getBlob(repository, digest, { start: 5 }, patient);
    blob.close();
    await registry.listTags(repository, {}, patient);
    for (const { headers, rawHeaders } of server.requests.all) {
      assert.deepEqual([headers['user-agent'], headers['accept-encoding']], ['Entrepot/test', 'identity']);
      const names = rawHeaders.filter((_, index) => index % 2 === 0);
      const known = ['host', 'user-agent', 'accept-encoding', 'accept', 'authorization', 'range'];
      assert.deepEqual(
        names.filter((name) => !known.includes(name)),
        [],
      );
      assert.equal(new Set(names).size, names.length);
      assert.equal(headers.host, server.authority);
    }
  });

  test('ranges are asked for as they are wanted', async (t) => {
    const { registry, server } = await startUpstream(t);
    server.content.putBlob(repository, bytes);
    const ranges = [undefined, { start: 5 }, { start: 5, end: 9 }, { start: 0, end: 0 }, { suffixLength: 7 }];
    for (const range of ranges) (await registry.getBlob(repository, digest, range, patient)).close();
    const blob = `GET /v2/${repository}/blobs/${shorten(digest)}`;
    assert.deepEqual(server.requests.lines(/blobs/), [
      blob,
      `${blob} bytes=5-`,
      `${blob} bytes=5-9`,
      `${blob} bytes=0-0`,
      `${blob} bytes=-7`,
    ]);
  });
});

describe('a registry that encodes whatever was asked', () => {
  const quirks = { gzipForced: true };

  test('a blob is decoded, and has no size before its end', async (t) => {
    const { registry, server } = await startUpstream(t, { quirks });
    server.content.putBlob(repository, bytes);
    const blob = await registry.getBlob(repository, digest, undefined, patient);
    assert.deepEqual([blob.sizeBytes, blob.start, blob.end], [undefined, 0, undefined]);
    assert.ok((await readAll(blob)).equals(bytes));
  });

  test('a part of a blob is decoded from the whole', async (t) => {
    const { registry, server } = await startUpstream(t, { quirks });
    server.content.putBlob(repository, bytes);
    const blob = await registry.getBlob(repository, digest, { start: 1_000_000, end: 1_999_999 }, patient);
    assert.equal(blob.start, 1_000_000);
    assert.ok((await readAll(blob)).equals(bytes.subarray(1_000_000, 2_000_000)));
  });

  test('an encoded part, of which nothing can be decoded, is asked for again as the whole', async (t) => {
    const { registry, server } = await startUpstream(t);
    server.content.putBlob(repository, bytes);
    const headers = { 'content-encoding': 'gzip', 'content-range': `bytes 5-9/${bytes.length}` };
    server.faults.answer('blob', { status: 206, headers, body: 'xxxxx' });
    const part = await readAll(await registry.getBlob(repository, digest, { start: 5, end: 9 }, patient));
    assert.ok(part.equals(bytes.subarray(5, 10)));
    const blob = `GET /v2/${repository}/blobs/${shorten(digest)}`;
    assert.deepEqual(server.requests.lines(/blobs/), [`${blob} bytes=5-9`, blob]);
  });

  test('a manifest is decoded and verified', async (t) => {
    const { registry, image } = await startUpstream(t, { quirks });
    const manifest = await registry.getManifest(repository, latest, patient);
    assert.ok(image.manifest.bytes.equals(manifest.bytes));
    assert.equal(manifest.digest, image.manifest.digest);
  });

  test('a HEAD tells the size of the encoded body, so a manifest is fetched to know its own', async (t) => {
    const { registry, server, image } = await startUpstream(t, { quirks });
    const { digest: found, sizeBytes } = await registry.resolveManifest(repository, latest, patient);
    assert.deepEqual([found, sizeBytes], [image.manifest.digest, image.manifest.bytes.length]);
    const path = `/v2/${repository}/manifests/latest`;
    assert.deepEqual(server.requests.lines(/manifests/), [`HEAD ${path}`, `GET ${path}`]);
  });

  test('a HEAD tells nothing of a blob’s size', async (t) => {
    const { registry, server } = await startUpstream(t, { quirks });
    server.content.putBlob(repository, bytes);
    await assert.rejects(registry.statBlob(repository, digest, patient), { code: 'UNAVAILABLE', message: /size/ });
  });
});

describe('bytes that are not what they should be', () => {
  test('a manifest with a byte too many is refused, by tag and by digest', async (t) => {
    const { registry, image } = await startUpstream(t, { quirks: { wrongManifest: true } });
    for (const reference of [latest, image.manifest.digest]) {
      await assert.rejects(registry.getManifest(repository, reference, patient), {
        code: 'UNAVAILABLE',
        message: new RegExp(`origin\\.test: wanted ${image.manifest.digest}`),
      });
    }
  });

  test('a manifest that has no end is given up', async (t) => {
    const { registry, server } = await startUpstream(t);
    server.content.putManifest(repository, Buffer.alloc(9 * 1024 * 1024), mediaTypes.ociManifest, 'huge');
    await assert.rejects(registry.getManifest(repository, parseTag('huge'), patient), {
      code: 'UNAVAILABLE',
      message: /exceeds/,
    });
  });

  test('a manifest that comes short is not taken', async (t) => {
    const { registry, server, clock } = await startUpstream(t);
    skipSleeps(clock);
    server.faults.endAfterBytes('GET manifest', 10, { times: Infinity });
    await assert.rejects(registry.getManifest(repository, latest, patient), { code: 'UNAVAILABLE' });
    server.faults.clear();
    await registry.getManifest(repository, latest, patient);
  });

  test('the answer for another range is not taken', async (t) => {
    const { registry, server } = await startUpstream(t);
    server.content.putBlob(repository, bytes);
    const headers = { 'content-range': `bytes 0-4/${bytes.length}` };
    server.faults.answer('blob', { status: 206, headers, body: 'abcde' });
    await assert.rejects(registry.getBlob(repository, digest, { start: 5 }, patient), { code: 'UNAVAILABLE' });
  });
});

test('what there is not has the code of what was asked for', async (t) => {
  const { registry, server, image } = await startUpstream(t);
  await assert.rejects(registry.getManifest(repository, parseTag('absent'), patient), { code: 'MANIFEST_UNKNOWN' });
  await assert.rejects(registry.resolveManifest(repository, parseTag('absent'), patient), { code: 'MANIFEST_UNKNOWN' });
  await assert.rejects(registry.getBlob(repository, digest, undefined, patient), { code: 'BLOB_UNKNOWN' });
  await assert.rejects(registry.statBlob(repository, digest, patient), { code: 'BLOB_UNKNOWN' });
  server.content.removeRepository(repository);
  await assert.rejects(registry.listTags(repository, {}, patient), { code: 'NAME_UNKNOWN' });
  const referrers = registry.listReferrers(repository, image.manifest.digest, {}, patient);
  await assert.rejects(referrers, { code: 'NAME_UNKNOWN' });
});

test('the observer is told of every request with its result, and of every byte of a blob', async (t) => {
  const { registry, server, answered, fetched } = await startUpstream(t);
  server.content.putBlob(repository, bytes);
  await registry.resolveManifest(repository, latest, patient);
  await assert.rejects(registry.getManifest(repository, parseTag('absent'), patient));
  await readAll(await registry.getBlob(repository, digest, { start: 100 }, patient));
  await registry.listTags(repository, {}, patient);
  await assert.rejects(registry.listRepositories({}, AbortSignal.abort(new Error('gone'))), /gone/);
  assert.deepEqual(
    answered.map(({ upstream, operation, method, result }) => [upstream, operation, method, result]),
    [
      ['origin.test', 'manifest', 'HEAD', '200'],
      ['origin.test', 'manifest', 'GET', '404'],
      ['origin.test', 'blob', 'GET', '206'],
      ['origin.test', 'tags', 'GET', '200'],
      ['origin.test', 'catalog', 'GET', 'ABORTED'],
    ],
  );
  assert.equal(
    fetched.reduce((sum, count) => sum + count, 0),
    bytes.length - 100,
  );
});

test('the path of an upstream’s URL stands before every path', async (t) => {
  const { server } = await startUpstream(t);
  const { registry } = makeClient(t, [`${server.url}/artifactory/api/docker/`]);
  server.faults.answer('any', { status: 200, body: '{"tags":["1"]}' }, { times: Infinity });
  await registry.listTags(repository, { count: 5 }, patient);
  assert.deepEqual(server.requests.lines(), [
    'GET /artifactory/api/docker/v2/',
    `GET /artifactory/api/docker/v2/${repository}/tags/list?n=5`,
  ]);
});
