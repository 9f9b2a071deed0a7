import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { parseCacheStatus } from '../../support/http/cache-status.ts';
import { followLinks, gather, nextTarget } from '../../support/http/link-pages.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import type { Quirks } from '../../support/registry/quirks.ts';
import { setDoorStage } from '../../support/stages/door-stage.ts';
import { repository } from '../../support/stages/stage.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { startTestRegistry, type TestRegistry } from '../../support/upstream/test-registry.ts';

const tags = ['1.0', '1.1', '2.0', 'edge', 'latest'];

/** The ways to name a registry, each with the path before a repository's name, the query and the host. */
const shapes = [
  { shape: 'by default', root: '/v2/', query: '', host: 'cache.test' },
  { shape: 'by an alias before /v2/', root: '/origin.test/v2/', query: '', host: 'cache.test' },
  { shape: 'by an alias behind /v2/', root: '/v2/origin.test/', query: '', host: 'cache.test' },
  { shape: 'by ns', root: '/v2/', query: 'ns=origin.test', host: 'cache.test' },
  { shape: 'by an alias and another ns', root: '/v2/origin.test/', query: 'ns=docker.io', host: 'cache.test' },
  { shape: 'by a virtual host', root: '/v2/', query: '', host: 'origin.test.cache.test' },
] as const;

function putTags(origin: TestRegistry): void {
  for (const tag of tags) origin.content.push(repository, makeImage({ seed: tag, layers: [1] }), tag);
}

describe('tags/list', () => {
  for (const { shape, root, query, host } of shapes) {
    test(`followed page by page, the registry named ${shape}, gives all tags`, async (t) => {
      const { origin, url } = await setDoorStage(t, { cache: { domain: 'cache.test' } });
      putTags(origin);
      const path = `${root}${repository}/tags/list`;
      const pages = await followLinks(`${url}${path}?n=2${query === '' ? '' : `&${query}`}`, { host });
      assert.deepEqual(gather(pages, 'tags'), tags);
      assert.equal(pages.length, 3);
      for (const page of pages.slice(0, -1)) {
        const target = new URL(String(nextTarget(page)), url);
        assert.equal(target.pathname, path, 'the path is the client’s own');
        assert.equal(target.searchParams.get('ns'), new URLSearchParams(query).get('ns'));
        assert.equal(target.searchParams.get('n'), '2');
      }
    });
  }

  test('names the repository as the client does', async (t) => {
    const { origin, url } = await setDoorStage(t);
    putTags(origin);
    const nameOf = async (path: string) => JSON.parse((await rawFetch(url + path)).body.toString()).name;
    assert.equal(await nameOf(`/v2/${repository}/tags/list`), repository);
    assert.equal(await nameOf(`/v2/origin.test/${repository}/tags/list`), `origin.test/${repository}`);
    assert.equal(await nameOf(`/origin.test/v2/${repository}/tags/list`), repository);
  });

  const oddities: readonly (readonly [why: string, quirks: Quirks])[] = [
    ['smaller pages than were asked for', { maxPageSize: 1 }],
    ['whole URLs of its own in Link', { absoluteLinks: true, maxPageSize: 2 }],
  ];
  for (const [why, quirks] of oddities) {
    test(`gives all tags of an upstream that has ${why}`, async (t) => {
      const { origin, url } = await setDoorStage(t, { registry: { quirks } });
      putTags(origin);
      const pages = await followLinks(`${url}/v2/${repository}/tags/list?n=3`);
      assert.deepEqual(gather(pages, 'tags'), tags);
      for (const page of pages) assert.doesNotMatch(String(page.headers.link), new RegExp(origin.authority));
    });
  }

  test('passes n and last on, n=0 too, and begins after last', async (t) => {
    const { origin, url } = await setDoorStage(t);
    putTags(origin);
    const list = async (query: string) => {
      const answer = await rawFetch(`${url}/v2/${repository}/tags/list${query}`);
      return [JSON.parse(answer.body.toString()).tags, nextTarget(answer)];
    };
    assert.deepEqual(await list(''), [tags, undefined]);
    assert.deepEqual(await list('?n=0'), [[], undefined]);
    assert.deepEqual(await list('?n=100'), [tags, undefined]);
    assert.deepEqual(await list('?last=2.0'), [['edge', 'latest'], undefined]);
    assert.deepEqual(await list('?n=1&last=2.0'), [['edge'], `/v2/${repository}/tags/list?n=1&last=edge`]);
    assert.deepEqual(origin.requests.lines(/tags/), [
      `GET /v2/${repository}/tags/list`,
      `GET /v2/${repository}/tags/list?n=0`,
      `GET /v2/${repository}/tags/list?n=100`,
      `GET /v2/${repository}/tags/list?last=2.0`,
      `GET /v2/${repository}/tags/list?n=1&last=2.0`,
    ]);
  });

  test('is JSON with its length, and HEAD says the same', async (t) => {
    const { origin, url } = await setDoorStage(t);
    putTags(origin);
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await rawFetch(`${url}/v2/${repository}/tags/list?n=2`, { method });
      assert.deepEqual([status, headers['content-type']], [200, 'application/json']);
      assert.equal(headers['docker-distribution-api-version'], 'registry/2.0');
      assert.match(String(headers.link), /rel="next"$/);
      assert.deepEqual(parseCacheStatus(headers['cache-status']).parameters, { fwd: 'miss' });
      const expected = JSON.stringify({ name: repository, tags: ['1.0', '1.1'] });
      assert.equal(headers['content-length'], String(expected.length));
      assert.equal(body.toString(), method === 'GET' ? expected : '');
    }
  });

  test('of a repository that is not there is 404', async (t) => {
    const { url } = await setDoorStage(t);
    const { status, body } = await rawFetch(`${url}/v2/no/such/tags/list`);
    assert.deepEqual([status, JSON.parse(body.toString()).errors[0].code], [404, 'NAME_UNKNOWN']);
  });
});

const sbom = 'application/vnd.example.sbom';

/** Puts a subject that three manifests refer to, two of them of the type `sbom`. */
function putReferrers(origin: TestRegistry) {
  const subject = makeImage({ seed: 'subject', layers: [1] });
  origin.content.push(repository, subject, 'latest');
  const byType = new Map<string, string[]>();
  for (const [index, artifactType] of [sbom, 'application/vnd.example.signature', sbom].entries()) {
    const image = makeImage({ seed: `r${index}`, layers: [1], subject: subject.manifest, artifactType });
    byType.set(artifactType, [...(byType.get(artifactType) ?? []), origin.content.push(repository, image)].sort());
  }
  const all = [...byType.values()].flat().sort();
  return { digest: subject.manifest.digest, all, sboms: byType.get(sbom) ?? [] };
}

const digestsOf = (pages: Parameters<typeof gather>[0]) =>
  gather<{ digest: string }>(pages, 'manifests').map(({ digest }) => digest);

describe('referrers', () => {
  for (const { shape, root, query, host } of shapes) {
    test(`followed page by page, the registry named ${shape}, gives all of them, filtered and not`, async (t) => {
      const { origin, url } = await setDoorStage(t, {
        registry: { quirks: { maxPageSize: 1 } },
        cache: { domain: 'cache.test' },
      });
      const { digest, all, sboms } = putReferrers(origin);
      const list = `${url}${root}${repository}/referrers/${digest}`;
      const whole = await followLinks(`${list}?${query}`, { host });
      assert.deepEqual([digestsOf(whole), whole.length], [all, 3]);
      const filtered = await followLinks(`${list}?artifactType=${encodeURIComponent(sbom)}&${query}`, { host });
      assert.deepEqual([digestsOf(filtered), filtered.length], [sboms, 2]);
      for (const page of filtered) assert.equal(page.headers['oci-filters-applied'], 'artifactType');
      for (const page of whole) assert.equal(page.headers['oci-filters-applied'], undefined);
    });
  }

  test('are the bytes that upstream sent, as an image index', async (t) => {
    const { origin, url } = await setDoorStage(t);
    const { digest, all } = putReferrers(origin);
    const path = `/v2/${repository}/referrers/${digest}`;
    const { status, headers, body } = await rawFetch(url + path);
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'application/vnd.oci.image.index.v1+json');
    assert.deepEqual(body, (await rawFetch(origin.url + path)).body);
    assert.deepEqual(
      JSON.parse(body.toString()).manifests.map((entry: { digest: string }) => entry.digest),
      all,
    );
    const head = await rawFetch(url + path, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, String(body.length), 0]);
  });

  test('do not claim to be filtered when upstream did not filter them', async (t) => {
    const { origin, url } = await setDoorStage(t, { registry: { quirks: { noReferrersFilter: true } } });
    const { digest, all } = putReferrers(origin);
    const page = await rawFetch(`${url}/v2/${repository}/referrers/${digest}?artifactType=${encodeURIComponent(sbom)}`);
    assert.equal(page.headers['oci-filters-applied'], undefined);
    assert.deepEqual(digestsOf([page]), all);
  });

  test('of a manifest that nothing refers to are an empty index', async (t) => {
    const { origin, url } = await setDoorStage(t);
    putReferrers(origin);
    const { status, body } = await rawFetch(`${url}/v2/${repository}/referrers/${digestOf(Buffer.from('none'))}`);
    assert.deepEqual([status, JSON.parse(body.toString()).manifests], [200, []]);
  });

  test('are 404 where upstream has no such thing, so that clients use the fallback tag', async (t) => {
    const { origin, url } = await setDoorStage(t, { registry: { quirks: { noReferrers: true } } });
    const { digest } = putReferrers(origin);
    assert.equal((await rawFetch(`${url}/v2/${repository}/referrers/${digest}`)).status, 404);
  });

  test('take no page from a client that would change what upstream is asked beside its query', async (t) => {
    const { origin, url } = await setDoorStage(t);
    const { digest } = putReferrers(origin);
    const path = `/v2/${repository}/referrers/${digest}`;
    for (const page of ['x HTTP/1.1\r\nx-injected: 1\r\n\r\n', '#/../../', '&a=b c', 'ü€😀', '\u0000']) {
      await rawFetch(`${url}${path}?page=${encodeURIComponent(page)}`);
    }
    for (const request of origin.requests.matching(({ route }) => route !== 'ping')) {
      assert.equal(new URL(request.url, origin.url).pathname, path);
      assert.equal(request.headers['x-injected'], undefined);
    }
  });
});

/** Two registries, of each of which two repositories were pulled, and a third that has more was not. */
async function pulledFromTwo(t: TestContext, options: { default?: null } = {}) {
  const [hub, other] = [await startTestRegistry(), await startTestRegistry()];
  const cache = await startTestCache({
    data: tmpDir(t),
    domain: 'cache.test',
    upstreams: [
      { name: 'docker.io', urls: [new URL(hub.url)], dockerHub: true },
      { name: 'registry.corp:5443', alias: 'registry.corp', urls: [new URL(other.url)] },
    ],
    ...options,
  });
  t.after(() => Promise.all([cache.stop(), hub.close(), other.close()]));
  const image = makeImage({ seed: 'app', layers: [1] });
  for (const name of ['library/alpine', 'team/app', 'never/pulled']) hub.content.push(name, image, 'latest');
  for (const name of ['a/one', 'b/two', 'never/pulled']) other.content.push(name, image, 'latest');
  for (const path of ['docker.io/alpine', 'docker.io/team/app', 'registry.corp/b/two', 'registry.corp/a/one']) {
    const { status } = await rawFetch(`${cache.url}/v2/${path}/manifests/latest`);
    assert.equal(status, 200);
  }
  return cache;
}

describe('_catalog', () => {
  test('lists what was pulled of all registries, each by a name that it can be pulled by', async (t) => {
    const { url } = await pulledFromTwo(t);
    const { status, headers, body } = await rawFetch(`${url}/v2/_catalog`);
    assert.deepEqual([status, headers['content-type']], [200, 'application/json']);
    const { repositories } = JSON.parse(body.toString()) as { repositories: string[] };
    assert.deepEqual(repositories, ['library/alpine', 'team/app', 'registry.corp/a/one', 'registry.corp/b/two']);
    for (const name of repositories) {
      assert.equal((await rawFetch(`${url}/v2/${name}/manifests/latest`, { method: 'HEAD' })).status, 200);
    }
  });

  test('has an alias before every name where there is no default', async (t) => {
    const { url } = await pulledFromTwo(t, { default: null });
    const pages = await followLinks(`${url}/v2/_catalog?n=3`);
    const expected = ['docker.io/library/alpine', 'docker.io/team/app', 'registry.corp/a/one', 'registry.corp/b/two'];
    assert.deepEqual(gather(pages, 'repositories'), expected);
  });

  const own = { 'docker.io': ['library/alpine', 'team/app'], 'registry.corp': ['a/one', 'b/two'] };
  for (const [alias, expected] of Object.entries(own)) {
    for (const [shape, path, host] of [
      ['before /v2/', `/${alias}/v2/_catalog?`, 'cache.test'],
      ['behind /v2/', `/v2/${alias}/_catalog?`, 'cache.test'],
      ['in ns', `/v2/_catalog?ns=${alias}&`, 'cache.test'],
      ['as a virtual host', '/v2/_catalog?', `${alias}.cache.test`],
    ] as const) {
      test(`lists what was pulled of one registry where ${alias} is named ${shape}, page by page`, async (t) => {
        const { url } = await pulledFromTwo(t);
        const pages = await followLinks(`${url}${path}n=1`, { host });
        assert.deepEqual(gather(pages, 'repositories'), expected);
        assert.equal(pages.length, 2);
      });
    }
  }

  test('goes page by page through all registries, whatever the size of a page', async (t) => {
    const { url } = await pulledFromTwo(t);
    const expected = ['library/alpine', 'team/app', 'registry.corp/a/one', 'registry.corp/b/two'];
    for (const [count, pageCount] of [
      [1, 4],
      [2, 2],
      [3, 2],
      [4, 1],
      [5, 1],
    ] as const) {
      const pages = await followLinks(`${url}/v2/_catalog?n=${count}`);
      assert.deepEqual([gather(pages, 'repositories'), pages.length], [expected, pageCount], `n=${count}`);
    }
    const after = await rawFetch(`${url}/v2/_catalog?last=registry.corp/a/one`);
    assert.deepEqual(gather([after], 'repositories'), ['registry.corp/b/two']);
    const empty = await rawFetch(`${url}/v2/_catalog?n=0`);
    assert.deepEqual([gather([empty], 'repositories'), empty.headers.link], [[], undefined]);
  });

  test('is empty when nothing was pulled', async (t) => {
    const { url, origin } = await setDoorStage(t);
    putTags(origin);
    assert.equal((await rawFetch(`${url}/v2/_catalog`)).body.toString(), '{"repositories":[]}');
    assert.deepEqual(origin.requests.lines(), []);
  });
});
