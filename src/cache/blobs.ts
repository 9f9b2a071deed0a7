import type { RepositoryKey } from '../index/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import { isTemporary, RegistryError } from '../oci/errors.ts';
import type { Repository } from '../oci/reference.ts';
import type { BlobContent, BlobStat, CacheOutcome, Registry, RequestedRange } from '../oci/registry.ts';
import { singleFlight } from '../util/single-flight.ts';
import { proveStored } from './content/prove-stored.ts';
import type { Download } from './download/download.ts';
import type { DownloadObserver } from './download/download-tools.ts';
import type { RunningDownload } from './download/downloads.ts';
import { withinPatience } from './patience.ts';
import type { CacheTools } from './tools.ts';

const hit: CacheOutcome = { kind: 'hit' };
const revalidated: CacheOutcome = { kind: 'revalidated' };
const stored: CacheOutcome = { kind: 'miss', stored: true, collapsed: false };
const collapsed: CacheOutcome = { kind: 'miss', stored: true, collapsed: true };
const passedOn: CacheOutcome = { kind: 'miss', stored: false, collapsed: false };

/** What upstream says of a blob whose bytes are here: how it is served, and its size, when that is known. */
interface Confirmed {
  readonly outcome: CacheOutcome;
  readonly sizeBytes: number | undefined;
}

/**
 * The blobs of one upstream. Bytes are shared by all repositories of all upstreams, but a repository has only what
 * upstream says it has: that is a link. Without one, upstream is asked once (HEAD); the bytes are not fetched again.
 */
export class BlobCache {
  readonly #registry: string;
  readonly #upstream: Registry;
  readonly #tools: CacheTools;
  readonly #confirmations = singleFlight<Confirmed | undefined>();

  constructor(registry: string, upstream: Registry, tools: CacheTools) {
    this.#registry = registry;
    this.#upstream = upstream;
    this.#tools = tools;
  }

  async stat(repository: Repository, digest: Digest, signal: AbortSignal): Promise<BlobStat> {
    const { index, local, downloads, offline } = this.#tools;
    const key = this.#key(repository);
    const link = await index.getLink(key, digest);
    if (link || offline) {
      const sizeBytes = await local.size(digest);
      // A file of another size is damaged; whoever gets the blob drops it.
      const isRight = sizeBytes === (link?.sizeBytes ?? sizeBytes);
      if (sizeBytes !== undefined && isRight) return { sizeBytes, outcome: hit };
    }
    const running = downloads.get(digest);
    if (running?.origin === originOf(key) && running.download.sizeBytes !== undefined) {
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
    // Offline, nobody can be asked whether the repository has it: as when upstream is away, what is here is served.
    const content = link || offline ? await local.open(digest, range, hit, link?.sizeBytes) : undefined;
    if (content) return this.#served(key, digest, content);
    if (offline) return this.#upstream.getBlob(repository, digest, range, signal); // which says so
    return withinPatience(patienceMs, signal, async (soon) => {
      const confirmed = link ? undefined : await this.#openConfirmed(key, digest, range, soon);
      return confirmed ? this.#served(key, digest, confirmed) : this.#download(key, digest, range, soon);
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
        if (sizeBytes === undefined || !isTemporary(error)) throw error;
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

  /** Opens a blob whose bytes are here, or on their way, if upstream says that the repository has it. */
  async #openConfirmed(
    key: RepositoryKey,
    digest: Digest,
    range: RequestedRange | undefined,
    signal: AbortSignal,
  ): Promise<BlobContent | undefined> {
    const { local, downloads } = this.#tools;
    const running = downloads.get(digest);
    if (running?.origin === originOf(key)) return undefined;
    if (!running && (await local.size(digest)) === undefined) return undefined;
    const confirmed = await this.#confirmations
      .run(`${key.repository}@${digest}`, signal, (shared) => this.#confirm(key, digest, shared))
      .catch(unlessTemporary); // as when the client's patience ends
    return confirmed && local.open(digest, range, confirmed.outcome, confirmed.sizeBytes);
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
      // What one repository gives to everybody is no secret in another: unless upstream says no, it is served.
      return unlessTemporary(error);
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
    signal: AbortSignal,
  ): Promise<BlobContent> {
    const running = this.#tools.downloads.get(digest);
    if (!running) return this.#start(key, digest).read(range, stored, signal);
    try {
      return await running.download.read(range, collapsed, signal);
    } catch (error) {
      if (signal.aborted || !isForeignFailure(error, running, key)) throw error;
      const { download } = this.#tools.downloads.get(digest) ?? { download: this.#start(key, digest) };
      return download.read(range, stored, signal);
    }
  }

  #start(key: RepositoryKey, digest: Digest): Download {
    const { downloads, log } = this.#tools;
    const { registry, repository } = key;
    log.info({ registry, repository, digest }, 'blob download initiated');
    return downloads.start(
      digest,
      originOf(key),
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

  #key(repository: Repository): RepositoryKey {
    return { registry: this.#registry, repository };
  }
}

function originOf({ registry, repository }: RepositoryKey): string {
  return `${registry}/${repository}`;
}

function staleBecause(error: unknown): CacheOutcome {
  return { kind: 'stale', reason: (error as Error).message };
}

/** What is served when upstream cannot say now; it throws what upstream said otherwise. */
function unlessTemporary(error: unknown): Confirmed {
  if (isTemporary(error)) return { outcome: staleBecause(error), sizeBytes: undefined };
  throw error;
}

/** Whether a download failed for a reason that need not hold for this repository: it was begun for another one. */
function isForeignFailure(error: unknown, running: RunningDownload, key: RepositoryKey): boolean {
  if (running.origin === originOf(key) || !running.download.hasBegun) return false;
  return !(error instanceof RegistryError && error.code === 'RANGE_INVALID');
}
