import { type Digest, parseDigest } from '../digest.ts';
import { RegistryError } from '../errors.ts';
import { parseHeldReference, type Reference, type Repository } from '../reference.ts';
import type { Page } from '../registry.ts';
import { type PushRequest, parseContentChange, parseUploadRequest, unsupportedMethod } from './push-request.ts';

/**
 * A request to read from a registry, parsed once. The name is as it stands in the path: whether its first component is an alias
 * of an upstream is for the routing to say.
 */
export type RegistryRequest =
  /** GET /v2/ (end-1) */
  | { readonly kind: 'ping'; readonly name: string | undefined }
  /** GET and HEAD /v2/<name>/blobs/<digest> (end-2) */
  | { readonly kind: 'blob'; readonly name: string; readonly digest: Digest }
  /** GET and HEAD /v2/<name>/manifests/<reference> (end-3) */
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: Reference }
  /** GET /v2/<name>/tags/list (end-8) */
  | { readonly kind: 'tags'; readonly name: string; readonly page: Page }
  /** GET /v2/<name>/referrers/<digest> (end-12) */
  | {
      readonly kind: 'referrers';
      readonly name: string;
      readonly digest: Digest;
      readonly artifactType: string | undefined;
      readonly query: string;
    }
  /** GET /v2/_catalog; the name is that of an alias, where one stands before it */
  | { readonly kind: 'catalog'; readonly name: string | undefined; readonly page: Page };

/** What is asked of a registry: to read, or to push. */
export type AnyRequest = RegistryRequest | PushRequest;

const readMethods = ['GET', 'HEAD'];
// The name is taken greedily: a repository may itself be called "manifests", so the last such word counts.
const contentPath = /^(.+)\/(manifests|blobs|referrers)\/([^/]+)$/;
const tagsPath = /^(.+)\/tags\/list$/;
const catalogPath = /^(?:(.+)\/)?_catalog$/;
const pingPath = /^([^/]+)\/?$/;
const contentMethods: Readonly<Record<string, readonly string[]>> = {
  manifests: [...readMethods, 'PUT', 'DELETE'],
  blobs: [...readMethods, 'DELETE'],
  referrers: readMethods,
};

/**
 * Parses the method, what follows `/v2/` in the path, and the query.
 * @throws RegistryError NOT_FOUND when the path is none of a registry's, UNSUPPORTED for a method that it has not,
 *   MANIFEST_UNKNOWN for what can be no tag, DIGEST_INVALID, TAG_INVALID, BLOB_UPLOAD_UNKNOWN or PAGINATION_NUMBER_INVALID for a malformed part
 */
export function parseRequest(method: string, rest: string, query: string): AnyRequest {
  const path = decode(rest);
  const upload = parseUploadRequest(method, path, query);
  if (upload) return upload;
  const content = contentPath.exec(path);
  if (content) return parseContent(method, { name: content[1]!, what: content[2]!, last: content[3]!, query });
  const listed = parseList(path, query);
  if (!readMethods.includes(method)) throw unsupportedMethod(method, readMethods);
  return listed;
}

function parseContent(
  method: string,
  asked: { readonly name: string; readonly what: string; readonly last: string; readonly query: string },
): AnyRequest {
  const { name, what, last, query } = asked;
  if (!readMethods.includes(method)) {
    const change = parseContentChange(method, asked);
    if (change === undefined) throw unsupportedMethod(method, contentMethods[what]!);
    return change;
  }
  if (what === 'manifests') return { kind: 'manifest', name, reference: parseHeldReference(last) };
  if (what === 'blobs') return { kind: 'blob', name, digest: parseDigest(last) };
  const artifactType = new URLSearchParams(query).get('artifactType') ?? undefined;
  return { kind: 'referrers', name, digest: parseDigest(last), artifactType, query };
}

function parseList(path: string, query: string): RegistryRequest {
  const tags = tagsPath.exec(path);
  if (tags) return { kind: 'tags', name: tags[1]!, page: parsePage(query) };
  if (path === '') return { kind: 'ping', name: undefined };
  const catalog = catalogPath.exec(path);
  if (catalog) return { kind: 'catalog', name: catalog[1], page: parsePage(query) };
  const ping = pingPath.exec(path);
  if (ping) return { kind: 'ping', name: ping[1]! };
  throw new RegistryError('NOT_FOUND', `Cannot find "/v2/${path.slice(0, 300)}": it is none of a registry's paths`);
}

function decode(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new RegistryError('NOT_FOUND', 'Cannot read the path: it is not percent-encoded UTF-8', { cause });
  }
}

function parsePage(query: string): Page {
  if (query === '') return {};
  const parameters = new URLSearchParams(query);
  const count = parameters.get('n');
  const last = parameters.get('last') ?? undefined;
  if (count === null) return { last };
  // Six digits are beyond every registry's page, and far from where numbers lose precision.
  if (!/^\d{1,6}$/.test(count)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', `Cannot read n="${count.slice(0, 40)}": expected a count`);
  }
  return { count: Number(count), last };
}

/** The path of a manifest, from the registry's root. */
export function manifestPath(repository: Repository, reference: Reference): string {
  return `/v2/${repository}/manifests/${reference}`;
}

/** The path of a blob, from the registry's root. */
export function blobPath(repository: Repository, digest: Digest): string {
  return `/v2/${repository}/blobs/${digest}`;
}

/** The path and query of a page of tags, from the registry's root. */
export function tagsPathOf(repository: Repository, page: Page): string {
  return `/v2/${repository}/tags/list${pageQuery(page)}`;
}

/** The path of a digest's referrers, from the registry's root; `query` begins with "?" or is empty. */
export function referrersPath(repository: Repository, digest: Digest, query: string): string {
  return `/v2/${repository}/referrers/${digest}${query}`;
}

/** A page as a query, with its question mark; empty for the first page of the registry's own size. */
export function pageQuery(page: Page): string {
  const parameters = new URLSearchParams();
  if (page.count !== undefined) parameters.set('n', String(page.count));
  if (page.last !== undefined) parameters.set('last', page.last);
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

/** The path of an upload, from the registry's root; that where uploads begin, without an id. */
export function uploadPath(repository: string, id = ''): string {
  return `/v2/${repository}/blobs/uploads/${id}`;
}
