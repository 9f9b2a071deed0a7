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
import { pageQuery, referrersPath, tagsPathOf } from '../oci/wire/request.ts';
import type { TokenAnswer, TokenRequest } from '../oci/wire/token.ts';
import { type AnswerContent, encodingOf } from './answers/answer-content.ts';
import { challengeOf, discard } from './answers/answers.ts';
import { blobContentOf } from './answers/blob-content.ts';
import { namesOf, nextPage, nextQuery } from './answers/list-answer.ts';
import { descriptorOfHead, manifestOfAnswer } from './answers/manifest-answer.ts';
import { Asking, type UpstreamOptions } from './asking.ts';
import type { ByteRate } from './limits/byte-rate.ts';
import { pacedContent } from './limits/paced-content.ts';
import type { UpstreamObserver } from './observer.ts';
import { blobRequest, listRequest, manifestRequest, pingRequest, pullScope, renderRange } from './requests.ts';

/** A registry over HTTP, as any public or private one: the spec's reading half, and what real registries make of it. */
export class UpstreamRegistry implements Registry {
  readonly #name: string;
  readonly #asking: Asking;
  readonly #observer: UpstreamObserver | undefined;
  readonly #byteRate: ByteRate | undefined;
  readonly #options: UpstreamOptions;

  constructor(options: UpstreamOptions, asking = new Asking(options)) {
    this.#options = options;
    this.#asking = asking;
    this.#name = options.name;
    this.#observer = options.observer;
    this.#byteRate = options.byteRate;
  }

  /**
   * The registry's own servers, asked with what a client sent as its `Authorization`, and never with our own credentials:
   * a mirror neither gets those, nor says where clients log in. A 401
   * is UNAUTHORIZED then, with upstream's own `www-authenticate` in the error's headers. What is known of upstream's
   * health is shared, and a client's refusal says nothing of it.
   */
  as(authorization: string | undefined): UpstreamRegistry {
    return new UpstreamRegistry(this.#options, this.#asking.as(authorization));
  }

  /** How upstream wants to be authenticated to, in its own words (`GET /v2/`); undefined when it does not say so. */
  async challenge(signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.#asking.as(undefined).ask(pingRequest, signal);
    const challenge = challengeOf(answer);
    await discard(answer);
    return challenge;
  }

  /**
   * The same challenge, that names a place of ours instead of the token server, for `passOnLogin` to be asked there;
   * undefined when it names none that one of the registry's own servers may name.
   */
  renameRealm(challenge: string, place: string): string | undefined {
    for (const { exchange } of this.#asking.ownServers) {
      const renamed = exchange.realms.rename(challenge, place);
      if (renamed !== undefined) return renamed;
    }
    return undefined;
  }

  /** Passes a client's login on to the token server of this name. @throws RegistryError UNAVAILABLE, NOT_FOUND */
  async passOnLogin(id: string, request: TokenRequest, signal: AbortSignal): Promise<TokenAnswer> {
    for (const { exchange } of this.#asking.ownServers) {
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
      const answer = await this.#asking.ask({ ...manifestRequest(repository, reference), method: 'HEAD' }, signal);
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
    const { head, bytes } = await this.#asking.askWhole(manifestRequest(repository, reference), signal);
    return manifestOfAnswer(head, bytes, reference, this.#name);
  }

  async statBlob(repository: Repository, digest: Digest, signal: AbortSignal): Promise<BlobStat> {
    const answer = await this.#asking.ask({ ...blobRequest(repository, digest), method: 'HEAD', ok: [200] }, signal);
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
    const answer = await this.#asking.ask({ ...request, range: renderRange(range) }, signal);
    if (answer.head.status === 200 || encodingOf(answer.head) === undefined) {
      return blobContentOf(answer, range, seen, pace);
    }
    // A part of an encoded body cannot be decoded: the whole is read, up to where the part begins.
    answer.body.close();
    return blobContentOf(await this.#asking.ask(request, signal), range, seen, pace);
  }

  async listTags(repository: Repository, page: Page, signal: AbortSignal): Promise<TagList> {
    const request = listRequest('tags', tagsPathOf(repository, page), pullScope(repository));
    const { head, bytes } = await this.#asking.askWhole(request, signal);
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
    const { head, bytes } = await this.#asking.askWhole(listRequest('referrers', path, pullScope(repository)), signal);
    const filtered = /\bartifactType\b/i.test(head.headers.get('oci-filters-applied') ?? '');
    return { bytes, filtered, next: nextQuery(head.headers) };
  }

  async listRepositories(page: Page, signal: AbortSignal): Promise<RepositoryList> {
    const request = listRequest('catalog', `/v2/_catalog${pageQuery(page)}`, 'registry:catalog:*');
    const { head, bytes } = await this.#asking.askWhole(request, signal);
    return { repositories: namesOf(bytes, 'repositories', this.#name), next: nextPage(head.headers) };
  }
}
