import type { Digest } from '../oci/digest.ts';
import { isTemporary } from '../oci/errors.ts';
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
import type { CacheView } from './blobs/blob-origins.ts';
import { BlobCache } from './blobs/blobs.ts';
import { listKnownTags, listUnguarded } from './catalog.ts';
import { type Allowance, unlimited } from './freshness/allowance.ts';
import type { FreshnessPolicies } from './freshness/freshness.ts';
import { ManifestCache } from './manifests/manifests.ts';
import type { CacheTools } from './tools.ts';

/** A registry that keeps what it is asked for of another: what is here is not fetched again. */
export class PullThrough implements Registry {
  readonly #name: string;
  readonly #upstream: Registry;
  readonly #tools: CacheTools;
  readonly #blobs: BlobCache;
  readonly #manifests: ManifestCache;

  /**
   * @param name the upstream's name, under which its content is kept: it never changes its meaning
   * @param policies how long its tags are believed
   * @param view who is asked for: it decides nothing here, but keeps apart what is under way for the one and the other
   */
  constructor(
    name: string,
    upstream: Registry,
    policies: FreshnessPolicies,
    tools: CacheTools,
    allowance: Allowance = unlimited,
    view: CacheView = 'open',
  ) {
    this.#name = name;
    this.#upstream = upstream;
    this.#tools = tools;
    this.#blobs = new BlobCache(name, upstream, tools, view);
    this.#manifests = new ManifestCache({ registry: name, upstream, policies, allowance, tools });
  }

  resolveManifest(repository: Repository, reference: Reference, signal: AbortSignal): Promise<ManifestDescriptor> {
    return this.#manifests.resolve(repository, reference, signal);
  }

  getManifest(repository: Repository, reference: Reference, signal: AbortSignal): Promise<Manifest> {
    return this.#manifests.get(repository, reference, signal);
  }

  statBlob(repository: Repository, digest: Digest, signal: AbortSignal): Promise<BlobStat> {
    return this.#blobs.stat(repository, digest, signal);
  }

  getBlob(
    repository: Repository,
    digest: Digest,
    range: RequestedRange | undefined,
    signal: AbortSignal,
  ): Promise<BlobContent> {
    return this.#blobs.get(repository, digest, range, signal);
  }

  /** Upstream's tags; while upstream cannot answer, those that were pulled from here. */
  async listTags(repository: Repository, page: Page, signal: AbortSignal): Promise<TagList> {
    try {
      const list = await this.#upstream.listTags(repository, page, signal);
      return { ...list, outcome: { kind: 'miss', stored: false, collapsed: false } };
    } catch (error) {
      if (!isTemporary(error) && !this.#tools.offline) throw error;
      const key = { registry: this.#name, repository };
      const list = await listKnownTags(this.#tools.index, key, page);
      if (list === undefined) throw error;
      const { message } = error as Error;
      return { ...list, outcome: this.#tools.offline ? { kind: 'hit' } : { kind: 'stale', reason: message } };
    }
  }

  async listReferrers(
    repository: Repository,
    digest: Digest,
    query: ReferrersQuery,
    signal: AbortSignal,
  ): Promise<Referrers> {
    const referrers = await this.#upstream.listReferrers(repository, digest, query, signal);
    return { ...referrers, outcome: { kind: 'miss', stored: false, collapsed: false } };
  }

  /** The repositories of which something is kept here; none that are guarded. */
  listRepositories(page: Page): Promise<RepositoryList> {
    return listUnguarded(this.#tools.index, this.#name, page);
  }

  /** Resolves when nothing goes on for nobody any more; called when no request is left, and upstream is closed. */
  async settled(): Promise<void> {
    await Promise.all([this.#blobs.settled(), this.#manifests.settled()]);
  }
}
