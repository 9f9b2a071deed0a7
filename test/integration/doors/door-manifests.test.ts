import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { manifestAccept } from '../../../src/oci/manifest/media-types.ts';
import { makeContractContent } from '../../support/content/contract-content.ts';
import { makeImage } from '../../support/content/images.ts';
import { parseCacheStatus } from '../../support/http/cache-status.ts';
import { type RawAnswer, rawFetch } from '../../support/http/raw-http.ts';
import { setDoorStage } from '../../support/stages/door-stage.ts';
import { repository } from '../../support/stages/stage.ts';

const truth = makeContractContent();

function assertHead({ status, headers }: RawAnswer, manifest: (typeof truth.manifests)[number]['manifest']): void {
  assert.equal(status, 200);
  assert.equal(headers['content-type'], manifest.mediaType);
  assert.equal(headers['content-length'], String(manifest.bytes.length));
  assert.equal(headers['docker-content-digest'], manifest.digest);
  assert.equal(headers['etag'], `"${manifest.digest}"`);
  assert.equal(headers['docker-distribution-api-version'], 'registry/2.0');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['content-encoding'], undefined);
}

describe('a manifest is byte-exact, and HEAD says what GET does, cold and warm', () => {
  for (const { kind, tag, manifest } of truth.manifests) {
    for (const [how, reference] of [
      ['tag', tag],
      ['digest', manifest.digest],
    ] as const) {
      test(`${kind}, by ${how}`, async (t) => {
        const { manifestUrl } = await setDoorStage(t, { registry: { content: truth.content } });
        const url = manifestUrl(reference, truth.main);
        for (const expected of ['miss', 'warm']) {
          const head = await rawFetch(url, { method: 'HEAD' });
          assertHead(head, manifest);
          assert.equal(head.body.length, 0);
          const get = await rawFetch(url);
          assertHead(get, manifest);
          assert.deepEqual(get.body, manifest.bytes);
          const { parameters } = parseCacheStatus(get.headers['cache-status']);
          if (expected === 'warm') assert.deepEqual(parameters, { hit: true });
          else assert.deepEqual(parameters, { fwd: 'miss', stored: true });
        }
      });
    }
  }
});

test('a client that has the manifest gets 304 without a body, by tag and by digest, cold and warm', async (t) => {
  const { origin, manifestUrl } = await setDoorStage(t);
  const { manifest } = makeImage({ seed: 'app', layers: [10] });
  for (const reference of ['latest', manifest.digest]) {
    for (const method of ['HEAD', 'GET', 'GET']) {
      origin.content.push(repository, makeImage({ seed: 'app', layers: [10] }), 'latest');
      for (const known of [`"${manifest.digest}"`, `W/"${manifest.digest}"`, `"other", "${manifest.digest}"`]) {
        const answer = await rawFetch(manifestUrl(reference), { method, headers: { 'if-none-match': known } });
        assert.deepEqual([answer.status, answer.body.length], [304, 0]);
        assert.equal(answer.headers['docker-content-digest'], manifest.digest);
        assert.equal(answer.headers['etag'], `"${manifest.digest}"`);
        parseCacheStatus(answer.headers['cache-status']);
      }
    }
  }
  const other = await rawFetch(manifestUrl('latest'), { headers: { 'if-none-match': '"sha256:0000"' } });
  assert.deepEqual([other.status, other.body], [200, manifest.bytes]);
});

test('upstream is asked with one fixed Accept, whatever the client accepts', async (t) => {
  const { origin, manifestUrl } = await setDoorStage(t);
  const image = makeImage({ seed: 'app', layers: [10] });
  origin.content.push(repository, image, 'latest');
  const headers = { accept: 'application/vnd.docker.distribution.manifest.v1+json', 'accept-encoding': 'gzip, zstd' };
  const { status, body } = await rawFetch(manifestUrl('latest'), { headers });
  assert.deepEqual([status, body], [200, image.manifest.bytes]);
  const [asked] = origin.requests.matching((request) => request.route === 'manifest');
  assert.equal(asked?.headers.accept, manifestAccept);
  assert.equal(asked.headers['accept-encoding'], 'identity');
});

test('a manifest that is not there is 404 in form, and for HEAD without a body', async (t) => {
  const { origin, manifestUrl } = await setDoorStage(t);
  origin.content.push(repository, makeImage({ seed: 'app', layers: [10] }), 'latest');
  const absent = `sha256:${'0'.repeat(64)}`;
  for (const [url, code] of [
    [manifestUrl('none'), 'MANIFEST_UNKNOWN'],
    [manifestUrl(absent), 'MANIFEST_UNKNOWN'],
    [manifestUrl('latest', 'no/such'), 'MANIFEST_UNKNOWN'],
  ] as const) {
    const get = await rawFetch(url);
    assert.deepEqual([get.status, get.headers['content-type']], [404, 'application/json']);
    assert.equal(JSON.parse(get.body.toString()).errors[0].code, code);
    const head = await rawFetch(url, { method: 'HEAD' });
    assert.deepEqual([head.status, head.body.length], [404, 0]);
    assert.deepEqual(parseCacheStatus(head.headers['cache-status']).parameters, { detail: code });
  }
});
