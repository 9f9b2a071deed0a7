import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { digestOf } from '../digest.ts';
import { parseRequest } from './request.ts';

const digest = digestOf(Buffer.from('content'));
const longDigest = digestOf(Buffer.from('content'), 'sha512');
const begin = { kind: 'begin-upload', name: 'a/b', digest: undefined, algorithm: undefined, mount: undefined };

describe('a request that pushes', () => {
  const rows: readonly (readonly [method: string, rest: string, query: string, expected: object])[] = [
    ['POST', 'a/b/blobs/uploads/', '', begin],
    ['POST', 'a/b/blobs/uploads', '', begin],
    ['POST', 'a/b/blobs/uploads/', `digest=${digest}`, { ...begin, digest }],
    ['POST', 'a/b/blobs/uploads/', `digest=${encodeURIComponent(longDigest)}`, { ...begin, digest: longDigest }],
    ['POST', 'a/b/blobs/uploads/', 'digest-algorithm=sha512', { ...begin, algorithm: 'sha512' }],
    ['POST', 'a/b/blobs/uploads/', `mount=${digest}`, { ...begin, mount: { digest, from: undefined } }],
    ['POST', 'a/b/blobs/uploads/', `mount=${digest}&from=`, { ...begin, mount: { digest, from: undefined } }],
    ['POST', 'a/b/blobs/uploads/', `from=c%2Fd&mount=${digest}`, { ...begin, mount: { digest, from: 'c/d' } }],
    ['GET', 'a/b/blobs/uploads/x-1', '', { kind: 'upload-status', name: 'a/b', id: 'x-1' }],
    ['HEAD', 'a/b/blobs/uploads/x-1', '', { kind: 'upload-status', name: 'a/b', id: 'x-1' }],
    ['PATCH', 'a/b/blobs/uploads/x-1', '', { kind: 'append-upload', name: 'a/b', id: 'x-1' }],
    ['PUT', 'a/b/blobs/uploads/x-1', `digest=${digest}`, { kind: 'finish-upload', name: 'a/b', id: 'x-1', digest }],
    ['DELETE', 'a/b/blobs/uploads/x-1', '', { kind: 'cancel-upload', name: 'a/b', id: 'x-1' }],
    ['PUT', 'a/b/manifests/v1', '', { kind: 'put-manifest', name: 'a/b', reference: 'v1', tags: [] }],
    [
      ...(['PUT', `a/b/manifests/${digest}`, 'tag=v1&tag=v2'] as const),
      { kind: 'put-manifest', name: 'a/b', reference: digest, tags: ['v1', 'v2'] },
    ],
    ['DELETE', 'a/b/manifests/v1', '', { kind: 'delete-manifest', name: 'a/b', reference: 'v1' }],
    ['DELETE', `a/b/manifests/${digest}`, '', { kind: 'delete-manifest', name: 'a/b', reference: digest }],
    ['DELETE', `a/b/blobs/${digest}`, '', { kind: 'delete-blob', name: 'a/b', digest }],
  ];
  for (const [method, rest, query, expected] of rows) {
    const shown = `${rest}${query && '?'}${query}`.replaceAll(/([0-9a-f]{8})[0-9a-f]{20,}/g, '$1…');
    test(`${method} ${shown}`, () => assert.deepEqual(parseRequest(method, rest, query), expected));
  }
});

describe('the name is what is before the last words of the path', () => {
  for (const [method, rest, name] of [
    ['POST', 'a/blobs/uploads/blobs/uploads/', 'a/blobs/uploads'],
    ['PATCH', 'a/blobs/uploads/blobs/uploads/x', 'a/blobs/uploads'],
    ['POST', 'blobs/uploads/blobs/uploads', 'blobs/uploads'],
    ['PUT', 'a/blobs/uploads/manifests/latest', 'a/blobs/uploads'],
    ['DELETE', `manifests/blobs/${digest}`, 'manifests'],
  ] as const) {
    test(`${method} ${rest.replace(/:.*/, ':…')}`, () => assert.equal(parseRequest(method, rest, '').name, name));
  }
});

describe('a malformed part has the code of that part', () => {
  for (const [method, rest, query, code] of [
    ['POST', 'a/blobs/uploads/', 'digest=latest', 'DIGEST_INVALID'],
    ['POST', 'a/blobs/uploads/', 'digest=', 'DIGEST_INVALID'],
    ['POST', 'a/blobs/uploads/', 'mount=sha256:abc', 'DIGEST_INVALID'],
    ['POST', 'a/blobs/uploads/', 'digest-algorithm=md5', 'DIGEST_INVALID'],
    ['PUT', 'a/blobs/uploads/x-1', '', 'DIGEST_INVALID'],
    ['PUT', 'a/blobs/uploads/x-1', 'digest=md5:00', 'DIGEST_INVALID'],
    ['PATCH', 'a/blobs/uploads/x_1', '', 'BLOB_UPLOAD_UNKNOWN'],
    ['GET', 'a/blobs/uploads/..', '', 'BLOB_UPLOAD_UNKNOWN'],
    ['GET', `a/blobs/uploads/${'x'.repeat(129)}`, '', 'BLOB_UPLOAD_UNKNOWN'],
    ['PUT', 'a/manifests/-x', '', 'TAG_INVALID'],
    ['PUT', `a/manifests/${digest}`, 'tag=v1&tag=', 'TAG_INVALID'],
    ['PUT', 'a/manifests/sha256:12', '', 'DIGEST_INVALID'],
    ['DELETE', 'a/blobs/latest', '', 'DIGEST_INVALID'],
    ['POST', 'blobs/uploads/', '', 'NOT_FOUND'],
  ] as const) {
    test(`${method} ${rest.slice(0, 40)}?${query} is ${code}`, () => {
      assert.throws(() => parseRequest(method, rest, query), { code });
    });
  }
});
