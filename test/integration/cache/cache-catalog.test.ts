import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { listCatalog, listKnownTags, listUnguarded } from '../../../src/cache/catalog.ts';
import type { RepositoryKey, RepositoryKind, RepositoryPage } from '../../../src/index/metadata-index.ts';
import { openSqliteIndex } from '../../../src/index/sqlite/sqlite.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import type { Page } from '../../../src/oci/registry.ts';
import { tmpDir } from '../../support/disk/tmp.ts';

const digest = digestOf(Buffer.from('x'));

/** Three registries, the first being the default; the third has nothing. */
const aliases = new Map([
  ['', 'docker.io'],
  ['ghcr.io', 'ghcr.io'],
  ['quay.io', 'quay.io'],
  ['reg.corp', 'registry.corp:5443'],
]);

const repositories = {
  'docker.io': ['library/alpine', 'library/nginx', 'zeta/app'],
  'ghcr.io': ['a', 'owner/app'],
  'registry.corp:5443': ['team/app'],
};

const all = ['library/alpine', 'library/nginx', 'zeta/app', 'ghcr.io/a', 'ghcr.io/owner/app', 'reg.corp/team/app'];

async function openIndex(t: TestContext) {
  const index = openSqliteIndex(join(tmpDir(t), 'index.sqlite'));
  t.after(() => index.close());
  for (const [registry, names] of Object.entries(repositories)) {
    for (const name of names) await index.link({ registry, repository: parseRepository(name) }, digest, undefined, 1);
  }
  return index;
}

async function setUp(t: TestContext) {
  const index = await openIndex(t);
  return (page: Page) => listCatalog(index, aliases, page, () => true);
}

test('the catalog lists the repositories of all registries, by the names that they are pulled under', async (t) => {
  const list = await setUp(t);
  assert.deepEqual(await list({}), { repositories: all, next: undefined });
});

test('the pages of the catalog, of every size, are all of it, and only the last has no next', async (t) => {
  const list = await setUp(t);
  for (let count = 1; count <= all.length + 1; count++) {
    const found: string[] = [];
    let page: Page | undefined = { count };
    while (page !== undefined) {
      const { repositories: names, next } = await list(page);
      assert.ok(names.length <= count);
      assert.ok(next === undefined || names.length === count, `a page of ${names.length} is not the last`);
      found.push(...names);
      page = next;
    }
    assert.deepEqual(found, all, `pages of ${count}`);
  }
});

test('a page of the catalog begins after any name, also one that is not there', async (t) => {
  const list = await setUp(t);
  const after = async (last: string) => (await list({ last })).repositories;
  assert.deepEqual(await after('library/b'), all.slice(1));
  assert.deepEqual(await after('zzz'), all.slice(3));
  assert.deepEqual(await after('ghcr.io/a'), all.slice(4));
  assert.deepEqual(await after('quay.io/whatever'), all.slice(5));
  assert.deepEqual(await after('reg.corp/team/app'), []);
});

test('a page of the catalog of no entries is empty', async (t) => {
  const list = await setUp(t);
  assert.deepEqual((await list({ count: 0 })).repositories, []);
});

test('the catalog without a default registry lists the others', async (t) => {
  const index = openSqliteIndex(join(tmpDir(t), 'index.sqlite'));
  t.after(() => index.close());
  await index.link({ registry: 'ghcr.io', repository: parseRepository('a') }, digest, undefined, 1);
  const named = new Map([['ghcr.io', 'ghcr.io']]);
  assert.deepEqual((await listCatalog(index, named, {}, () => true)).repositories, ['ghcr.io/a']);
  assert.deepEqual((await listCatalog(index, new Map(), {}, () => true)).repositories, []);
});

test('the catalog without what a client may not pull has full pages, which tell of nothing else', async (t) => {
  const index = await openIndex(t);
  const isListed = ({ repository }: { repository: string }) => repository.endsWith('app');
  const first = await listCatalog(index, aliases, { count: 2 }, isListed);
  assert.deepEqual(first, {
    repositories: ['zeta/app', 'ghcr.io/owner/app'],
    next: { count: 2, last: 'ghcr.io/owner/app' },
  });
  const second = await listCatalog(index, aliases, first.next ?? {}, isListed);
  assert.deepEqual(second, { repositories: ['reg.corp/team/app'], next: undefined });
});

test('however many repositories are not told, looking past them keeps nobody waiting, and takes few queries', async () => {
  const many = Array.from({ length: 2500 }, (_, place) => parseRepository(`r${String(place).padStart(5, '0')}`));
  const last = many.at(-1)!;
  let queries = 0;
  const index = {
    async listRepositories(registry = '', { count = many.length, after }: RepositoryPage = {}) {
      queries++;
      const from = after === undefined ? 0 : many.indexOf(after.repository) + 1;
      return many.slice(from, from + count).map((repository) => ({ registry, repository }));
    },
    getKind: async ({ repository }: RepositoryKey) => (repository === last ? 'open' : 'guarded') as RepositoryKind,
  };
  const page = { count: 1 };
  for (const list of [
    () => listCatalog(index, new Map([['', 'docker.io']]), page, () => true),
    () => listUnguarded(index, 'docker.io', page),
  ]) {
    queries = 0;
    let turns = 0;
    const turn = () => {
      turns++;
      if (queries < many.length) timer = setImmediate(turn);
    };
    let timer = setImmediate(turn);
    assert.deepEqual((await list()).repositories, [last]);
    clearImmediate(timer);
    assert.ok(queries < 10 && turns >= queries - 2, `${queries} queries, ${turns} turns`);
  }
});

// The index, and everybody else, would wait for a list of a million names.
test('a page is of a size that one query gives soon, however many are wanted, and the rest is on the next', async () => {
  const many = Array.from({ length: 12_500 }, (_, place) => `r${String(place).padStart(5, '0')}`);
  let most = 0;
  const pageOf = (count = many.length, after: string | undefined) => {
    most = Math.max(most, count);
    const from = after === undefined ? 0 : many.indexOf(after) + 1;
    return many.slice(from, from + count);
  };
  const index = {
    listRepositories: async (registry = '', { count, after }: RepositoryPage = {}) =>
      pageOf(count, after?.repository).map((name) => ({ registry, repository: parseRepository(name) })),
    listTags: async (_: RepositoryKey, { count, last }: Page) => pageOf(count, last),
    getKind: async () => 'open' as RepositoryKind,
  };
  const key = { registry: 'docker.io', repository: parseRepository('library/nginx') };
  const lists: readonly [maxCount: number, (page: Page) => Promise<readonly [readonly string[], Page | undefined]>][] =
    [
      [1000, async (page) => listUnguarded(index, 'docker.io', page).then((list) => [list.repositories, list.next])],
      [
        1000,
        async (page) => {
          const list = await listCatalog(index, new Map([['', 'docker.io']]), page, () => true);
          return [list.repositories, list.next];
        },
      ],
      [10_000, async (page) => listKnownTags(index, key, page).then((list) => [list!.tags, list!.next])],
    ];
  for (const [maxCount, list] of lists) {
    most = 0;
    const found: string[] = [];
    for (let page: Page | undefined = { count: 999_999 }; page !== undefined; ) {
      const [names, next] = await list(page);
      found.push(...names);
      page = next;
    }
    assert.deepEqual(found, many);
    assert.equal(most, maxCount + 1);
  }
  assert.deepEqual(await listKnownTags(index, key, { count: 0 }), { tags: [], next: undefined });
  assert.equal(await listKnownTags({ listTags: async () => [] }, key, { count: 0 }), undefined);
});
