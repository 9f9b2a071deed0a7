import type { IncomingMessage } from 'node:http';
import { type Digest, digestOf, parseDigest } from '../../../src/oci/digest.ts';
import { type ErrorCode, RegistryError } from '../../../src/oci/errors.ts';
import { manifestAccept } from '../../../src/oci/manifest/media-types.ts';
import type { Page, Registry, RequestedRange } from '../../../src/oci/registry.ts';
import { rawRequest } from '../http/raw-http.ts';

/** A registry over HTTP, read with as little code as can be: it checks a server, and trusts it. No auth, no redirects. */
export function rawHttpRegistry(url: string): Registry {
  const get = (path: string, unknown: ErrorCode, signal: AbortSignal, headers: Record<string, string> = {}) =>
    fetchChecked('GET', url + path, unknown, signal, headers);
  const head = (path: string, unknown: ErrorCode, signal: AbortSignal, headers: Record<string, string> = {}) =>
    fetchChecked('HEAD', url + path, unknown, signal, headers);
  const accept = { accept: manifestAccept };
  return {
    async resolveManifest(repository, reference, signal) {
      const answer = await head(`/v2/${repository}/manifests/${reference}`, 'MANIFEST_UNKNOWN', signal, accept);
      return {
        digest: parseDigest(String(answer.headers['docker-content-digest'])),
        mediaType: String(answer.headers['content-type']),
        sizeBytes: Number(answer.headers['content-length']),
      };
    },
    async getManifest(repository, reference, signal) {
      const answer = await get(`/v2/${repository}/manifests/${reference}`, 'MANIFEST_UNKNOWN', signal, accept);
      const bytes = await readBody(answer, signal);
      return {
        digest: digestOf(bytes),
        mediaType: String(answer.headers['content-type']),
        sizeBytes: bytes.length,
        bytes,
      };
    },
    async statBlob(repository, digest, signal) {
      const answer = await head(`/v2/${repository}/blobs/${digest}`, 'BLOB_UNKNOWN', signal);
      return { sizeBytes: Number(answer.headers['content-length']) };
    },
    getBlob: (repository, digest, range, signal) => getBlob(`${url}/v2/${repository}/blobs/${digest}`, range, signal),
    async listTags(repository, page, signal) {
      const answer = await get(`/v2/${repository}/tags/list${queryOf(page)}`, 'NAME_UNKNOWN', signal);
      const { tags } = JSON.parse((await readBody(answer, signal)).toString()) as { tags: string[] };
      return { tags, next: nextPage(answer) };
    },
    async listReferrers(repository, digest: Digest, { artifactType, page }, signal) {
      const filter = artifactType === undefined ? '' : `?${new URLSearchParams({ artifactType })}`;
      const query = page === undefined ? filter : `?${page}`;
      const answer = await get(`/v2/${repository}/referrers/${digest}${query}`, 'NOT_FOUND', signal);
      const filtered = answer.headers['oci-filters-applied'] === 'artifactType';
      const next = nextQuery(answer)?.toString();
      return { bytes: await readBody(answer, signal), filtered, ...(next === undefined ? {} : { next }) };
    },
    async listRepositories(page, signal) {
      const answer = await get(`/v2/_catalog${queryOf(page)}`, 'UNSUPPORTED', signal);
      const list = JSON.parse((await readBody(answer, signal)).toString()) as { repositories: string[] };
      return { ...list, next: nextPage(answer) };
    },
  };
}

async function getBlob(url: string, range: RequestedRange | undefined, signal: AbortSignal) {
  const headers: Record<string, string> = range === undefined ? {} : { range: rangeHeader(range) };
  const answer = await fetchChecked('GET', url, 'BLOB_UNKNOWN', signal, headers);
  const pieces = answer[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.headers['content-range'] ?? '') ?? [];
  const length = Number(answer.headers['content-length']);
  return {
    sizeBytes: size === undefined ? length : Number(size),
    start: Number(first ?? 0),
    end: last === undefined ? length : Number(last) + 1,
    async next() {
      const { value, done } = await unlessAborted(pieces.next(), signal);
      return done ? undefined : { bytes: value, release: () => undefined };
    },
    close: () => void answer.destroy(),
  };
}

function rangeHeader(range: RequestedRange): string {
  return 'start' in range ? `bytes=${range.start}-${range.end ?? ''}` : `bytes=-${range.suffixLength}`;
}

async function fetchChecked(
  method: string,
  url: string,
  unknown: ErrorCode,
  signal: AbortSignal,
  headers: Record<string, string>,
): Promise<IncomingMessage> {
  signal.throwIfAborted();
  const answer = await rawRequest(url, { method, headers, signal });
  const status = answer.statusCode ?? 0;
  if (status < 300) {
    if (method === 'HEAD') answer.resume();
    return answer;
  }
  const contentRange = answer.headers['content-range'];
  const options = { status, headers: contentRange === undefined ? {} : { 'content-range': contentRange } };
  answer.destroy();
  const code = status === 416 ? 'RANGE_INVALID' : status === 404 ? unknown : 'UNAVAILABLE';
  throw new RegistryError(code, `Cannot fetch ${url}: ${status}`, options);
}

async function readBody(answer: IncomingMessage, signal: AbortSignal): Promise<Buffer> {
  return Buffer.concat(await unlessAborted(answer.toArray(), signal));
}

/** Node rejects with an error of its own when a signal fires; the contract wants the signal's reason. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}

function queryOf(page: Page): string {
  const query = new URLSearchParams();
  if (page.count !== undefined) query.set('n', `${page.count}`);
  if (page.last !== undefined) query.set('last', page.last);
  return query.size === 0 ? '' : `?${query}`;
}

function nextQuery(answer: IncomingMessage): URLSearchParams | undefined {
  const target = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link))?.[1];
  return target === undefined ? undefined : new URL(target, 'http://registry').searchParams;
}

function nextPage(answer: IncomingMessage): Page | undefined {
  const query = nextQuery(answer);
  if (query === undefined) return undefined;
  const count = query.get('n');
  return { count: count === null ? undefined : Number(count), last: query.get('last') ?? undefined };
}
