import type { RepositoryKey } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { BlobContent, BlobStat, CacheOutcome, Registry, RequestedRange } from '../../oci/registry.ts';
import { withinPatience } from '../freshness/patience.ts';
import type { CacheTools } from '../tools.ts';
import { BlobConfirmations, type Confirmed } from './blob-confirmations.ts';
import { BlobDownloads } from './blob-downloads.ts';
import { type CacheView, isOpenBlob } from './blob-origins.ts';

const hit: CacheOutcome = { kind: 'hit' };
const collapsed: CacheOutcome = { kind: 'miss', stored: true, collapsed: true };
const passedOn: CacheOutcome = { kind: 'miss', stored: false, collapsed: false };

/**
 * The blobs of one upstream. Bytes are shared by all repositories of all upstreams, but a repository has only what
 * upstream says it has: that is a link. Without one, upstream is asked once (HEAD); the bytes are not fetched again.
 * While it cannot be asked, they are served if everybody may read them in another repository.
 */
export class BlobCache {
  readonly #registry: string;
  readonly #upstream: Registry;
  readonly #tools: CacheTools;
  readonly #confirmations: BlobConfirmations;
  readonly #downloads: BlobDownloads;

  constructor(registry: string, upstream: Registry, tools: CacheTools, view: CacheView = 'open') {
    this.#confirmations = new BlobConfirmations(upstream, tools, view);
    this.#downloads = new BlobDownloads(upstream, tools, view);
    this.#registry = registry;
    this.#upstream = upstream;
    this.#tools = tools;
  }

  async stat(repository: Repository, digest: Digest, signal: AbortSignal): Promise<BlobStat> {
    const { index, local, offline } = this.#tools;
    const key = this.#key(repository);
    const link = await index.getLink(key, digest);
    if (link || (offline && (await isOpenBlob(this.#tools, digest)))) {
      const sizeBytes = await local.size(digest);
      // A file of another size is damaged; whoever gets the blob drops it.
      const isRight = sizeBytes === (link?.sizeBytes ?? sizeBytes);
      if (sizeBytes !== undefined && isRight) return { sizeBytes, outcome: hit };
    }
    const runningBytes = this.#downloads.sizeOf(key, digest);
    if (runningBytes !== undefined) return { sizeBytes: runningBytes, outcome: collapsed };
    return withinPatience(this.#tools.patienceMs, signal, async (soon) => {
      if (!link) return this.#confirmations.stat(key, digest, soon);
      return { ...(await this.#upstream.statBlob(repository, digest, soon)), outcome: passedOn };
    });
  }

  async get(
    repository: Repository,
    digest: Digest,
    range: RequestedRange | undefined,
    signal: AbortSignal,
  ): Promise<BlobContent> {
    const { index, local, offline, patienceMs } = this.#tools;
    const key = this.#key(repository);
    const link = await index.getLink(key, digest);
    // Offline, nobody can be asked whether the repository has it: as when upstream is away, what is open is served.
    const mayOpen = link !== undefined || (offline && (await isOpenBlob(this.#tools, digest)));
    const content = mayOpen ? await local.open(digest, range, hit, link?.sizeBytes) : undefined;
    if (content) return this.#served(key, digest, content);
    if (offline) return this.#upstream.getBlob(repository, digest, range, signal); // which says so
    return withinPatience(patienceMs, signal, async (soon) => {
      const confirmed = link ? undefined : await this.#confirmations.confirm(key, digest, soon);
      const local = confirmed && (await this.#openConfirmed(digest, range, confirmed));
      if (local) return this.#served(key, digest, local);
      const isOurs = link !== undefined || confirmed !== undefined;
      return this.#downloads.read(key, digest, range, { isOurs }, soon);
    });
  }

  #served(key: RepositoryKey, digest: Digest, content: BlobContent): BlobContent {
    const { uses, log } = this.#tools;
    uses.record(digest);
    const { registry, repository } = key;
    log.info({ registry, repository, digest, bytes: content.sizeBytes }, 'blob served from local cache');
    return content;
  }

  /** Resolves when nothing is being confirmed any more; downloads are not this one's. */
  settled(): Promise<void> {
    return this.#confirmations.settled();
  }

  #openConfirmed(
    digest: Digest,
    range: RequestedRange | undefined,
    { outcome, sizeBytes }: Confirmed,
  ): Promise<BlobContent | undefined> {
    return this.#tools.local.open(digest, range, outcome, sizeBytes);
  }

  #key(repository: Repository): RepositoryKey {
    return { registry: this.#registry, repository };
  }
}
