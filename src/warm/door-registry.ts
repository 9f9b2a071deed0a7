import type { IncomingMessage } from 'node:http';
import { algorithmOf, type Digest, digestOf, isDigest } from '../oci/digest.ts';
import { type ErrorCode, errorStatus, RegistryError } from '../oci/errors.ts';
import { isObject, parseJson } from '../oci/json.ts';
import { manifestAccept } from '../oci/manifest/media-types.ts';
import { isDigestReference, type Repository } from '../oci/reference.ts';
import type { BlobContent, CacheOutcome, Chunk, RequestedRange } from '../oci/registry.ts';
import type { WarmRegistry } from './warm-registry.ts';

/**
 * Asks a running server something, and gives its answer when the head is there.
 * @throws Error of the connection, the signal's reason
 */
export type AskDoor = (
  method: 'GET' | 'HEAD',
  path: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<IncomingMessage>;

/** The server answers within its patience, or says that it cannot. */
const headLimitMs = 60_000;
/** A step of a large blob, from an upstream that is slow; the server itself ends what does not move at all. */
const byteLimitMs = 30 * 60_000;
/** What a manifest may have; the server takes no larger ones itself. */
const maxManifestBytes = 8 * 1024 * 1024;
const maxErrorBytes = 64 * 1024;

/** A registry as a running server caches it, which is asked by its registry door, as containerd does: by `ns=`. */
export function doorRegistry(registry: string, ask: AskDoor): WarmRegistry {
  const pathOf = (repository: Repository, rest: string) =>
    `/v2/${repository}/${rest}?ns=${encodeURIComponent(registry)}`;
  const get = async (
    method: 'GET' | 'HEAD',
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ) => {
    const answer = await telling(() => ask(method, path, headers, signal), signal);
    if ((answer.statusCode ?? 0) >= 400) throw await errorOf(answer, signal);
    return answer;
  };
  return {
    async getManifest(repository, reference, signal) {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(headLimitMs)]);
      const path = pathOf(repository, `manifests/${reference}`);
      const answer = await get('GET', path, { accept: manifestAccept }, limited);
      const bytes = await readWhole(answer, maxManifestBytes, limited);
      const said = answer.headers['docker-content-digest'];
      const digest = isDigestReference(reference) ? reference : said;
      if (typeof digest !== 'string' || !isDigest(digest) || digestOf(bytes, algorithmOf(digest)) !== digest) {
        throw new RegistryError('UNAVAILABLE', 'The server gives another manifest than its digest says');
      }
      const mediaType = answer.headers['content-type'] ?? '';
      return { digest, mediaType, sizeBytes: bytes.length, bytes, ...outcomeOf(answer) };
    },
    async statBlob(repository: Repository, digest: Digest, signal: AbortSignal) {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(headLimitMs)]);
      const answer = await get('HEAD', pathOf(repository, `blobs/${digest}`), {}, limited);
      answer.resume();
      return { sizeBytes: Number(answer.headers['content-length']), ...outcomeOf(answer) };
    },
    async getBlob(repository, digest, range, signal) {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(byteLimitMs)]);
      const headers = range === undefined ? {} : { range: renderRange(range) };
      return contentOf(await get('GET', pathOf(repository, `blobs/${digest}`), headers, limited), limited);
    },
  };
}

function renderRange(range: RequestedRange): string {
  return 'suffixLength' in range ? `bytes=-${range.suffixLength}` : `bytes=${range.start}-${range.end ?? ''}`;
}

function contentOf(answer: IncomingMessage, signal: AbortSignal): BlobContent {
  const [, start = '0', size = answer.headers['content-length']] =
    /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.headers['content-range'] ?? '') ?? [];
  const sizeBytes = size === undefined ? undefined : Number(size);
  const pieces: AsyncIterator<Buffer> = answer[Symbol.asyncIterator]();
  return {
    sizeBytes,
    start: Number(start),
    end: undefined,
    ...outcomeOf(answer),
    async next(): Promise<Chunk | undefined> {
      const piece = await telling(() => pieces.next(), signal);
      return piece.done === true ? undefined : { bytes: piece.value, release() {} };
    },
    close() {
      answer.destroy();
    },
  };
}

async function readWhole(answer: IncomingMessage, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  await telling(async () => {
    for await (const piece of answer as AsyncIterable<Buffer>) {
      sizeBytes += piece.length;
      if (sizeBytes > maxBytes) throw new Error(`its answer is larger than ${maxBytes} bytes`);
      pieces.push(piece);
    }
  }, signal);
  return Buffer.concat(pieces);
}

/** Does something with the connection; what that fails with passes, as far as anybody knows. */
async function telling<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    const { message } = error as Error;
    throw new RegistryError('UNAVAILABLE', `The connection to the server failed: ${message}`, { cause: error });
  }
}

async function errorOf(answer: IncomingMessage, signal: AbortSignal): Promise<RegistryError> {
  const status = answer.statusCode ?? 500;
  const body = parseJson(await readWhole(answer, maxErrorBytes, signal));
  const errors = isObject(body) ? body['errors'] : undefined;
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  const { code, message } = (isObject(first) ? first : {}) as { readonly code?: unknown; readonly message?: unknown };
  const after = answer.headers['retry-after'];
  return new RegistryError(
    codeOf(code, status),
    typeof message === 'string' ? message : `The server answers ${status}`,
    { status, headers: after === undefined ? {} : { 'retry-after': after } },
  );
}

function codeOf(code: unknown, status: number): ErrorCode {
  if (typeof code === 'string' && Object.hasOwn(errorStatus, code)) return code as ErrorCode;
  if (status === 401) return 'UNAUTHORIZED';
  if (status === 404) return 'NOT_FOUND';
  return status >= 500 ? 'UNAVAILABLE' : 'DENIED';
}

/** What `Cache-Status` says, as the server wrote it. */
function outcomeOf({ headers }: IncomingMessage): { readonly outcome?: CacheOutcome } {
  const outcome = parseCacheStatus(String(headers['cache-status'] ?? ''), String(headers.warning ?? ''));
  return outcome === undefined ? {} : { outcome };
}

/** Reads a `Cache-Status` of Entrepot's; undefined when no cache had a part in the answer. */
export function parseCacheStatus(status: string, warning: string): CacheOutcome | undefined {
  const [name, ...parameters] = status.split(';').map((part) => part.trim());
  if (name !== 'Entrepot') return undefined;
  const has = (parameter: string) => parameters.includes(parameter);
  if (has('detail=revalidated')) return { kind: 'revalidated' };
  if (has('detail=revalidating')) return { kind: 'revalidating' };
  if (has('detail=stale')) return { kind: 'stale', reason: /may be out of date: (.*)"/.exec(warning)?.[1] ?? '' };
  if (has('fwd=miss')) return { kind: 'miss', stored: has('stored'), collapsed: has('collapsed') };
  return has('hit') ? { kind: 'hit' } : undefined;
}
