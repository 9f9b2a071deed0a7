import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Digest } from '../../oci/digest.ts';
import { isNotFound } from '../../oci/errors.ts';
import { mediaTypes } from '../../oci/manifest/media-types.ts';
import type { Repository } from '../../oci/reference.ts';
import type { BlobContent, BlobStat, CacheOutcome, ManifestDescriptor, Page, Registry } from '../../oci/registry.ts';
import { parseRange } from '../../oci/wire/range.ts';
import { pageQuery, type RegistryRequest } from '../../oci/wire/request.ts';
import { writeHead } from '../answer/answer-head.ts';
import type { RequestRecord } from '../answer/record.ts';
import { labelOf, renderCacheStatus, renderWarning } from './cache-status.ts';
import { endWith, sendContent } from './send-content.ts';

/** A request that was routed to a registry. */
export interface PullContext {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly registry: Registry;
  readonly repository: Repository;
  readonly record: RequestRecord;
  /** Fires when the client has gone. */
  readonly signal: AbortSignal;
  /** Gives the repository a blob that is here for another, for a client that looks before it pushes. */
  mountMissing?(digest: Digest): Promise<boolean>;
}

type Of<K extends RegistryRequest['kind']> = Extract<RegistryRequest, { kind: K }>;

/** Content under its digest never changes; a year is the longest that caches reckon with. */
const immutable = 'max-age=31536000, immutable';

/** What no browser takes for a page, as all types of manifests that are known. */
const inertTypes = 'application/vnd.';
// Whoever may push a manifest may push one of type text/html: a browser must run nothing of it in the name of this server.
const inert = "sandbox; default-src 'none'";

/** Answers a request for a manifest (end-3). */
export async function sendManifest(context: PullContext, { reference }: Of<'manifest'>): Promise<void> {
  const { request, response, registry, repository, signal } = context;
  const manifest: ManifestDescriptor & { readonly bytes?: Uint8Array } =
    request.method === 'HEAD'
      ? await registry.resolveManifest(repository, reference, signal)
      : await registry.getManifest(repository, reference, signal);
  const { digest, mediaType, sizeBytes, outcome } = manifest;
  const headers: OutgoingHttpHeaders = {
    ...{ 'content-type': mediaType, 'content-length': sizeBytes },
    ...contentHeaders(digest),
  };
  if (!mediaType.startsWith(inertTypes)) headers['content-security-policy'] = inert;
  if (isUnchanged(request, digest)) return sendUnchanged(context, contentHeaders(digest), outcome);
  begin(context, 200, headers, outcome);
  if (request.method !== 'HEAD' && manifest.bytes) endWith(response, manifest.bytes);
  else response.end();
}

/** Answers a request for a blob (end-2). */
export async function sendBlob(context: PullContext, { digest }: Of<'blob'>): Promise<void> {
  const { request, response, registry, repository, signal } = context;
  const headers = { ...contentHeaders(digest), 'cache-control': immutable };
  if (request.method === 'HEAD') {
    const { sizeBytes, outcome } = await statBlob(context, digest);
    begin(context, 200, { ...headers, ...blobType, 'content-length': sizeBytes }, outcome);
    response.end();
    return;
  }
  const range = parseRange(request.headers.range);
  const content = await registry.getBlob(repository, digest, range, signal);
  if (isUnchanged(request, digest)) {
    content.close();
    return sendUnchanged(context, headers, content.outcome);
  }
  const isPart = range !== undefined && content.sizeBytes !== undefined;
  begin(context, isPart ? 206 : 200, { ...headers, ...blobType, ...lengthHeaders(content, isPart) }, content.outcome);
  await sendContent(response, content);
}

async function statBlob(context: PullContext, digest: Digest): Promise<BlobStat> {
  const { registry, repository, signal } = context;
  try {
    return await registry.statBlob(repository, digest, signal);
  } catch (error) {
    if (!isNotFound(error) || !(await context.mountMissing?.(digest))) throw error;
    return registry.statBlob(repository, digest, signal);
  }
}

const blobType = { 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes' };

function lengthHeaders({ start, end, sizeBytes }: BlobContent, isPart: boolean): OutgoingHttpHeaders {
  if (end === undefined) return {}; // then the body is chunked, and its end is the end of the last chunk
  const length = { 'content-length': end - start };
  return isPart ? { ...length, 'content-range': `bytes ${start}-${end - 1}/${sizeBytes}` } : length;
}

/** Answers a request for a page of tags (end-8). */
export async function sendTags(context: PullContext, { name, page }: Of<'tags'>): Promise<void> {
  const { registry, repository, signal } = context;
  const { tags, next, outcome } = await registry.listTags(repository, page, signal);
  // The name as the client asked for it: with an alias in front, that is what it knows the repository by.
  sendJson(context, { name, tags }, outcome, nextLink(context.request, next));
}

/** Answers a request for the referrers of a manifest (end-12). */
export async function sendReferrers(context: PullContext, asked: Of<'referrers'>): Promise<void> {
  const { request, response, registry, repository, signal } = context;
  const { artifactType, digest, query } = asked;
  const page = new URLSearchParams(query).get(referrersPageParameter) ?? undefined;
  const referrers = await registry.listReferrers(repository, digest, { artifactType, page }, signal);
  const headers: OutgoingHttpHeaders = {
    'content-type': mediaTypes.ociIndex,
    'content-length': referrers.bytes.length,
  };
  if (referrers.filtered) headers['oci-filters-applied'] = 'artifactType';
  if (referrers.next !== undefined) {
    const next = { ...(artifactType === undefined ? {} : { artifactType }), [referrersPageParameter]: referrers.next };
    headers['link'] = link(request, `?${new URLSearchParams(next)}`);
  }
  begin(context, 200, headers, referrers.outcome);
  response.end(request.method === 'HEAD' ? undefined : referrers.bytes);
}

/** Upstream's own query of a later page is whatever it likes, so ours carries it as one value. */
const referrersPageParameter = 'page';

/** Sends a JSON answer; `next` is the value of its `Link`, if there is another page. */
export function sendJson(
  context: Pick<PullContext, 'request' | 'response' | 'record'>,
  value: unknown,
  outcome: CacheOutcome | undefined,
  next: string | undefined,
): void {
  const body = Buffer.from(JSON.stringify(value));
  const headers: OutgoingHttpHeaders = { 'content-type': 'application/json', 'content-length': body.length };
  if (next !== undefined) headers['link'] = next;
  begin(context, 200, headers, outcome);
  context.response.end(context.request.method === 'HEAD' ? undefined : body);
}

/** The `Link` to the next page of the list that was asked for; undefined when there is none. */
export function nextLink(request: IncomingMessage, next: Page | undefined): string | undefined {
  // After an empty page (n=0) the next would be the same again, without end.
  return next?.last === undefined ? undefined : link(request, pageQuery(next));
}

// The path is the client's own, whatever virtual host, alias or prefix it came by; `ns` must come again.
function link(request: IncomingMessage, query: string): string {
  const [path, asked] = request.url!.split('?', 2);
  const namespace = new URLSearchParams(asked).get('ns');
  const kept = namespace === null ? '' : `${query === '' ? '?' : '&'}ns=${encodeURIComponent(namespace)}`;
  return `<${path}${query}${kept}>; rel="next"`;
}

function contentHeaders(digest: string): OutgoingHttpHeaders {
  return { 'docker-content-digest': digest, etag: `"${digest}"` };
}

function isUnchanged(request: IncomingMessage, digest: string): boolean {
  return request.headers['if-none-match']?.includes(`"${digest}"`) ?? false;
}

function sendUnchanged(context: PullContext, headers: OutgoingHttpHeaders, outcome: CacheOutcome | undefined): void {
  begin(context, 304, headers, outcome);
  context.response.end();
}

function begin(
  { response, record }: Pick<PullContext, 'response' | 'record'>,
  status: number,
  headers: OutgoingHttpHeaders,
  outcome: CacheOutcome | undefined,
): void {
  record.cache = labelOf(outcome);
  headers['cache-status'] = renderCacheStatus(outcome);
  if (outcome?.kind === 'stale') headers['warning'] = renderWarning(outcome.reason);
  writeHead({ response, record }, status, headers);
}
