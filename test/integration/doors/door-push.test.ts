import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { freeAccess } from '../../../src/access/free-access.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { makeImage } from '../../support/content/images.ts';
import { openPushDoor, type PushAnswer, ways } from '../../support/stages/push-door.ts';

const blob = Buffer.from('the bytes of a layer');
const digest = digestOf(blob);
const longDigest = digestOf(blob, 'sha512');
const emptyDigest = digestOf(Buffer.alloc(0));
const absent = digestOf(Buffer.from('absent'));
const local = { 'cache-status': 'Entrepot; detail=local' };

/** The code of an error in the spec's form. */
function codeOf({ headers, body }: PushAnswer): string {
  assert.equal(headers['content-type'], 'application/json');
  return (JSON.parse(body) as { errors: { code: string }[] }).errors[0]!.code;
}

for (const [name, way] of Object.entries(ways)) {
  describe(`by ${name}`, () => {
    const confirmed: Record<string, string> = way.query === '' ? {} : { 'oci-namespace': 'localhost:5001' };

    test('a blob is begun, sent in chunks, asked about, finished, and found where the answer says', async (t) => {
      const { send, path } = await openPushDoor(t, way);
      const session = path('team/app/blobs/uploads/upload-1');
      const state = (range: string) => ({
        ...{ ...confirmed, ...local, location: session, range, 'docker-upload-uuid': 'upload-1' },
      });
      const empty = { body: '' };
      assert.deepEqual(await send('POST', path('team/app/blobs/uploads/')), {
        ...{ status: 202, headers: { ...state('0-0'), 'content-length': '0' }, ...empty },
      });
      assert.deepEqual(await send('GET', session), { status: 204, headers: state('0-0'), ...empty });
      const first = { body: blob.subarray(0, 4), headers: { 'content-range': '0-3' } };
      assert.deepEqual(await send('PATCH', session, first), {
        ...{ status: 202, headers: { ...state('0-3'), 'content-length': '0' }, ...empty },
      });
      const early = { body: blob.subarray(8), headers: { 'content-range': `8-${blob.length - 1}` } };
      const refused = await send('PATCH', session, early);
      assert.deepEqual([refused.status, codeOf(refused)], [416, 'RANGE_INVALID']);
      assert.deepEqual(await send('GET', session), { status: 204, headers: state('0-3'), ...empty });
      assert.deepEqual(await send('PATCH', session, { body: [blob.subarray(4, 8)] }), {
        ...{ status: 202, headers: { ...state('0-7'), 'content-length': '0' }, ...empty },
      });
      const last = { body: blob.subarray(8), headers: { 'content-range': `8-${blob.length - 1}` } };
      const separator = session.includes('?') ? '&' : '?';
      const location = path(`team/app/blobs/${digest}`);
      assert.deepEqual(await send('PUT', `${session}${separator}digest=${encodeURIComponent(digest)}`, last), {
        status: 201,
        headers: { ...confirmed, ...local, location, 'docker-content-digest': digest, 'content-length': '0' },
        ...empty,
      });
      assert.equal((await send('GET', location)).body, blob.toString());
      assert.equal((await send('GET', session)).status, 404);
    });

    test('a manifest is pushed by tag and by digest, found where the answer says, and removed', async (t) => {
      const { send, path, registry } = await openPushDoor(t, way);
      const image = makeImage({ seed: 'image', layers: [10] });
      for (const { bytes } of image.blobs) registry.content.putBlob('team/app', bytes);
      const { bytes, mediaType, digest: of } = image.manifest;
      const body = { body: bytes, headers: { 'content-type': `${mediaType}; charset=utf-8` } };
      const location = path(`team/app/manifests/${of}`);
      const created = {
        status: 201,
        headers: { ...confirmed, ...local, location, 'docker-content-digest': of, 'content-length': '0' },
        body: '',
      };
      assert.deepEqual(await send('PUT', path('team/app/manifests/latest'), body), created);
      assert.deepEqual(await send('PUT', path(`team/app/manifests/${of}`), body), created);
      const tagged = await send('PUT', path(`team/app/manifests/${of}?tag=v1&tag=v1.2`), body);
      assert.deepEqual(tagged, { ...created, headers: { ...created.headers, 'oci-tag': ['v1', 'v1.2'] } });
      const got = await send('GET', location);
      assert.deepEqual([got.headers['content-type'], got.body], [mediaType, bytes.toString()]);
      const accepted = { status: 202, headers: { ...confirmed, ...local, 'content-length': '0' }, body: '' };
      assert.deepEqual(await send('DELETE', path('team/app/manifests/v1')), accepted);
      assert.deepEqual(registry.content.tags('team/app'), ['latest', 'v1.2']);
      assert.deepEqual(await send('DELETE', location), accepted);
      assert.deepEqual(registry.content.tags('team/app'), []);
      const [{ digest: layer } = { digest }] = image.blobs;
      assert.deepEqual(await send('DELETE', path(`team/app/blobs/${layer}`)), accepted);
      assert.equal((await send('HEAD', path(`team/app/blobs/${layer}`))).status, 404);
    });

    test('a blob is mounted from a repository that is named as the client names it', async (t) => {
      const { send, path, registry } = await openPushDoor(t, way);
      registry.content.putBlob('team/base', blob);
      const alias = way.root === '/v2/hosted.entrepot/' ? 'hosted.entrepot/' : '';
      const from = encodeURIComponent(`${alias}team/base`);
      const location = path(`team/app/blobs/${digest}`);
      assert.deepEqual(await send('POST', path(`team/app/blobs/uploads/?mount=${digest}&from=${from}`)), {
        status: 201,
        headers: { ...confirmed, ...local, location, 'docker-content-digest': digest, 'content-length': '0' },
        body: '',
      });
      assert.equal((await send('GET', location)).body, blob.toString());
    });
  });
}

describe('blobs', () => {
  for (const [what, of, bytes] of [
    ['sha256', digest, blob],
    ['sha512', longDigest, blob],
    ['nothing', emptyDigest, Buffer.alloc(0)],
  ] as const) {
    for (const body of [bytes, [bytes].filter(({ length }) => length > 0)] as const) {
      const how = Array.isArray(body) ? 'in chunks' : 'with its length';
      test(`come in one POST, by ${what}, ${how}`, async (t) => {
        const { send, path, registry } = await openPushDoor(t);
        const { status, headers } = await send('POST', path(`a/blobs/uploads/?digest=${of}`), { body });
        assert.deepEqual([status, headers['location']], [201, `/v2/a/blobs/${of}`]);
        assert.equal((await send('GET', `/v2/a/blobs/${of}`)).body, bytes.toString());
        assert.equal(registry.uploadCount, 0);
      });

      test(`come in one PUT after a POST, by ${what}, ${how}`, async (t) => {
        const { send, path } = await openPushDoor(t);
        const { headers } = await send('POST', path('a/blobs/uploads'));
        const put = await send('PUT', `${headers['location']}?digest=${of}`, { body });
        assert.deepEqual([put.status, put.headers['docker-content-digest']], [201, of]);
        assert.equal((await send('GET', String(put.headers['location']))).body, bytes.toString());
      });
    }
  }

  test('begin as an upload when a digest comes without them, or what is to be mounted is not here', async (t) => {
    const { send, path, registry } = await openPushDoor(t);
    for (const query of [
      `digest=${digest}`,
      `mount=${absent}`,
      `mount=${absent}&from=team/base`,
      `mount=${absent}&from=No%20name`,
      'digest-algorithm=sha512',
    ]) {
      const { status, headers } = await send('POST', path(`a/blobs/uploads/?${query}`));
      assert.equal(status, 202, query);
      assert.match(String(headers['location']), /^\/v2\/a\/blobs\/uploads\/upload-\d$/);
    }
    assert.equal(registry.uploadCount, 5);
  });

  test('are mounted from any repository when none is named', async (t) => {
    const { send, path, registry } = await openPushDoor(t);
    registry.content.putBlob('team/base', blob);
    const { status, headers } = await send('POST', path(`a/blobs/uploads/?mount=${digest}`));
    assert.deepEqual([status, headers['location']], [201, `/v2/a/blobs/${digest}`]);
  });

  test('that the cache has are mounted for who looks before it pushes, and not for who may not push', async (t) => {
    const { send, path, registry } = await openPushDoor(t);
    registry.cached.putBlob('library/base', blob);
    const found = await send('HEAD', path(`a/blobs/${digest}`));
    assert.deepEqual([found.status, found.headers['content-length']], [200, String(blob.length)]);
    assert.equal((await send('HEAD', path(`a/blobs/${absent}`))).status, 404);
    assert.equal((await send('GET', path(`b/blobs/${digest}`))).status, 404);

    const access = { access: freeAccess(new Set()), door: 'hosted' } as const;
    const reader = await openPushDoor(t, ways['the hosted door'], { registry, access });
    assert.equal((await reader.send('HEAD', path(`c/blobs/${digest}`))).status, 404);
    const refused = await reader.send('POST', path(`c/blobs/uploads/?mount=${digest}`));
    assert.deepEqual([refused.status, codeOf(refused)], [403, 'DENIED']);
    assert.equal((await reader.send('HEAD', path(`a/blobs/${digest}`))).status, 200);
  });

  test('that another hosted repository has are not there for who looks: what was deleted would be back', async (t) => {
    const { send, path, registry } = await openPushDoor(t);
    registry.content.putBlob('team/base', blob);
    assert.equal((await send('HEAD', path(`a/blobs/${digest}`))).status, 404);
    assert.equal((await send('POST', path(`a/blobs/uploads/?mount=${digest}&from=team/base`))).status, 201);
    assert.equal((await send('DELETE', path(`a/blobs/${digest}`))).status, 202);
    assert.equal((await send('HEAD', path(`a/blobs/${digest}`))).status, 404);
  });

  test('with another digest are refused, and nothing stays of them', async (t) => {
    const { send, path, registry } = await openPushDoor(t);
    const posted = await send('POST', path(`a/blobs/uploads/?digest=${absent}`), { body: blob });
    assert.deepEqual([posted.status, codeOf(posted)], [400, 'DIGEST_INVALID']);
    const { headers } = await send('POST', path('a/blobs/uploads/'));
    const put = await send('PUT', `${headers['location']}?digest=${absent}`, { body: blob });
    assert.deepEqual([put.status, codeOf(put)], [400, 'DIGEST_INVALID']);
    assert.equal(registry.uploadCount, 0);
    assert.equal((await send('HEAD', path(`a/blobs/${absent}`))).status, 404);
  });
});

describe('an upload', () => {
  test('is cancelled, and then unknown', async (t) => {
    const { send, path, registry } = await openPushDoor(t);
    const { headers } = await send('POST', path('a/blobs/uploads/'));
    const session = String(headers['location']);
    assert.deepEqual(await send('DELETE', session), { status: 204, headers: local, body: '' });
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const answer = await send(method, session, method === 'PATCH' ? { body: blob } : {});
      assert.deepEqual([answer.status, codeOf(answer)], [404, 'BLOB_UPLOAD_UNKNOWN']);
    }
    const put = await send('PUT', `${session}?digest=${digest}`, { body: blob });
    assert.deepEqual([put.status, codeOf(put)], [404, 'BLOB_UPLOAD_UNKNOWN']);
    assert.equal(registry.uploadCount, 0);
  });

  test('says how far it is by GET and HEAD', async (t) => {
    const { send, path } = await openPushDoor(t);
    const { headers } = await send('POST', path('a/blobs/uploads/'));
    await send('PATCH', String(headers['location']), { body: blob });
    for (const method of ['GET', 'HEAD']) {
      const answer = await send(method, String(headers['location']));
      assert.deepEqual([answer.status, answer.headers['range']], [204, `0-${blob.length - 1}`]);
    }
  });

  for (const [contentRange, status, code] of [
    ['bytes 0-19/20', 400, 'BLOB_UPLOAD_INVALID'],
    ['0-', 400, 'BLOB_UPLOAD_INVALID'],
    ['-19', 400, 'BLOB_UPLOAD_INVALID'],
    ['19-0', 400, 'BLOB_UPLOAD_INVALID'],
    ['0-19-', 400, 'BLOB_UPLOAD_INVALID'],
    ['0x0-0x13', 400, 'BLOB_UPLOAD_INVALID'],
    ['9999999999999999-99999999999999999', 400, 'BLOB_UPLOAD_INVALID'],
    ['0-18', 400, 'SIZE_INVALID'],
    ['0-20', 400, 'SIZE_INVALID'],
    ['1-20', 416, 'RANGE_INVALID'],
    ['100-119', 416, 'RANGE_INVALID'],
  ] as const) {
    test(`refuses 20 bytes as Content-Range ${contentRange}, and goes on as if nothing had come`, async (t) => {
      const { send, path } = await openPushDoor(t);
      const { headers } = await send('POST', path('a/blobs/uploads/'));
      const session = String(headers['location']);
      const sent = { body: blob, headers: { 'content-range': contentRange } };
      for (const refused of [
        await send('PATCH', session, sent),
        await send('PUT', `${session}?digest=${digest}`, sent),
      ]) {
        assert.deepEqual([refused.status, codeOf(refused)], [status, code]);
      }
      const right = { body: blob, headers: { 'content-range': '0-19' } };
      assert.equal((await send('PUT', `${session}?digest=${digest}`, right)).status, 201);
    });
  }
});

describe('a manifest', () => {
  const image = makeImage({ seed: 'image', layers: [10] });
  const { bytes, mediaType } = image.manifest;
  const headers = { 'content-type': mediaType };

  test('tells its subject', async (t) => {
    const { send, path, registry } = await openPushDoor(t);
    const referrer = makeImage({ seed: 'sbom', layers: [10], subject: image.manifest, artifactType: 'application/x' });
    for (const one of referrer.blobs) registry.content.putBlob('a', one.bytes);
    const { digest: of, bytes: body } = referrer.manifest;
    const answer = await send('PUT', path(`a/manifests/${of}`), { headers, body });
    assert.deepEqual([answer.status, answer.headers['oci-subject']], [201, image.manifest.digest]);
    const list = await send('GET', path(`a/referrers/${image.manifest.digest}?artifactType=application/x`));
    assert.equal(list.headers['oci-filters-applied'], 'artifactType');
    assert.equal(JSON.parse(list.body).manifests[0].digest, of);
  });

  test('without a Content-Type, without its blobs, of another digest, or of no JSON is refused', async (t) => {
    const { send, path } = await openPushDoor(t);
    for (const [reference, options, code] of [
      ['v1', { body: bytes }, 'MANIFEST_INVALID'],
      ['v1', { body: bytes, headers }, 'MANIFEST_BLOB_UNKNOWN'],
      [absent, { body: bytes, headers }, 'DIGEST_INVALID'],
      ['v1', { body: '{', headers }, 'MANIFEST_INVALID'],
      ['v1', { headers }, 'MANIFEST_INVALID'],
    ] as const) {
      const answer = await send('PUT', path(`a/manifests/${reference}`), options);
      assert.deepEqual([answer.status, codeOf(answer)], [code === 'MANIFEST_BLOB_UNKNOWN' ? 404 : 400, code]);
    }
  });

  test('that is not there cannot be removed, nor a blob', async (t) => {
    const { send, path } = await openPushDoor(t);
    for (const [rest, code] of [
      ['a/manifests/v1', 'MANIFEST_UNKNOWN'],
      [`a/manifests/${absent}`, 'MANIFEST_UNKNOWN'],
      [`a/blobs/${absent}`, 'BLOB_UNKNOWN'],
    ] as const) {
      const answer = await send('DELETE', path(rest));
      assert.deepEqual([answer.status, codeOf(answer)], [404, code]);
    }
  });
});

test('an upstream cannot be pushed to, and the answer says what can', async (t) => {
  const { send } = await openPushDoor(t, ways['ns']);
  for (const [method, rest] of [
    ['POST', 'team/app/blobs/uploads/'],
    ['PUT', 'team/app/manifests/latest'],
    ['DELETE', 'origin.test/team/app/manifests/latest'],
    ['DELETE', `team/app/blobs/${digest}`],
  ] as const) {
    const answer = await send(method, `/v2/${rest}`);
    assert.deepEqual([answer.status, codeOf(answer), answer.headers['allow']], [405, 'UNSUPPORTED', 'GET, HEAD']);
    assert.match(answer.body, /Cannot change origin\.test: .*; what is pushed goes to localhost:5001"/);
  }
});

test('at the hosted door no path and no ns leads elsewhere', async (t) => {
  const { send, registry } = await openPushDoor(t);
  registry.content.putBlob('origin.test/team/app', blob);
  assert.equal((await send('GET', `/v2/origin.test/team/app/blobs/${digest}`)).status, 200);
  for (const path of [
    `/v2/team/app/blobs/uploads/?ns=origin.test`,
    `/v2/team/app/blobs/uploads/?ns=docker.io`,
    '/origin.test/v2/team/app/blobs/uploads/',
  ]) {
    const answer = await send('POST', path);
    assert.deepEqual([path, answer.status, codeOf(answer)], [path, 404, 'NAME_UNKNOWN']);
  }
  assert.deepEqual(JSON.parse((await send('GET', '/v2/_catalog')).body), { repositories: ['origin.test/team/app'] });
  assert.equal((await send('GET', '/v2/')).status, 200);
  assert.equal(registry.uploadCount, 0);
});

test('a repository may be called as the words of the paths are', async (t) => {
  const { send, path } = await openPushDoor(t);
  for (const name of ['blobs/uploads', 'a/blobs/uploads', 'manifests', 'a/tags/list', 'v2', 'hosted.entrepot/a']) {
    const { headers } = await send('POST', path(`${name}/blobs/uploads/`));
    const put = await send('PUT', `${headers['location']}?digest=${digest}`, { body: blob });
    assert.deepEqual([put.status, put.headers['location']], [201, `/v2/${name}/blobs/${digest}`]);
    assert.equal((await send('GET', String(put.headers['location']))).body, blob.toString());
  }
});

test('the log and the metrics tell what was pushed, and how much came', async (t) => {
  const { send, path, door } = await openPushDoor(t);
  const { headers } = await send('POST', path('a/blobs/uploads/'));
  await send('PUT', `${headers['location']}?digest=${digest}`, { body: blob });
  const facts = await door.events.requests(2);
  const common = { registry: 'hosted.entrepot', repository: 'a', bytes: 0, cache: 'none', client: '127.0.0.1' };
  assert.deepEqual(
    facts.map(({ ms, ...others }) => others),
    [
      { ...common, method: 'POST', route: 'begin-upload', reference: undefined, status: 202 },
      { ...common, method: 'PUT', route: 'finish-upload', reference: digest, status: 201, received: blob.length },
    ],
  );
  const metrics = await door.scrape();
  assert.equal(metrics.sum('entrepot_requests_total', { route: 'finish-upload', status: '201' }), 1);
});
