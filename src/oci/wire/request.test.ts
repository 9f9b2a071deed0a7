import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { digestOf } from '../digest.ts';
import { parseReference, parseRepository, type Repository } from '../reference.ts';
import {
  type AnyRequest,
  blobPath,
  manifestPath,
  pageQuery,
  parseRequest,
  referrersPath,
  tagsPathOf,
} from './request.ts';

const digest = digestOf(Buffer.from('content'));
const longDigest = digestOf(Buffer.from('content'), 'sha512');
const tag = parseReference('latest');
const app = parseRepository('library/app');

/** Parses the path and query of a URL as the door does: what follows `/v2/`. */
function parse(pathAndQuery: string, method = 'GET'): AnyRequest {
  const url = new URL(pathAndQuery, 'http://registry');
  assert.ok(url.pathname.startsWith('/v2/'));
  return parseRequest(method, url.pathname.slice('/v2/'.length), url.search.slice(1));
}

describe('a path that was rendered is parsed to what it was rendered from', () => {
  test('a manifest by tag, and by digest', () => {
    for (const reference of [tag, digest, longDigest]) {
      assert.deepEqual(parse(manifestPath(app, reference)), { kind: 'manifest', name: app, reference });
    }
  });

  test('a blob', () => {
    assert.deepEqual(parse(blobPath(app, digest)), { kind: 'blob', name: app, digest });
    assert.deepEqual(parse(blobPath(app, longDigest)), { kind: 'blob', name: app, digest: longDigest });
  });

  test('tags, with every kind of page', () => {
    for (const page of [{}, { count: 0 }, { count: 999_999 }, { last: 'v1 &=?#+%/é' }, { count: 5, last: '' }]) {
      const parsed = parse(tagsPathOf(app, page));
      assert.deepEqual(parsed, {
        kind: 'tags',
        name: app,
        page: 'count' in page ? { last: undefined, ...page } : page,
      });
    }
  });

  test('referrers, with their filter and their query as it came', () => {
    const bare = { kind: 'referrers', name: app, digest, artifactType: undefined, query: '' };
    assert.deepEqual(parse(referrersPath(app, digest, '')), bare);
    const query = 'artifactType=application%2Fx%2By&n=5&odd';
    const filtered = { ...bare, artifactType: 'application/x+y', query };
    assert.deepEqual(parse(referrersPath(app, digest, `?${query}`)), filtered);
  });
});

describe('a path that was parsed is rendered to what it was parsed from', () => {
  const paths = [
    `/v2/library/app/manifests/latest`,
    `/v2/library/app/manifests/${digest}`,
    `/v2/library/app/blobs/${longDigest}`,
    `/v2/library/app/tags/list`,
    `/v2/library/app/tags/list?n=5&last=v1`,
    `/v2/library/app/referrers/${digest}`,
    `/v2/library/app/referrers/${digest}?artifactType=a%2Fb`,
  ];
  for (const path of paths)
    test(path.replaceAll(/([0-9a-f]{8})[0-9a-f]+/g, '$1…'), () => assert.equal(render(path), path));

  function render(path: string): string {
    const request = parse(path);
    const name = request.name as Repository;
    switch (request.kind) {
      case 'manifest':
        return manifestPath(name, request.reference);
      case 'blob':
        return blobPath(name, request.digest);
      case 'tags':
        return tagsPathOf(name, request.page);
      case 'referrers':
        return referrersPath(name, request.digest, request.query === '' ? '' : `?${request.query}`);
      default:
        return request.kind;
    }
  }
});

test('the first page of the registry’s own size has no query', () => {
  assert.equal(pageQuery({}), '');
  assert.equal(pageQuery({ count: 5, last: 'a b' }), '?n=5&last=a+b');
});

test('what stands at the root is a ping, at an alias too', () => {
  assert.deepEqual(parse('/v2/'), { kind: 'ping', name: undefined });
  assert.deepEqual(parse('/v2/ghcr.io/'), { kind: 'ping', name: 'ghcr.io' });
  assert.deepEqual(parse('/v2/ghcr.io'), { kind: 'ping', name: 'ghcr.io' });
});

test('the catalog is that of the default, or of an alias, in pages', () => {
  assert.deepEqual(parse('/v2/_catalog'), { kind: 'catalog', name: undefined, page: {} });
  assert.deepEqual(parse('/v2/_catalog?n=7&last=a/b'), {
    kind: 'catalog',
    name: undefined,
    page: { count: 7, last: 'a/b' },
  });
  assert.deepEqual(parse('/v2/ghcr.io/_catalog'), { kind: 'catalog', name: 'ghcr.io', page: {} });
});

test('HEAD asks for the same as GET', () => {
  for (const path of ['/v2/', manifestPath(app, tag), blobPath(app, digest), tagsPathOf(app, {})]) {
    assert.deepEqual(parse(path, 'HEAD'), parse(path, 'GET'));
  }
});

// A repository may be called as the words of the paths are, so the last such word is the one that counts.
const greedy: Record<string, readonly [kind: string, name: string]> = {
  'a/manifests/manifests/latest': ['manifest', 'a/manifests'],
  'manifests/manifests/latest': ['manifest', 'manifests'],
  'a/blobs/x/manifests/latest': ['manifest', 'a/blobs/x'],
  [`a/manifests/latest/blobs/${digest}`]: ['blob', 'a/manifests/latest'],
  [`blobs/blobs/${digest}`]: ['blob', 'blobs'],
  'a/tags/list/manifests/latest': ['manifest', 'a/tags/list'],
  'a/tags/list/tags/list': ['tags', 'a/tags/list'],
  'manifests/tags/list': ['tags', 'manifests'],
  [`referrers/referrers/${digest}`]: ['referrers', 'referrers'],
  'a/blobs/uploads/manifests/latest': ['manifest', 'a/blobs/uploads'],
  'a/blobs/uploads/tags/list': ['tags', 'a/blobs/uploads'],
  [`a/blobs/uploads/blobs/${digest}`]: ['blob', 'a/blobs/uploads'],
};

for (const [rest, [kind, name]] of Object.entries(greedy)) {
  test(`/v2/${rest.replace(/:.*/, ':…')} is the ${kind} of "${name}"`, () => {
    const request = parseRequest('GET', rest, '');
    assert.deepEqual([request.kind, request.name], [kind, name]);
  });
}

describe('percent-encoding', () => {
  test('an encoded path means what it is decoded to', () => {
    const manifest = { kind: 'manifest', name: 'library/app', reference: digest };
    assert.deepEqual(parseRequest('GET', `library%2Fapp/manifests/${digest.replace(':', '%3A')}`, ''), manifest);
    assert.deepEqual(parseRequest('GET', `library/app%2fmanifests%2f${digest}`, ''), manifest);
  });

  test('a path that was encoded twice is decoded once', () => {
    assert.deepEqual(parseRequest('GET', 'a%252Fb/manifests/latest', ''), {
      kind: 'manifest',
      name: 'a%2Fb',
      reference: tag,
    });
  });

  for (const rest of ['%zz/manifests/latest', 'a%/manifests/latest', '%ff%fe/tags/list', 'a/tags/list%c3']) {
    test(`"${rest}" is no path of a registry’s`, () => {
      assert.throws(() => parseRequest('GET', rest, ''), { code: 'NOT_FOUND', status: 404 });
    });
  }
});

describe('what cannot be asked here', () => {
  const rows: Record<string, readonly [allow: string, methods: readonly string[]]> = {
    '': ['GET, HEAD', ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'get', '']],
    _catalog: ['GET, HEAD', ['POST', 'PUT', 'DELETE']],
    'a/tags/list': ['GET, HEAD', ['POST', 'PUT', 'DELETE', 'CONNECT']],
    [`a/referrers/${digest}`]: ['GET, HEAD', ['POST', 'PUT', 'DELETE']],
    'a/manifests/latest': ['GET, HEAD, PUT, DELETE', ['POST', 'PATCH', 'OPTIONS', 'put']],
    [`a/blobs/${digest}`]: ['GET, HEAD, DELETE', ['POST', 'PUT', 'PATCH']],
    'a/blobs/uploads': ['POST', ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']],
    'a/blobs/uploads/': ['POST', ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']],
    'a/blobs/uploads/1f0c-22': ['GET, HEAD, PATCH, PUT, DELETE', ['POST', 'TRACE', 'patch']],
  };
  for (const [rest, [allow, methods]] of Object.entries(rows)) {
    test(`${rest.replace(/:.*/, ':…') || 'the root'} has ${allow} and no other method`, () => {
      for (const method of methods) {
        const expected = { code: 'UNSUPPORTED', status: 405, headers: { allow } };
        assert.throws(() => parseRequest(method, rest, ''), expected, method);
      }
    });
  }

  test('what is no path of a registry’s is not found, by whatever method', () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      assert.throws(() => parseRequest(method, 'a/b/c', ''), { code: 'NOT_FOUND' });
    }
  });

  for (const rest of [
    'a/b',
    'a/manifests',
    '/manifests/latest',
    'a/manifests/latest/',
    'tags/list',
    '//',
    '/_catalog',
    'a\n/tags/list',
  ]) {
    test(`${JSON.stringify(rest)} is no path of a registry’s`, () => {
      assert.throws(() => parseRequest('GET', rest, ''), { code: 'NOT_FOUND', status: 404 });
    });
  }

  test('what can be no tag is not there, as the spec wants it: it is not malformed', () => {
    for (const method of ['GET', 'HEAD', 'DELETE']) {
      assert.throws(() => parseRequest(method, 'a/manifests/.x', ''), { code: 'MANIFEST_UNKNOWN', status: 404 });
    }
  });

  test('a malformed part has the code of that part', () => {
    assert.throws(() => parseRequest('GET', 'a/manifests/sha256:12', ''), { code: 'DIGEST_INVALID' });
    assert.throws(() => parseRequest('GET', 'a/blobs/latest', ''), { code: 'DIGEST_INVALID' });
    assert.throws(() => parseRequest('GET', 'a/referrers/latest', ''), { code: 'DIGEST_INVALID' });
  });

  for (const count of ['-1', 'ten', '1.5', '', '1e3', '1000000', '0x10', ' 5']) {
    test(`a page of ${JSON.stringify(count)} entries is invalid`, () => {
      const query = String(new URLSearchParams({ n: count }));
      for (const rest of ['a/tags/list', '_catalog']) {
        assert.throws(() => parseRequest('GET', rest, query), { code: 'PAGINATION_NUMBER_INVALID', status: 400 });
      }
    });
  }
});
