import type { RepositoryKey } from '../index/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import { isTemporary, RegistryError } from '../oci/errors.ts';
import type { Repository } from '../oci/reference.ts';
import type { BlobContent, BlobStat, CacheOutcome, Registry, RequestedRange } from '../oci/registry.ts';
import { singleFlight } from '../util/locks/single-flight.ts';
import { proveStored } from './content/prove-stored.ts';
import type { Download } from './download/download.ts';
import type { DownloadObserver } from './download/download-tools.ts';
import type { RunningDownload } from './download/downloads.ts';
import { withinPatience } from './freshness/patience.ts';
import type { CacheTools } from './tools.ts';

const hit: CacheOutcome = { kind: 'hit' };
const revalidated: CacheOutcome = { kind: 'revalidated' };
const stored: CacheOutcome = { kind: 'miss', stored: true, collapsed: false };
const collapsed: CacheOutcome = { kind: 'miss', stored: true, collapsed: true };
const passedOn: CacheOutcome = { kind: 'miss', stored: false, collapsed: false };

/** Who is asked for: everybody, as our own identity may read it, or those who may read what is guarded. */
export type CacheView = 'open' | 'guarded';

/** What upstream says of a blob whose bytes are here: how it is served, and its size, when that is known. */
interface Confirmed {
  readonly outcome: CacheOutcome;
  readonly sizeBytes: number | undefined;
}

/**
 * The blobs of one upstream. Bytes are shared by all repositories of all upstreams, but a repository has only what
 * upstream says it has: that is a link. Without one, upstream is asked once (HEAD); the bytes are not fetched again.
 * While it cannot be asked, they are served if everybody may read them in another repository.
 */
export class BlobCache {
  readonly #registry: string;
  readonly #upstream: Registry;
  readonly #tools: CacheTools;
  readonly #view: CacheView;
  readonly #confirmations = singleFlight<Confirmed | undefined>();

  constructor(registry: string, upstream: Registry, tools: CacheTools, view: CacheView = 'open') {
    this.#view = view;
    this.#registry = registry;
    this.#upstream = upstream;
    this.#tools = tools;
  }

  async stat(repository: Repository, digest: Digest, signal: AbortSignal): Promise<BlobStat> {
    const { index, local, downloads, offline } = this.#tools;
    const key = this.#key(repository);
    const link = await index.getLink(key, digest);
    if (link || (offline && (await this.#isOpen(digest)))) {
      const sizeBytes = await local.size(digest);
      // A file of another size is damaged; whoever gets the blob drops it.
      const isRight = sizeBytes === (link?.sizeBytes ?? sizeBytes);
      if (sizeBytes !== undefined && isRight) return { sizeBytes, outcome: hit };
    }
    const running = downloads.get(digest);
    if (running?.origin === this.#originOf(key) && running.download.sizeBytes !== undefined) {
      return { sizeBytes: running.download.sizeBytes, outcome: collapsed };
    }
    return withinPatience(this.#tools.patienceMs, signal, async (soon) => {
      if (!link) return this.#statUnlinked(key, digest, soon);
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
    const mayOpen = link !== undefined || (offline && (await this.#isOpen(digest)));
    const content = mayOpen ? await local.open(digest, range, hit, link?.sizeBytes) : undefined;
    if (content) return this.#served(key, digest, content);
    if (offline) return this.#upstream.getBlob(repository, digest, range, signal); // which says so
    return withinPatience(patienceMs, signal, async (soon) => {
      const confirmed = link ? undefined : await this.#confirmOnce(key, digest, soon);
      const local = confirmed && (await this.#openConfirmed(digest, range, confirmed));
      if (local) return this.#served(key, digest, local);
      return this.#download(key, digest, range, { isOurs: link !== undefined || confirmed !== undefined }, soon);
    });
  }

  #served(key: RepositoryKey, digest: Digest, content: BlobContent): BlobContent {
    const { uses, log } = this.#tools;
    uses.record(digest);
    const { registry, repository } = key;
    log.info({ registry, repository, digest, bytes: content.sizeBytes }, 'blob served from local cache');
    return content;
  }

  async #statUnlinked(key: RepositoryKey, digest: Digest, signal: AbortSignal): Promise<BlobStat> {
    const { local } = this.#tools;
    const letGo = await local.hold(digest);
    try {
      const sizeBytes = await local.size(digest);
      try {
        const stat = await this.#upstream.statBlob(key.repository, digest, signal);
        if (stat.sizeBytes !== sizeBytes) return { ...stat, outcome: passedOn };
        await this.#note(key, digest, sizeBytes);
        return { ...stat, outcome: revalidated };
      } catch (error) {
        if (sizeBytes === undefined || !isTemporary(error) || !(await this.#isOpen(digest))) throw error;
        return { sizeBytes, outcome: staleBecause(error) };
      }
    } finally {
      letGo();
    }
  }

  /** Resolves when nothing is being confirmed any more; downloads are not this one's. */
  settled(): Promise<void> {
    return this.#confirmations.settled();
  }

  /** Asks upstream, when the bytes of a blob are here or on their way for others, whether the repository has it. */
  async #confirmOnce(key: RepositoryKey, digest: Digest, signal: AbortSignal): Promise<Confirmed | undefined> {
    const { local, downloads } = this.#tools;
    const running = downloads.get(digest);
    if (running?.origin === this.#originOf(key)) return undefined;
    if (!running && (await local.size(digest)) === undefined) return undefined;
    return this.#confirmations
      .run(`${key.repository}@${digest}`, signal, (shared) => this.#confirm(key, digest, shared))
      .catch((error: unknown) => this.#unlessTemporary(digest, error)); // as when the client's patience ends
  }

  #openConfirmed(
    digest: Digest,
    range: RequestedRange | undefined,
    { outcome, sizeBytes }: Confirmed,
  ): Promise<BlobContent | undefined> {
    return this.#tools.local.open(digest, range, outcome, sizeBytes);
  }

  /**
   * Asks upstream whether the repository has a blob whose bytes are here, or on their way. Undefined when nobody knows
   * whether the bytes that are here are right.
   */
  async #confirm(key: RepositoryKey, digest: Digest, signal: AbortSignal): Promise<Confirmed | undefined> {
    const { index, local } = this.#tools;
    // Another request may have been told since this one looked for the link.
    const link = await index.getLink(key, digest);
    if (link) return { outcome: hit, sizeBytes: link.sizeBytes };
    const letGo = await local.hold(digest);
    try {
      const sizeBytes = await local.size(digest);
      const stat = await this.#upstream.statBlob(key.repository, digest, signal);
      if (sizeBytes === undefined || stat.sizeBytes === sizeBytes) {
        await this.#note(key, digest, sizeBytes);
        return { outcome: revalidated, sizeBytes: stat.sizeBytes };
      }
      return await this.#settleSize(key, digest, { sizeBytes, toldBytes: stat.sizeBytes }, signal);
    } catch (error) {
      return this.#unlessTemporary(digest, error);
    } finally {
      letGo();
    }
  }

  /**
   * The bytes that are here are damaged, or upstream tells a wrong size: the digest decides, as all repositories share
   * them. What is damaged is dropped when it is opened, by the size that upstream tells.
   */
  async #settleSize(
    key: RepositoryKey,
    digest: Digest,
    { sizeBytes, toldBytes }: { readonly sizeBytes: number; readonly toldBytes: number },
    signal: AbortSignal,
  ): Promise<Confirmed | undefined> {
    const { log } = this.#tools;
    const facts = { ...key, digest, sizeBytes, toldBytes };
    try {
      const isRight = await proveStored(this.#tools, digest, signal);
      if (isRight) log.warn(facts, 'upstream tells a wrong size');
      await this.#note(key, digest, isRight ? sizeBytes : undefined);
      return { outcome: revalidated, sizeBytes: isRight ? sizeBytes : toldBytes };
    } catch (error) {
      signal.throwIfAborted();
      log.debug({ ...facts, reason: (error as Error).message }, 'stored content cannot be read');
      return undefined; // it is fetched again, and takes the place of what is here
    }
  }

  async #download(
    key: RepositoryKey,
    digest: Digest,
    range: RequestedRange | undefined,
    { isOurs }: { readonly isOurs: boolean },
    signal: AbortSignal,
  ): Promise<BlobContent> {
    const joinable = () => {
      const running = this.#tools.downloads.get(digest);
      return running && (isOurs || this.#mayJoin(running, key)) ? running : undefined;
    };
    const running = joinable();
    if (!running) return this.#start(key, digest).read(range, stored, signal);
    try {
      return await running.download.read(range, collapsed, signal);
    } catch (error) {
      if (signal.aborted || !this.#isForeignFailure(error, running, key)) throw error;
      const { download } = joinable() ?? { download: this.#start(key, digest) };
      return download.read(range, stored, signal);
    }
  }

  #start(key: RepositoryKey, digest: Digest): Download {
    const { downloads, log } = this.#tools;
    const { registry, repository } = key;
    log.info({ registry, repository, digest }, 'blob download initiated');
    return downloads.start(
      digest,
      this.#originOf(key),
      (start, signal) => this.#upstream.getBlob(repository, digest, start === 0 ? undefined : { start }, signal),
      this.#observe(key, digest),
    );
  }

  #observe(key: RepositoryKey, digest: Digest): DownloadObserver {
    const { log, uses } = this.#tools;
    const { registry, repository } = key;
    const facts = { registry, repository, digest };
    return {
      resumed: (error, fromBytes) => log.warn({ ...facts, fromBytes, reason: error.message }, 'blob download resumed'),
      continued: (fromBytes) => log.info({ ...facts, fromBytes }, 'blob download continued'),
      begunAnew: (error) => log.warn({ ...facts, reason: error.message }, 'blob download begun anew'),
      // That the disk fails is told once a minute (`DiskHealth`), not for every blob.
      diskFailed: (error) => log.debug({ ...facts, reason: error.message }, 'blob cannot be stored'),
      passed: (bytes) => log.info({ ...facts, bytes }, 'blob passed on, not kept'),
      failed: (error) => {
        const level = 'errno' in error ? 'debug' : 'warn'; // the system's errors are those of the disk
        log[level]({ ...facts, reason: error.message }, 'blob download failed');
      },
      stored: async (bytes) => {
        if (!(await this.#note(key, digest, bytes))) return;
        uses.record(digest, 0);
        log.info({ ...facts, bytes }, 'blob stored');
      },
    };
  }

  /**
   * Writes to the index that the repository has a blob and, when its bytes are here, that they are: after the index was
   * lost it knows neither. False when it cannot be written, which is no reason to withhold the blob.
   */
  async #note(key: RepositoryKey, digest: Digest, sizeBytes: number | undefined): Promise<boolean> {
    const { index, clock, log } = this.#tools;
    try {
      if (sizeBytes !== undefined) await index.putContent(digest, sizeBytes, clock.now());
      await index.link(key, digest, undefined, clock.now());
      return true;
    } catch (error) {
      log.debug({ ...key, digest, reason: (error as Error).message }, 'blob is stored, but not in the index');
      return false;
    }
  }

  /**
   * What is served when upstream cannot say now: what one repository gives to everybody is no secret in another. It
   * throws what upstream said otherwise.
   */
  async #unlessTemporary(digest: Digest, error: unknown): Promise<Confirmed> {
    if (!isTemporary(error) || !(await this.#isOpen(digest))) throw error;
    return { outcome: staleBecause(error), sizeBytes: undefined };
  }

  /**
   * Whether a download needs no confirmation: it is for the same repository, or for everybody. One for those who may read
   * what is guarded is theirs, until upstream says that this repository has the blob, too.
   */
  #mayJoin({ origin }: RunningDownload, key: RepositoryKey): boolean {
    return origin === this.#originOf(key) || origin.startsWith(openOrigin);
  }

  /** Whether everybody may read a blob: it is in an open repository, or on its way for one. */
  async #isOpen(digest: Digest): Promise<boolean> {
    const { downloads, index } = this.#tools;
    if (downloads.get(digest)?.origin.startsWith(openOrigin)) return true;
    return index.hasOpenHolder(digest).catch(() => false);
  }

  /** Whether a download failed for a reason that need not hold for this repository: it was begun for another one. */
  #isForeignFailure(error: unknown, running: RunningDownload, key: RepositoryKey): boolean {
    if (running.origin === this.#originOf(key) || !running.download.hasBegun) return false;
    return !(error instanceof RegistryError && error.code === 'RANGE_INVALID');
  }

  /** Who a download is for. That it is for those who may read what is guarded makes it another's than everybody's. */
  #originOf({ registry, repository }: RepositoryKey): string {
    return `${this.#view === 'open' ? openOrigin : guardedOrigin}${registry}/${repository}`;
  }

  #key(repository: Repository): RepositoryKey {
    return { registry: this.#registry, repository };
  }
}

const openOrigin = 'open ';
const guardedOrigin = 'guarded ';

function staleBecause(error: unknown): CacheOutcome {
  return { kind: 'stale', reason: (error as Error).message };
}
