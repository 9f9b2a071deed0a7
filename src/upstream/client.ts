import type { Digest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
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
import { pageQuery, referrersPath, tagsPathOf } from '../oci/request.ts';
import type { TokenAnswer, TokenRequest } from '../oci/token.ts';
import type { Clock } from '../util/clock.ts';
import { type AnswerContent, encodingOf } from './answers/answer-content.ts';
import { challengeOf, discard, errorOfAnswer, errorOfAnswerToClient, readBounded } from './answers/answers.ts';
import { blobContentOf } from './answers/blob-content.ts';
import { namesOf, nextPage, nextQuery } from './answers/list-answer.ts';
import { descriptorOfHead, manifestOfAnswer } from './answers/manifest-answer.ts';
import type { CredentialSource } from './credentials/credential-source.ts';
import { type ClientIdentity, RegistryExchange } from './exchange.ts';
import type { UpstreamHealth } from './health/upstream-health.ts';
import type { ByteRate } from './limits/byte-rate.ts';
import { pacedContent } from './limits/paced-content.ts';
import type { RequestLimit } from './limits/request-limit.ts';
import type { UpstreamObserver } from './observer.ts';
import {
  blobRequest,
  listRequest,
  manifestRequest,
  pingRequest,
  pullScope,
  renderRange,
  type UpstreamRequest,
} from './requests.ts';
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
  /** Those of them that clients' own credentials are for, which never go to the others; all, unless given. */
  readonly ownUrls?: readonly URL[];
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

/** One of an upstream's servers. */
interface ReachedServer {
  readonly host: string;
  /** Whether it is the registry's own, and no mirror. */
  readonly isOwn: boolean;
  readonly exchange: RegistryExchange;
}

/** The way to an upstream, which all who are asked for share: its servers, and what is known of them. */
interface Reach {
  readonly servers: readonly ReachedServer[];
  readonly retrier: Retrier;
}

/** A registry over HTTP, as any public or private one: the spec's reading half, and what real registries make of it. */
export class UpstreamRegistry implements Registry {
  readonly #options: UpstreamOptions;
  readonly #name: string;
  readonly #reach: Reach;
  /** Who is asked for; we ourselves, when it is nobody else. */
  readonly #client: ClientIdentity | undefined;
  readonly #clock: Clock;
  readonly #observer: UpstreamObserver | undefined;
  readonly #health: UpstreamHealth | undefined;
  readonly #requestLimit: RequestLimit | undefined;
  readonly #byteRate: ByteRate | undefined;

  constructor(options: UpstreamOptions, reach: Reach = openReach(options), client?: ClientIdentity) {
    this.#options = options;
    this.#reach = reach;
    this.#client = client;
    this.#name = options.name;
    this.#clock = options.clock;
    this.#observer = options.observer;
    this.#health = options.health;
    this.#requestLimit = options.requestLimit;
    this.#byteRate = options.byteRate;
  }

  /**
   * The registry's own servers, asked with what a client sent as its `Authorization`, and never with our own credentials:
   * a mirror neither gets those, nor says where clients log in. A 401
   * is UNAUTHORIZED then, with upstream's own `www-authenticate` in the error's headers. What is known of upstream's
   * health is shared, and a client's refusal says nothing of it.
   */
  as(authorization: string | undefined): UpstreamRegistry {
    return new UpstreamRegistry(this.#options, this.#reach, { authorization });
  }

  /** How upstream wants to be authenticated to, in its own words (`GET /v2/`); undefined when it does not say so. */
  async challenge(signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.as(undefined).#ask(pingRequest, signal);
    const challenge = challengeOf(answer);
    await discard(answer);
    return challenge;
  }

  /**
   * The same challenge, that names a place of ours instead of the token server, for `passOnLogin` to be asked there;
   * undefined when it names none that one of the registry's own servers may name.
   */
  renameRealm(challenge: string, place: string): string | undefined {
    for (const { exchange } of this.#ownServers) {
      const renamed = exchange.realms.rename(challenge, place);
      if (renamed !== undefined) return renamed;
    }
    return undefined;
  }

  /** Passes a client's login on to the token server of this name. @throws RegistryError UNAVAILABLE, NOT_FOUND */
  async passOnLogin(id: string, request: TokenRequest, signal: AbortSignal): Promise<TokenAnswer> {
    for (const { exchange } of this.#ownServers) {
      const realm = exchange.realms.find(id);
      if (realm) return exchange.passOnLogin(realm, request, signal);
    }
    throw new RegistryError('NOT_FOUND', `Cannot find this token server of ${this.#name}: ask for what you want again`);
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
    if (this.#servers().length === 0) throw nobodysServers(this.#name);
    this.#health?.assertMayAsk({ ...request, ofClient: this.#client !== undefined });
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

  /** Those that clients' credentials are for. */
  get #ownServers(): readonly ReachedServer[] {
    return this.#reach.servers.filter(({ isOwn }) => isOwn);
  }

  #servers(): readonly ReachedServer[] {
    return this.#client === undefined ? this.#reach.servers : this.#ownServers;
  }

  async #askNow(request: UpstreamRequest, signal: AbortSignal): Promise<Answer> {
    const { method, path, scope, accept, range } = request;
    const headers = { ...(accept === undefined ? {} : { accept }), ...(range === undefined ? {} : { range }) };
    const client = this.#client;
    const servers = this.#servers().map(({ host, exchange }) => ({
      host,
      send: (attempt: AbortSignal) => exchange.send({ method, path, headers, scope, client }, attempt),
    }));
    const letOut = this.#health?.enter({ ...request, ofClient: client !== undefined });
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
      answer = await this.#reach.retrier.run(servers, signal);
    } catch (error) {
      letOut?.failed(error);
      observe(error instanceof RegistryError ? error.code : 'ABORTED');
      throw error;
    }
    letOut?.answered(answer.head);
    observe(String(answer.head.status));
    if (request.ok.includes(answer.head.status)) return answer;
    throw await (client ? errorOfAnswerToClient : errorOfAnswer)(answer, this.#name, request.unknown);
  }
}

function openReach(options: UpstreamOptions): Reach {
  const { urls, ownUrls = urls, transport, clock, userAgent, credentials, tokenHosts = [] } = options;
  const identity = options.identity ?? { insecure: false };
  const common = { transport, clock, userAgent, credentials, tokenHosts, identity };
  return {
    servers: urls.map((url) => ({
      host: url.host,
      isOwn: ownUrls.some(({ href }) => href === url.href),
      exchange: new RegistryExchange(url, common),
    })),
    retrier: new Retrier({ ...defaultRetryPolicy, ...options.retry }, { clock, random: options.random ?? Math.random }),
  };
}

function nobodysServers(name: string): RegistryError {
  const what = `Cannot pass credentials on to ${name}: none of its URLs is known to be the registry's own`;
  return new RegistryError('DENIED', `${what}; if one is, add its host to the upstream's names`);
}
