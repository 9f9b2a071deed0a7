import { setImmediate } from 'node:timers/promises';
import type { Page, RepositoryList } from '../../oci/registry.ts';

/**
 * The first page, from the one that is asked for on, with entries that are told. Of the others, neither the page nor the
 * `Link` to the next one tells: that goes on after the last entry which is told.
 */
export async function listWhere(
  page: Page,
  isListed: (repository: string) => boolean,
  list: (page: Page) => Promise<RepositoryList>,
): Promise<RepositoryList> {
  for (let asked = page; ; ) {
    const answer = await list(asked);
    const repositories = answer.repositories.filter(isListed);
    if (repositories.length === answer.repositories.length) return answer;
    if (answer.next === undefined) return { repositories };
    if (repositories.length > 0) return { repositories, next: { ...answer.next, last: repositories.at(-1) } };
    asked = answer.next;
    await setImmediate(); // thousands of others may come before the next that is told: requests have their turn
  }
}
