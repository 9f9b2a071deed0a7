import type { RepositoryKey } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { BlobContent, CacheOutcome, Registry, RequestedRange } from '../../oci/registry.ts';
import type { Download } from '../download/download.ts';
import type { DownloadObserver } from '../download/download-tools.ts';
import type { RunningDownload } from '../download/downloads.ts';
import type { CacheTools } from '../tools.ts';
import { type CacheView, mayJoin, originOf } from './blob-origins.ts';
import { noteBlob } from './note-blob.ts';

const stored: CacheOutcome = { kind: 'miss', stored: true, collapsed: false };
const collapsed: CacheOutcome = { kind: 'miss', stored: true, collapsed: true };

/** Reads blobs from an upstream, by downloads that all who want the same share. */
export class BlobDownloads {
  readonly #upstream: Registry;
  readonly #tools: CacheTools;
  readonly #view: CacheView;

  constructor(upstream: Registry, tools: CacheTools, view: CacheView) {
    this.#upstream = upstream;
    this.#tools = tools;
    this.#view = view;
  }

  /** The size of a blob that is on its way for this repository. */
  sizeOf(key: RepositoryKey, digest: Digest): number | undefined {
    const running = this.#tools.downloads.get(digest);
    return running?.origin === originOf(this.#view, key) ? running.download.sizeBytes : undefined;
  }

  /** Joins the download of a blob that is under way, if it may, or begins one; `isOurs` when the repository is known to have it. */
  async read(
    key: RepositoryKey,
    digest: Digest,
    range: RequestedRange | undefined,
    { isOurs }: { readonly isOurs: boolean },
    signal: AbortSignal,
  ): Promise<BlobContent> {
    const joinable = () => {
      const running = this.#tools.downloads.get(digest);
      return running && (isOurs || mayJoin(running, originOf(this.#view, key))) ? running : undefined;
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
      originOf(this.#view, key),
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
        if (!(await noteBlob(this.#tools, key, digest, bytes))) return;
        uses.record(digest, 0);
        log.info({ ...facts, bytes }, 'blob stored');
      },
    };
  }

  /** Whether a download failed for a reason that need not hold for this repository: it was begun for another one. */
  #isForeignFailure(error: unknown, running: RunningDownload, key: RepositoryKey): boolean {
    if (running.origin === originOf(this.#view, key) || !running.download.hasBegun) return false;
    return !(error instanceof RegistryError && error.code === 'RANGE_INVALID');
  }
}
