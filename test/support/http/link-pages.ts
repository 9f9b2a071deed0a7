import { type RawAnswer, rawFetch } from './raw-http.ts';

/** Fetches a list page by page, as its `Link` headers lead, and resolves with every page. */
export async function followLinks(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  maxPages = 100, // far more than any test's; a Link that leads to its own page must end, too
): Promise<RawAnswer[]> {
  const pages: RawAnswer[] = [];
  for (let next: string | undefined = url; next !== undefined; ) {
    if (pages.length === maxPages) throw new Error(`No end after ${maxPages} pages: ${next}`);
    const page = await rawFetch(next, { headers });
    if (page.status !== 200) throw new Error(`${page.status} for ${next}: ${page.body}`);
    pages.push(page);
    const target = nextTarget(page);
    next = target === undefined ? undefined : new URL(target, next).href;
  }
  return pages;
}

/** The target of the `Link` to the next page, as it was written. */
export function nextTarget({ headers }: RawAnswer): string | undefined {
  if (headers.link === undefined) return undefined;
  const [, target] = /^<([^<>\s]+)>; rel="next"$/.exec(String(headers.link)) ?? [];
  if (target === undefined) throw new Error(`Not a Link to the next page: ${headers.link}`);
  return target;
}

/** One list of all pages' JSON. */
export function gather<Entry>(pages: readonly RawAnswer[], key: string): Entry[] {
  return pages.flatMap(({ body }) => (JSON.parse(body.toString()) as Record<string, Entry[]>)[key] ?? []);
}
