import type { Digest } from '../oci/digest.ts';
import { type ErrorCode, RegistryError } from '../oci/errors.ts';
import { manifestAccept } from '../oci/media-types.ts';
import type { Reference, Repository } from '../oci/reference.ts';
import type {
  BlobContent,
  BlobStat,
  Manifest,
  ManifestDescriptor,
  Page,
  Referrers,
  ReferrersQuery,
  Registry,
  RepositoryList,
  RequestedRange,
  TagList,
} from '../oci/registry.ts';
import { blobPath, manifestPath, pageQuery, referrersPath, tagsPathOf } from '../oci/request.ts';
import type { Clock } from '../util/clock.ts';
import { type AnswerContent, encodingOf } from './answer-content.ts';
import { errorOfAnswer, readBounded } from './answers.ts';
import { blobContentOf } from './blob-content.ts';
import type { CredentialSource } from './credentials/credential-source.ts';
import { RegistryExchange } from './exchange.ts';
import type { UpstreamHealth } from './health/upstream-health.ts';
import type { ByteRate } from './limits/byte-rate.ts';
import { pacedContent } from './limits/paced-content.ts';
import type { RequestLimit } from './limits/request-limit.ts';
import { namesOf, nextPage, nextQuery } from './list-answer.ts';
import { descriptorOfHead, manifestOfAnswer } from './manifest-answer.ts';
import type { UpstreamObserver, UpstreamOperation } from './observer.ts';
import { defaultRetryPolicy, Retrier, type RetryPolicy } from './retry.ts';
import type { TlsIdentity } from './transport/connect.ts';
import type { Answer } from './transport/connection.ts';
import { isPassing } from './transport/errors.ts';
import type { ResponseHead } from './transport/head.ts';
import type { Transport } from './transport/transport.ts';

/** What an upstream is, and what it is reached with. */
export interface UpstreamOptions {
  /** The name in the configuration: for messages, logs and metrics. */
  readonly name: string;
  /** The registry's servers, tried in order. */
  readonly urls: readonly URL[];
  /** Who it is asked as; nobody, when there is none. */
  readonly credentials?: CredentialSource | undefined;
  readonly tokenHosts?: readonly string[];
  readonly identity?: TlsIdentity;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random?: () => number;
  readonly userAgent: string;
  readonly retry?: Partial<RetryPolicy>;
  /** How many requests it gets at a time; any number, when there is no limit. */
  readonly requestLimit?: RequestLimit | undefined;
  /** How fast its blobs are read, all together; as fast as can be, when there is none. */
  readonly byteRate?: ByteRate | undefined;
  readonly observer?: UpstreamObserver;
  /** Whether it may be asked now; always, where there is none. */
  readonly health?: UpstreamHealth;
}

/** The spec asks registries to take 4 MiB; manifests and lists beyond twice that are no use to any client. */
const maxManifestBytes = 8 * 1024 * 1024;

const maxBodyTries = 3; // as many as a request has rounds

interface UpstreamRequest {
  readonly operation: UpstreamOperation;
  readonly method: 'GET' | 'HEAD';
  readonly path: string;
  readonly scope: string;
  readonly accept?: string;
  readonly range?: string | undefined;
  /** The statuses that are answers; every other is an error. */
  readonly ok: readonly number[];
  /** What a 404 means. */
  readonly unknown: ErrorCode;
}

/** A registry over HTTP, as any public or private one: the spec's reading half, and what real registries make of it. */
export class UpstreamRegistry implements Registry {
  readonly #name: string;
  readonly #exchanges: { readonly host: string; readonly exchange: RegistryExchange }[];
  readonly #retrier: Retrier;
  readonly #clock: Clock;
  readonly #observer: UpstreamObserver | undefined;
  readonly #health: UpstreamHealth | undefined;
  readonly #requestLimit: RequestLimit | undefined;
  readonly #byteRate: ByteRate | undefined;

  constructor(options: UpstreamOptions) {
    const { name, urls, transport, clock, userAgent, credentials } = options;
    this.#name = name;
    this.#clock = clock;
    this.#observer = options.observer;
    this.#health = options.health;
    this.#requestLimit = options.requestLimit;
    this.#byteRate = options.byteRate;
    this.#retrier = new Retrier(
      { ...defaultRetryPolicy, ...options.retry },
      { clock, random: options.random ?? Math.random },
    );
    const identity = options.identity ?? { insecure: false };
    const common = { transport, clock, userAgent, credentials, tokenHosts: options.tokenHosts ?? [], identity };
    this.#exchanges = urls.map((url) => ({ host: url.host, exchange: new RegistryExchange(url, common) }));
  }

  async resolveManifest(
    repository: Repository,
    reference: Reference,
    signal: AbortSignal,
  ): Promise<ManifestDescriptor> {
    try {
      const answer = await this.#ask({ ...manifestRequest(repository, reference), method: 'HEAD' }, signal);
      answer.body.close();
      const descriptor = descriptorOfHead(answer.head, reference);
      if (descriptor) return descriptor;
    } catch (error) {
      if (!(error instanceof RegistryError && error.code === 'UNSUPPORTED')) throw error;
    }
    // The registry does not do HEAD, or not well enough: the bytes themselves say it all.
    return this.getManifest(repository, reference, signal);
  }

  async getManifest(repository: Repository, reference: Reference, signal: AbortSignal): Promise<Manifest> {
    const { head, bytes } = await this.#askWhole(manifestRequest(repository, reference), signal);
    return manifestOfAnswer(head, bytes, reference, this.#name);
  }

  async statBlob(repository: Repository, digest: Digest, signal: AbortSignal): Promise<BlobStat> {
    const answer = await this.#ask({ ...blobRequest(repository, digest), method: 'HEAD', ok: [200] }, signal);
    answer.body.close();
    // The length of an encoded body says nothing of the blob's.
    const length = encodingOf(answer.head) ? '' : (answer.head.headers.get('content-length') ?? '');
    if (/^\d{1,15}$/.test(length)) return { sizeBytes: Number(length) };
    throw new RegistryError('UNAVAILABLE', `Cannot tell the size of ${digest}: upstream ${this.#name} does not say it`);
  }

  async getBlob(
    repository: Repository,
    digest: Digest,
    range: RequestedRange | undefined,
    signal: AbortSignal,
  ): Promise<BlobContent> {
    const request = blobRequest(repository, digest);
    const seen = (bytes: number) => this.#observer?.fetched(this.#name, bytes);
    const rate = this.#byteRate;
    const pace = rate && ((content: AnswerContent) => pacedContent(content, rate, signal));
    const answer = await this.#ask({ ...request, range: renderRange(range) }, signal);
    if (answer.head.status === 200 || encodingOf(answer.head) === undefined) {
      return blobContentOf(answer, range, seen, pace);
    }
    // A part of an encoded body cannot be decoded: the whole is read, up to where the part begins.
    answer.body.close();
    return blobContentOf(await this.#ask(request, signal), range, seen, pace);
  }

  async listTags(repository: Repository, page: Page, signal: AbortSignal): Promise<TagList> {
    const request = listRequest('tags', tagsPathOf(repository, page), pullScope(repository));
    const { head, bytes } = await this.#askWhole(request, signal);
    return { tags: namesOf(bytes, 'tags', this.#name), next: nextPage(head.headers) };
  }

  async listReferrers(
    repository: Repository,
    digest: Digest,
    query: ReferrersQuery,
    signal: AbortSignal,
  ): Promise<Referrers> {
    const { artifactType, page } = query;
    const text = page ?? (artifactType === undefined ? '' : String(new URLSearchParams({ artifactType })));
    const path = referrersPath(repository, digest, text === '' ? '' : `?${text}`);
    const { head, bytes } = await this.#askWhole(listRequest('referrers', path, pullScope(repository)), signal);
    const filtered = /\bartifactType\b/i.test(head.headers.get('oci-filters-applied') ?? '');
    return { bytes, filtered, next: nextQuery(head.headers) };
  }

  async listRepositories(page: Page, signal: AbortSignal): Promise<RepositoryList> {
    const request = listRequest('catalog', `/v2/_catalog${pageQuery(page)}`, 'registry:catalog:*');
    const { head, bytes } = await this.#askWhole(request, signal);
    return { repositories: namesOf(bytes, 'repositories', this.#name), next: nextPage(head.headers) };
  }

  /** Asks for something small. When its body breaks, it is asked for again: nobody has seen any of it yet. */
  async #askWhole(request: UpstreamRequest, signal: AbortSignal): Promise<{ head: ResponseHead; bytes: Buffer }> {
    for (let tries = 1; ; tries++) {
      const answer = await this.#ask(request, signal);
      try {
        return { head: answer.head, bytes: await readBounded(answer, maxManifestBytes) };
      } catch (error) {
        if (tries >= maxBodyTries || !isPassing(error)) throw error;
      }
    }
  }

  // A place is left when the last byte of the answer has come, or when there is no answer.
  async #ask(request: UpstreamRequest, signal: AbortSignal): Promise<Answer> {
    this.#health?.assertMayAsk(request);
    const leave = await this.#requestLimit?.enter(signal);
    if (!leave) return this.#askNow(request, signal);
    try {
      const answer = await this.#askNow(request, signal);
      answer.body.whenOver(leave);
      return answer;
    } catch (error) {
      leave();
      throw error;
    }
  }

  async #askNow(request: UpstreamRequest, signal: AbortSignal): Promise<Answer> {
    const { method, path, scope, accept, range } = request;
    const headers = { ...(accept === undefined ? {} : { accept }), ...(range === undefined ? {} : { range }) };
    const servers = this.#exchanges.map(({ host, exchange }) => ({
      host,
      send: (attempt: AbortSignal) => exchange.send({ method, path, headers, scope }, attempt),
    }));
    const letOut = this.#health?.enter(request);
    const beganAtMs = this.#clock.now();
    const observe = (result: string) =>
      this.#observer?.answered({
        upstream: this.#name,
        operation: request.operation,
        method,
        result,
        durationMs: this.#clock.now() - beganAtMs,
      });
    let answer: Answer;
    try {
      answer = await this.#retrier.run(servers, signal);
    } catch (error) {
      letOut?.failed(error);
      observe(error instanceof RegistryError ? error.code : 'ABORTED');
      throw error;
    }
    letOut?.answered(answer.head);
    observe(String(answer.head.status));
    if (request.ok.includes(answer.head.status)) return answer;
    throw await errorOfAnswer(answer, this.#name, request.unknown);
  }
}

function pullScope(repository: Repository): string {
  return `repository:${repository}:pull`;
}

function manifestRequest(repository: Repository, reference: Reference): UpstreamRequest {
  const path = manifestPath(repository, reference);
  const scope = pullScope(repository);
  return {
    operation: 'manifest',
    method: 'GET',
    path,
    scope,
    accept: manifestAccept,
    ok: [200],
    unknown: 'MANIFEST_UNKNOWN',
  };
}

function blobRequest(repository: Repository, digest: Digest): UpstreamRequest {
  const path = blobPath(repository, digest);
  return {
    operation: 'blob',
    method: 'GET',
    path,
    scope: pullScope(repository),
    ok: [200, 206],
    unknown: 'BLOB_UNKNOWN',
  };
}

function listRequest(operation: UpstreamOperation, path: string, scope: string): UpstreamRequest {
  return { operation, method: 'GET', path, scope, ok: [200], unknown: 'NAME_UNKNOWN' };
}

function renderRange(range: RequestedRange | undefined): string | undefined {
  if (range === undefined) return undefined;
  return 'suffixLength' in range ? `bytes=-${range.suffixLength}` : `bytes=${range.start}-${range.end ?? ''}`;
}
