import { setImmediate } from 'node:timers/promises';
import type { MetadataIndex, RepositoryKey } from '../index/metadata-index.ts';
import type { Repository } from '../oci/reference.ts';
import type { Page, RepositoryList, TagList } from '../oci/registry.ts';

// However many are wanted: an answer is some 100 KB at most, and of each it is asked whether it is guarded.
const maxRepositoryCount = 1000;

const defaultTagCount = 1000;
const maxTagCount = 10_000; // of 1.3 MB at most

// Some milliseconds. However few are wanted, so many are read: most may be some that are not told.
const readTogether = 500;

/** Those of some repositories that are not guarded: their names are for those only who may read them. */
async function unguarded(index: Pick<MetadataIndex, 'getKind'>, keys: readonly RepositoryKey[]) {
  const kinds = await Promise.all(keys.map((key) => index.getKind(key)));
  return keys.filter((_, at) => kinds[at] !== 'guarded');
}

/** One page of the repositories of one registry, of which something is kept here; none that are guarded. */
export async function listUnguarded(
  index: Pick<MetadataIndex, 'listRepositories' | 'getKind'>,
  registry: string,
  page: Page,
): Promise<RepositoryList> {
  const { last } = page;
  const count = Math.min(page.count ?? maxRepositoryCount, maxRepositoryCount);
  const found: RepositoryKey[] = [];
  let after = last === undefined ? undefined : { registry, repository: last as Repository };
  for (;;) {
    const wanted = Math.max(count + 1 - found.length, readTogether);
    const keys = await index.listRepositories(registry, { count: wanted, after });
    found.push(...(await unguarded(index, keys)));
    after = keys.at(-1);
    if (keys.length < wanted || found.length > count) break;
    await setImmediate(); // requests have their turn
  }
  const repositories = found.slice(0, count).map(({ repository }) => repository);
  return { repositories, next: found.length > count ? { count, last: repositories.at(-1) } : undefined };
}

/**
 * One page of the repositories of several registries, of which something is kept here. The pages go through the
 * registries by alias; within each they are in lexical order. None of them is guarded.
 * @param aliases what stands before the repositories of each registry, and the registry's name; empty for the default
 * @param isListed which of them are told
 */
export async function listCatalog(
  index: Pick<MetadataIndex, 'listRepositories' | 'getKind'>,
  aliases: ReadonlyMap<string, string>,
  page: Page,
  isListed: (key: RepositoryKey) => boolean,
): Promise<RepositoryList> {
  const count = Math.min(page.count ?? maxRepositoryCount, maxRepositoryCount);
  const found: string[] = [];
  for (const [alias, registry] of [...aliases].sort(([a], [b]) => (a < b ? -1 : 1))) {
    let after = positionIn(alias, registry, aliases, page.last);
    while (after !== 'passed' && found.length <= count) {
      const wanted = Math.max(count + 1 - found.length, readTogether);
      const keys = await index.listRepositories(registry, { count: wanted, after });
      const listed = (await unguarded(index, keys)).filter(isListed);
      found.push(...listed.map(({ repository }) => (alias === '' ? repository : `${alias}/${repository}`)));
      after = keys.length < wanted ? 'passed' : keys.at(-1);
      if (after !== 'passed') await setImmediate(); // requests have their turn
    }
  }
  const repositories = found.slice(0, count);
  return { repositories, next: found.length > count ? { count, last: repositories.at(-1) } : undefined };
}

/** One page of the tags of a repository that were pulled from here; undefined when none were. */
export async function listKnownTags(
  index: Pick<MetadataIndex, 'listTags'>,
  key: RepositoryKey,
  page: Page,
): Promise<TagList | undefined> {
  const count = Math.min(page.count ?? defaultTagCount, maxTagCount);
  const found = await index.listTags(key, { count: count + 1, last: page.last });
  if (found.length === 0 && page.last === undefined) return undefined;
  const tags = found.slice(0, count);
  return { tags, next: count > 0 && found.length > count ? { count, last: tags.at(-1) } : undefined };
}

/** Where in a registry a page begins: after a repository, at its beginning, or not in it, as the page begins later. */
function positionIn(
  alias: string,
  registry: string,
  aliases: ReadonlyMap<string, string>,
  last: string | undefined,
): RepositoryKey | undefined | 'passed' {
  if (last === undefined) return undefined;
  const slash = last.indexOf('/');
  const first = slash < 0 ? '' : last.slice(0, slash);
  const lastAlias = aliases.has(first) ? first : '';
  if (lastAlias > alias) return 'passed';
  if (lastAlias < alias) return undefined;
  return { registry, repository: (alias === '' ? last : last.slice(slash + 1)) as Repository };
}
