import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page, RepositoryList } from '../../oci/registry.ts';
import { listWhere } from './list-where.ts';

/** A list of names in pages, which notes what it was asked for. */
function pagesOf(names: readonly string[]) {
  const asked: Page[] = [];
  const list = async (page: Page): Promise<RepositoryList> => {
    asked.push(page);
    const after = names.filter((name) => page.last === undefined || name > page.last);
    const repositories = after.slice(0, page.count);
    const hasMore = repositories.length < after.length;
    return { repositories, ...(hasMore ? { next: { count: page.count, last: repositories.at(-1) } } : {}) };
  };
  return { asked, list };
}

const names = ['a', 'secret/b', 'secret/c', 'secret/d', 'e', 'f'].sort();
const isListed = (name: string) => !name.startsWith('secret/');

test('the pages of a list, followed to its end, have every entry that is told, once, and no other', async () => {
  for (let count = 1; count <= names.length + 1; count++) {
    const { list } = pagesOf(names);
    const found: string[] = [];
    for (let page: Page | undefined = { count }; page !== undefined; ) {
      const answer: RepositoryList = await listWhere(page, isListed, list);
      assert.ok(answer.repositories.length <= count);
      found.push(...answer.repositories);
      page = answer.next;
    }
    assert.deepEqual(found, ['a', 'e', 'f'], `${count} on a page`);
  }
});

test('no page ends at an entry that is not told', async () => {
  const all = [...names, 'zz'].sort();
  for (let count = 1; count <= all.length; count++) {
    const { next } = await listWhere({ count, last: 'e' }, isListed, pagesOf(all).list);
    assert.ok(next?.last === undefined || isListed(next.last), String(next?.last));
  }
});

test('a list of which all is told is asked for once, and so is an empty page', async () => {
  const { asked, list } = pagesOf(names);
  assert.deepEqual((await listWhere({ count: 2 }, () => true, list)).repositories, names.slice(0, 2));
  assert.deepEqual(await listWhere({ count: 0 }, isListed, list), {
    repositories: [],
    next: { count: 0, last: undefined },
  });
  assert.equal(asked.length, 2);
});

test('a list of which nothing is told ends empty', async () => {
  assert.deepEqual(await listWhere({ count: 2 }, () => false, pagesOf(names).list), { repositories: [] });
});
