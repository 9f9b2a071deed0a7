import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { makeImage, seededBytes } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { parseCacheStatus } from '../../support/http/cache-status.ts';
import { type RawAnswer, rawFetch } from '../../support/http/raw-http.ts';
import { setDoorStage } from '../../support/stages/door-stage.ts';
import { repository } from '../../support/stages/stage.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { ManualClock } from '../../support/time/clock.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const digest = `sha256:${'a'.repeat(64)}`;

/** Fails unless the answer is an error in the spec's form; gives what it says. */
function errorOf({ status, headers, body }: RawAnswer): { status: number; code: string; message: string } {
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers['content-length'], String(body.length));
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['docker-distribution-api-version'], 'registry/2.0');
  const { errors } = JSON.parse(body.toString()) as { errors: { code: string; message: string }[] };
  assert.equal(errors.length, 1);
  const [{ code, message } = { code: '', message: '' }] = errors;
  assert.deepEqual(parseCacheStatus(headers['cache-status']).parameters, { detail: code });
  return { status, code, message };
}

describe('what would change an upstream is UNSUPPORTED in form, and reaches no upstream', () => {
  const requests: readonly (readonly [method: string, path: string])[] = [
    ['POST', `${repository}/blobs/uploads/`],
    ['POST', `${repository}/blobs/uploads/?digest=${digest}`],
    ['POST', `${repository}/blobs/uploads/?mount=${digest}&from=other`],
    ['GET', `${repository}/blobs/uploads/8be4df61`],
    ['PATCH', `${repository}/blobs/uploads/8be4df61`],
    ['PUT', `${repository}/blobs/uploads/8be4df61?digest=${digest}`],
    ['DELETE', `${repository}/blobs/uploads/8be4df61`],
    ['PUT', `${repository}/manifests/latest`],
    ['PUT', `${repository}/manifests/${digest}`],
    ['DELETE', `${repository}/manifests/latest`],
    ['DELETE', `${repository}/manifests/${digest}`],
    ['DELETE', `${repository}/blobs/${digest}`],
    ['POST', ''],
    ['OPTIONS', `${repository}/tags/list`],
  ];
  for (const root of ['/v2/', '/origin.test/v2/', '/v2/origin.test/']) {
    test(`under ${root}`, async (t) => {
      const { url, origin } = await setDoorStage(t);
      for (const [method, path] of requests) {
        const { status, code } = errorOf(await rawFetch(url + root + path, { method }));
        assert.deepEqual([method, path, status, code], [method, path, 405, 'UNSUPPORTED']);
      }
      assert.deepEqual(origin.requests.lines(), []);
    });
  }
});

test('what is malformed is 400 with the spec’s code, and reaches no upstream', async (t) => {
  const { url, origin } = await setDoorStage(t);
  const hex = 'a'.repeat(64);
  for (const [path, code] of [
    ['Upper/case/manifests/latest', 'NAME_INVALID'],
    ['-a/manifests/latest', 'NAME_INVALID'],
    ['a//b/manifests/latest', 'NAME_INVALID'],
    ['a%20b/manifests/latest', 'NAME_INVALID'],
    ['a/%2e%2e%2fb/manifests/latest', 'NAME_INVALID'],
    [`${'a/'.repeat(130)}a/tags/list`, 'NAME_INVALID'],
    [`Upper/blobs/${digest}`, 'NAME_INVALID'],
    ['a/manifests/sha256:abc', 'DIGEST_INVALID'],
    [`a/manifests/md5:${'a'.repeat(32)}`, 'DIGEST_INVALID'],
    ['a/blobs/latest', 'DIGEST_INVALID'],
    [`a/blobs/sha256:${hex.toUpperCase()}`, 'DIGEST_INVALID'],
    [`a/blobs/sha256:${hex}0`, 'DIGEST_INVALID'],
    [`a/blobs/sha512:${hex}`, 'DIGEST_INVALID'],
    ['a/referrers/latest', 'DIGEST_INVALID'],
    ['a/tags/list?n=-1', 'PAGINATION_NUMBER_INVALID'],
    ['a/tags/list?n=ten', 'PAGINATION_NUMBER_INVALID'],
    ['a/tags/list?n=', 'PAGINATION_NUMBER_INVALID'],
    ['a/tags/list?n=1e3', 'PAGINATION_NUMBER_INVALID'],
    ['_catalog?n=9999999', 'PAGINATION_NUMBER_INVALID'],
  ] as const) {
    const { status, code: found } = errorOf(await rawFetch(`${url}/v2/${path}`));
    assert.deepEqual([path, status, found], [path, 400, code]);
  }
  assert.deepEqual(origin.requests.lines(), []);
});

test('what can be no tag is 404 as any tag that is not there, and reaches no upstream', async (t) => {
  const { url, origin } = await setDoorStage(t);
  for (const tag of ['.hidden', 'with%20space', 't'.repeat(129)]) {
    const { status, code } = errorOf(await rawFetch(`${url}/v2/a/manifests/${tag}`));
    assert.deepEqual([tag, status, code], [tag, 404, 'MANIFEST_UNKNOWN']);
  }
  assert.deepEqual(origin.requests.lines(), []);
});

test('a path that is none of a registry’s is 404 in form', async (t) => {
  const { url, origin } = await setDoorStage(t);
  for (const path of ['a/b', 'a/manifests/', 'a/manifests', 'a/tags', 'a/tags/list/', 'a/blobs', '%ff/manifests/x']) {
    const { status, code } = errorOf(await rawFetch(`${url}/v2/${path}`));
    assert.deepEqual([path, status, code], [path, 404, 'NOT_FOUND']);
  }
  assert.deepEqual(origin.requests.lines(), []);
});

test('a path is the same however its characters are encoded', async (t) => {
  const { url, origin } = await setDoorStage(t);
  const image = makeImage({ seed: 'app', layers: [10] });
  origin.content.push(repository, image, 'latest');
  for (const path of ['lib%2Fapp/manifests/latest', 'l%69b/app/manifests/l%61test', 'lib/app/%6danifests/latest']) {
    assert.deepEqual((await rawFetch(`${url}/v2/${path}`)).body, image.manifest.bytes, path);
  }
  const byDigest = `lib/app/manifests/${encodeURIComponent(image.manifest.digest)}`;
  assert.deepEqual((await rawFetch(`${url}/v2/${byDigest}`)).body, image.manifest.bytes);
});

test('an error has the length of its body for HEAD, too, and no body', async (t) => {
  const { url } = await setDoorStage(t);
  for (const path of ['Upper/manifests/x', 'a/manifests/.x', 'a/blobs/x', 'a/tags/list?n=x', 'a/b', 'a/b?ns=quay.io']) {
    const get = await rawFetch(`${url}/v2/${path}`);
    const head = await rawFetch(`${url}/v2/${path}`, { method: 'HEAD' });
    assert.equal(head.status, get.status);
    assert.equal(head.headers['content-type'], 'application/json');
    assert.equal(head.headers['content-length'], String(get.body.length), path);
    assert.equal(head.body.length, 0);
  }
});

describe('upstream’s trouble becomes what makes clients go elsewhere', () => {
  const paths = {
    manifest: `${repository}/manifests/latest`,
    blob: `${repository}/blobs/${digest}`,
    tags: `${repository}/tags/list`,
    referrers: `${repository}/referrers/${digest}`,
  };
  for (const [route, path] of Object.entries(paths)) {
    for (const [upstream, status, code] of [
      [404, 404, { manifest: 'MANIFEST_UNKNOWN', blob: 'BLOB_UNKNOWN' }[route] ?? 'NAME_UNKNOWN'],
      [401, 403, 'DENIED'],
      [403, 403, 'DENIED'],
      [500, 502, 'UNAVAILABLE'],
      [503, 502, 'UNAVAILABLE'],
      [418, 502, 'UNAVAILABLE'],
    ] as const) {
      test(`${upstream} for a ${route} is ${status} ${code}, and the registry is named`, async (t) => {
        const { url, origin } = await setDoorStage(t);
        origin.faults.answer(({ route: asked }) => asked === route, { status: upstream }, { times: Infinity });
        const error = errorOf(await rawFetch(`${url}/v2/${path}`));
        assert.deepEqual([error.status, error.code], [status, code]);
        assert.match(error.message, new RegExp(`origin\\.test.*${upstream}`));
      });
    }
    test(`429 for a ${route} is 503, with the Retry-After of upstream if there is one`, async (t) => {
      const clock = new ManualClock();
      const { url, origin } = await setDoorStage(t, { cache: { clock } });
      origin.faults.tooManyRequests(({ route: asked }) => asked === route, '120');
      const limited = await rawFetch(`${url}/v2/${path}`);
      assert.deepEqual([errorOf(limited).status, errorOf(limited).code], [503, 'TOOMANYREQUESTS']);
      assert.equal(limited.headers['retry-after'], '120');
      clock.advance(120_000);
      origin.faults.tooManyRequests(({ route: asked }) => asked === route);
      assert.equal((await rawFetch(`${url}/v2/${path}`)).headers['retry-after'], undefined);
    });
  }

  test('no upstream to be reached is 502', async (t) => {
    const gone = await startTestRegistry();
    await gone.close();
    const cache = await startTestCache({ data: tmpDir(t), upstreams: [gone.url], retry: { firstDelayMs: 1 } });
    t.after(() => cache.stop());
    for (const path of Object.values(paths)) {
      const { status, code } = errorOf(await rawFetch(`${cache.url}/v2/${path}`));
      assert.deepEqual([path, status, code], [path, 502, 'UNAVAILABLE']);
    }
  });

  test('upstream’s page of HTML is not passed on, and its JSON in one short line', async (t) => {
    const { url, origin } = await setDoorStage(t, { cache: { negativeTtlMs: 0 } });
    const answer = async (name: string, body: string) => {
      origin.faults.answer('GET manifest', { status: 403, body });
      return errorOf(await rawFetch(`${url}/v2/${name}/manifests/latest`)).message;
    };
    assert.equal(await answer('one', '<html><script>alert(1)</script></html>'), 'Upstream origin.test answered 403');
    const said = { errors: [{ code: 'DENIED', message: `no\r\n\u0007way ${'x'.repeat(5000)}` }] };
    assert.match(
      await answer('other', JSON.stringify(said)),
      /^Upstream origin\.test answered 403: DENIED no way x{200,300}$/,
    );
  });

  test('an error that upstream marks with bytes that nobody may send is answered all the same', async (t) => {
    const head = 'HTTP/1.1 429 Too Many\r\ncontent-length: 0\r\nretry-after: \u0001\u007f\r\n\r\n';
    const upstream = await startRawUpstream(t, head);
    const cache = await startTestCache({ data: tmpDir(t), upstreams: [upstream], retry: { firstDelayMs: 1 } });
    t.after(() => cache.stop());
    const { status } = errorOf(await rawFetch(`${cache.url}/v2/${paths.manifest}`));
    assert.ok(status >= 500, `${status}`);
    assert.equal((await rawFetch(`${cache.url}/healthz`)).status, 200);
  });
});

/** Starts an upstream that answers every request with the same bytes. */
async function startRawUpstream(t: TestContext, bytes: string): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {}); // the client may reset what it does not want
    socket.on('data', () => socket.end(Buffer.from(bytes, 'latin1')));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a name of a registry that is not configured is 404, tells nothing, and reaches no upstream', async (t) => {
  const { url, origin, log } = await setDoorStage(t, { cache: { domain: 'cache.test' } });
  origin.content.putBlob(repository, seededBytes('blob', 10));
  const requests = [
    ['/quay.io/v2/a/b/manifests/latest', 'cache.test'],
    ['/v2/a/b/manifests/latest?ns=quay.io', 'cache.test'],
    ['/v2/a/b/manifests/latest', 'quay.io.cache.test'],
    ['/v2/a/b/tags/list?ns=quay.io%3A8443', 'cache.test'],
  ] as const;
  for (const [path, host] of requests) {
    const answer = await rawFetch(url + path, { headers: { host } });
    assert.deepEqual([errorOf(answer).status, errorOf(answer).code], [404, 'NAME_UNKNOWN']);
    assert.doesNotMatch(answer.body.toString(), /origin\.test/);
    assert.equal(answer.headers['oci-namespace'], undefined);
  }
  const unknown = log.named('registry unknown');
  assert.equal(unknown.length, requests.length);
  for (const { facts } of unknown) assert.deepEqual(facts['configured'], ['origin.test', 'hosted.entrepot']);
  assert.deepEqual(origin.requests.lines(), []);
});
