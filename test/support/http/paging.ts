/** One page of a sorted list, and the entry after which the next page begins. */
export interface ListPage<Entry> {
  readonly entries: Entry[];
  readonly nextAfter: string | undefined;
}

/** Cuts one page from a list that is sorted by key: at most `count` entries after the key `last`. */
export function cutPage<Entry>(
  sorted: readonly Entry[],
  keyOf: (entry: Entry) => string,
  page: { readonly count?: number | undefined; readonly last?: string | undefined },
): ListPage<Entry> {
  const { count, last } = page;
  const rest = last === undefined ? sorted : sorted.filter((entry) => keyOf(entry) > last);
  if (count === undefined || count >= rest.length) return { entries: [...rest], nextAfter: undefined };
  const entries = rest.slice(0, count);
  const lastEntry = entries.at(-1);
  return { entries, nextAfter: lastEntry === undefined ? undefined : keyOf(lastEntry) };
}
