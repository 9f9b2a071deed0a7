/** What a path of the test registry is for. */
export type RouteName = 'ping' | 'token' | 'manifest' | 'blob' | 'tags' | 'referrers' | 'catalog' | 'cdn' | 'other';

/** A path, taken apart. */
export interface Route {
  readonly name: RouteName;
  /** Empty where the path names none. */
  readonly repository: string;
  /** A tag or digest; empty where the path names none. */
  readonly reference: string;
  readonly query: URLSearchParams;
}

const fixedPaths: Readonly<Record<string, RouteName>> = {
  '/v2/': 'ping',
  '/token': 'token',
  '/v2/_catalog': 'catalog',
};

const patterns: readonly (readonly [RouteName, RegExp])[] = [
  ['manifest', /^\/v2\/(?<repository>.+)\/manifests\/(?<reference>[^/]+)$/],
  ['blob', /^\/v2\/(?<repository>.+)\/blobs\/(?<reference>[^/]+)$/],
  ['tags', /^\/v2\/(?<repository>.+)\/tags\/list$/],
  ['referrers', /^\/v2\/(?<repository>.+)\/referrers\/(?<reference>[^/]+)$/],
  ['cdn', /^\/cdn\/(?<reference>[^/]+)$/],
];

/** Takes the path of a request apart. */
export function parseRoute(target: string): Route {
  const url = new URL(target, 'http://registry');
  const path = decodeURIComponent(url.pathname);
  const fixed = fixedPaths[path];
  if (fixed !== undefined) return { name: fixed, repository: '', reference: '', query: url.searchParams };
  for (const [name, pattern] of patterns) {
    const groups = pattern.exec(path)?.groups;
    if (groups === undefined) continue;
    const { repository = '', reference = '' } = groups;
    return { name, repository, reference, query: url.searchParams };
  }
  return { name: 'other', repository: '', reference: '', query: url.searchParams };
}
