/** A path split where the registry's part begins. */
export interface RegistryPath {
  /** The component before `/v2/`, if there is one. */
  readonly prefix: string | undefined;
  /** What follows `/v2/`. */
  readonly rest: string;
}

/** Splits `/v2/…` and `/<alias>/v2/…`; undefined for every other path. */
export function splitPath(path: string): RegistryPath | undefined {
  if (path.startsWith('/v2/')) return { prefix: undefined, rest: path.slice('/v2/'.length) };
  if (path === '/v2') return { prefix: undefined, rest: '' };
  const match = /^\/([^/]+)\/v2(?:\/(.*))?$/s.exec(path);
  return match ? { prefix: match[1]!.toLowerCase(), rest: match[2] ?? '' } : undefined;
}

/** Whether a path behind `/v2/` is any of a registry's: quay.io has its token server there, too. */
export function isRegistryPath(rest: string): boolean {
  return /^(?:$|_catalog\b|.*%|.+\/(?:manifests|blobs|tags|referrers)(?:\/|$))/s.test(rest);
}
