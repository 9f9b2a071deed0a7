import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { digestOf } from '../../src/oci/digest.ts';
import { RegistryError } from '../../src/oci/errors.ts';
import { parseReference, parseRepository, parseTag } from '../../src/oci/reference.ts';
import { isPushRequest } from '../../src/oci/wire/push-request.ts';
import {
  blobPath,
  manifestPath,
  parseRequest,
  referrersPath,
  tagsPathOf,
  uploadPath,
} from '../../src/oci/wire/request.ts';

// Names that are made of the words that paths are made of, too.
const component = fc.oneof(
  fc.constantFrom('manifests', 'blobs', 'referrers', 'tags', 'list', 'uploads', 'v2', 'latest'),
  fc.stringMatching(/^[a-z0-9]{1,4}([._-][a-z0-9]{1,3})?$/),
);
const repository = fc.array(component, { minLength: 1, maxLength: 5 }).map((parts) => parseRepository(parts.join('/')));
const digest = fc
  .tuple(fc.uint8Array({ maxLength: 4 }), fc.constantFrom('sha256' as const, 'sha512' as const))
  .map(([bytes, algorithm]) => digestOf(bytes, algorithm));
const tag = fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,10}$/).map(parseReference);
const method = fc.constantFrom('GET', 'HEAD');
const page = fc.record({
  count: fc.option(fc.nat(999_999), { nil: undefined }),
  last: fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined }),
});

/** Parses a path and query as the door does: from what the URL makes of them. */
function parse(how: string, path: string) {
  const url = new URL(path, 'http://registry');
  return parseRequest(how, url.pathname.slice('/v2/'.length), url.search.slice(1));
}

/** Percent-encodes some of the characters of a path. */
function encodeSome(path: string, coin: Iterator<boolean>): string {
  return path.replaceAll(/[^%]/g, (character) =>
    coin.next().value === true ? `%${character.charCodeAt(0).toString(16).padStart(2, '0')}` : character,
  );
}

test('a manifest, blob, tag list or list of referrers that was rendered is parsed to itself', () => {
  const query = fc.webQueryParameters();
  fc.assert(
    fc.property(method, repository, digest, tag, page, query, (how, name, of, reference, wanted, parameters) => {
      assert.deepEqual(parse(how, manifestPath(name, reference)), { kind: 'manifest', name, reference });
      assert.deepEqual(parse(how, manifestPath(name, of)), { kind: 'manifest', name, reference: of });
      assert.deepEqual(parse(how, blobPath(name, of)), { kind: 'blob', name, digest: of });
      const { kind, name: parsed, ...rest } = parse(how, tagsPathOf(name, wanted));
      assert.deepEqual([kind, parsed], ['tags', name]);
      assert.deepEqual({ count: undefined, last: undefined, ...('page' in rest ? rest.page : {}) }, wellFormed(wanted));
      const referrers = parse(how, referrersPath(name, of, parameters === '' ? '' : `?${parameters}`));
      assert.ok(referrers.kind === 'referrers' && referrers.name === name && referrers.digest === of);
      assert.equal(
        referrers.artifactType,
        new URL(`?${parameters}`, 'http://r').searchParams.get('artifactType') ?? undefined,
      );
    }),
    { numRuns: 500 },
  );
});

const id = fc.stringMatching(/^[A-Za-z0-9-]{1,40}$/);

test('a push that was rendered is parsed to itself, whatever the repository is called', () => {
  fc.assert(
    fc.property(repository, digest, tag, fc.array(tag, { maxLength: 3 }), id, (name, of, reference, more, upload) => {
      const encoded = encodeURIComponent(of);
      const session = uploadPath(name, upload);
      const none = { digest: undefined, algorithm: undefined, mount: undefined };
      const begin = { ...none, kind: 'begin-upload', name };
      assert.deepEqual(parse('POST', uploadPath(name)), begin);
      assert.deepEqual(parse('POST', uploadPath(name).slice(0, -1)), begin);
      assert.deepEqual(parse('POST', `${uploadPath(name)}?digest=${encoded}`), { ...begin, digest: of });
      assert.deepEqual(parse('POST', `${uploadPath(name)}?mount=${encoded}&from=${encodeURIComponent(name)}`), {
        ...begin,
        mount: { digest: of, from: name },
      });
      assert.deepEqual(parse('GET', session), { kind: 'upload-status', name, id: upload });
      assert.deepEqual(parse('PATCH', session), { kind: 'append-upload', name, id: upload });
      assert.deepEqual(parse('DELETE', session), { kind: 'cancel-upload', name, id: upload });
      const finish = { kind: 'finish-upload', name, id: upload, digest: of };
      assert.deepEqual(parse('PUT', `${session}?ns=r&digest=${encoded}`), finish);
      const tags = more.map(parseTag);
      const query = tags.map((one) => `tag=${one}`).join('&');
      const put = { kind: 'put-manifest', name, tags };
      assert.deepEqual(parse('PUT', `${manifestPath(name, of)}?${query}`), { ...put, reference: of });
      assert.deepEqual(parse('PUT', `${manifestPath(name, reference)}?${query}`), { ...put, reference });
      assert.deepEqual(parse('DELETE', manifestPath(name, reference)), { kind: 'delete-manifest', name, reference });
      assert.deepEqual(parse('DELETE', blobPath(name, of)), { kind: 'delete-blob', name, digest: of });
    }),
    { numRuns: 500 },
  );
});

/** A page as it comes through a URL, in which half a character cannot stand. */
function wellFormed({ count, last }: { count: number | undefined; last: string | undefined }) {
  return { count, last: last?.toWellFormed() };
}

test('an encoded path is parsed as the plain one, whatever is encoded of it', () => {
  fc.assert(
    fc.property(repository, digest, fc.infiniteStream(fc.boolean()), (name, of, coin) => {
      for (const [how, path] of [
        ['GET', `${name}/manifests/${of}`],
        ['GET', `${name}/blobs/${of}`],
        ['GET', `${name}/tags/list`],
        ['POST', `${name}/blobs/uploads/`],
        ['PATCH', `${name}/blobs/uploads/a-1`],
        ['DELETE', `${name}/blobs/${of}`],
      ] as const) {
        assert.deepEqual(parseRequest(how, encodeSome(path, coin), ''), parseRequest(how, path, ''));
      }
    }),
    { numRuns: 500 },
  );
});

const pieces = [
  '/',
  'manifests',
  'blobs',
  'uploads',
  'referrers',
  'tags',
  'list',
  '_catalog',
  'a',
  ':',
  '%',
  '%2F',
  '..',
];
const anyPath = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...pieces), maxLength: 12 }));

test('whatever is asked is a request or an error of the spec, nothing else', () => {
  const expected = [
    'NOT_FOUND',
    'UNSUPPORTED',
    'DIGEST_INVALID',
    'TAG_INVALID',
    'MANIFEST_UNKNOWN',
    'PAGINATION_NUMBER_INVALID',
    'BLOB_UPLOAD_UNKNOWN',
  ];
  const anyMethod = fc.oneof(method, fc.constantFrom('POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', ''));
  const anyQuery = fc.oneof(
    fc.string(),
    fc.constantFrom('n=5', 'n=-1', 'last=a', 'n=5&n=6', 'digest=', 'mount=a', 'tag=', 'tag=a&tag=b'),
  );
  fc.assert(
    fc.property(anyMethod, anyPath, anyQuery, (how, path, query) => {
      try {
        const request = parseRequest(how, path, query);
        assert.ok(isPushRequest(request) || how === 'GET' || how === 'HEAD');
        assert.ok(request.name === undefined || request.name !== '');
      } catch (error) {
        assert.ok(error instanceof RegistryError && expected.includes(error.code), String(error));
      }
    }),
    { numRuns: 5_000 },
  );
});
