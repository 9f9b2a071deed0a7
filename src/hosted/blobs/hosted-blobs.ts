import type { Digest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { Repository } from '../../oci/reference.ts';
import type { BlobContent, BlobStat, MountOffer, RequestedRange } from '../../oci/registry.ts';
import { renewLink } from '../garbage/renew-link.ts';
import type { Quota } from '../limits/quota.ts';
import type { HostedTools } from '../tools.ts';
import { findHolder } from './find-holder.ts';
import type { Placing } from './placing.ts';

/** What blobs are kept with. */
export interface BlobTools
  extends Pick<HostedTools, 'blobs' | 'index' | 'content' | 'inUse' | 'removed' | 'clock' | 'log'> {
  readonly quota: Quota;
  readonly placing: Placing;
}

const hit = { kind: 'hit' } as const;

/** So many lost blobs are remembered, lest each request for one is a line in the log. */
const maxToldCount = 1_000;

/** The blobs of hosted repositories, as `PushableRegistry` has it, once they are whole. */
export class HostedBlobs {
  readonly #tools: BlobTools;
  readonly #told = new Set<string>();

  constructor(tools: BlobTools) {
    this.#tools = tools;
  }

  /**
   * It is no garbage for a while: who is told that it is here may push next what references it.
   * @throws RegistryError BLOB_UNKNOWN
   */
  async stat(repository: Repository, digest: Digest, signal: AbortSignal): Promise<BlobStat> {
    signal.throwIfAborted();
    const { index, clock, placing } = this.#tools;
    await renewLink(index, repository, digest, clock.now());
    const sizeBytes = await this.#linkedSize(repository, digest);
    const placed = placing.settled(digest);
    if (placed) {
      await placed;
      return this.stat(repository, digest, signal);
    }
    if ((await this.#tools.blobs.size(digest)) !== sizeBytes) throw await this.#lost(repository, digest, sizeBytes);
    this.#isThere(repository, digest);
    return { sizeBytes };
  }

  /** @throws RegistryError BLOB_UNKNOWN, RANGE_INVALID */
  async get(
    repository: Repository,
    digest: Digest,
    range: RequestedRange | undefined,
    signal: AbortSignal,
  ): Promise<BlobContent> {
    signal.throwIfAborted();
    const sizeBytes = await this.#linkedSize(repository, digest);
    const content = await this.#tools.content.open(digest, range, hit, sizeBytes);
    if (!content) throw await this.#lost(repository, digest, sizeBytes);
    this.#isThere(repository, digest);
    return content;
  }

  /**
   * Its bytes stay, for other repositories, or until garbage is collected.
   * @throws RegistryError BLOB_UNKNOWN; UNSUPPORTED while a manifest of the repository references it: the spec's word for
   *   what is not deleted here, whoever asks
   */
  async delete(repository: Repository, digest: Digest, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { index } = this.#tools;
    const result = await index.removeBlob(repository, digest);
    if (result === 'missing') throw unknownBlob(repository, digest);
    if (result !== 'removed') {
      const what = `Cannot remove ${digest} from "${repository}": a manifest there references it, remove that first`;
      throw new RegistryError('UNSUPPORTED', what, { headers: { allow: 'GET, HEAD' } });
    }
    await index.sync();
  }

  /**
   * False as well when there is no room for it in the quota: an upload is told so, with what to do.
   * @throws the signal's reason, what store or index failed with
   */
  async mount(repository: Repository, digest: Digest, offer: MountOffer, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const { index, inUse, removed, placing, clock } = this.#tools;
    if (!(await findHolder(index, digest, offer))) return false;
    const letGo = inUse.take(digest);
    try {
      await removed(digest);
      const sizeBytes = await this.#storedSize(digest);
      if (sizeBytes === undefined) return false;
      const share = await this.#tools.quota.take(digest, sizeBytes).catch(unlessDenied);
      if (!share) return false;
      try {
        signal.throwIfAborted();
        if (!(await index.mountBlob(repository, digest, clock.now()))) return false;
      } finally {
        share.release();
      }
      const placed = placing.settled(digest);
      await Promise.all([placed, index.sync()]);
      return placed === undefined || (await this.#storedSize(digest)) !== undefined;
    } finally {
      letGo();
    }
  }

  /** The size of content that is there, as the index has it. */
  async #storedSize(digest: Digest): Promise<number | undefined> {
    const { index, blobs } = this.#tools;
    const sizeBytes = (await index.getContent(digest))?.sizeBytes;
    return sizeBytes !== undefined && (await blobs.size(digest)) === sizeBytes ? sizeBytes : undefined;
  }

  async #linkedSize(repository: Repository, digest: Digest): Promise<number> {
    const { index, placing } = this.#tools;
    const link = await index.getLink({ registry: hostedRegistryName, repository }, digest);
    if (!link) throw unknownBlob(repository, digest);
    if (link.sizeBytes !== undefined) return link.sizeBytes;
    const placed = placing.settled(digest);
    if (placed) {
      await placed;
      return this.#linkedSize(repository, digest);
    }
    // A push that another process is at, or that failed, came no further than to say what it brings: nothing is lost.
    if (!(await index.isReferenced(repository, digest))) throw unknownBlob(repository, digest);
    throw await this.#lost(repository, digest, undefined);
  }

  /** For what the repository has by the index, and the store has not, or damaged: a new push of it mends that. */
  async #lost(repository: Repository, digest: Digest, sizeBytes: number | undefined): Promise<RegistryError> {
    const { blobs, content, log } = this.#tools;
    const storedBytes = await blobs.size(digest); // rejects when the disk cannot say: then nobody may take it for gone
    // What is there in its place is dropped, so that a push, or a mount, finds the index as it is.
    if (storedBytes !== undefined && sizeBytes !== undefined && storedBytes !== sizeBytes) {
      (await content.open(digest, undefined, hit, sizeBytes))?.close();
    }
    const key = `${repository}@${digest}`;
    if (!this.#told.has(key)) {
      if (this.#told.size >= maxToldCount) this.#told.clear();
      this.#told.add(key);
      log.error({ repository, digest, sizeBytes, advice: 'push it again' }, 'hosted blob lost');
    }
    const what = `The blob ${digest} of "${repository}" is lost or damaged: push it again, which mends it`;
    return new RegistryError('BLOB_UNKNOWN', what, { detail: { digest } });
  }

  #isThere(repository: Repository, digest: Digest): void {
    if (this.#told.size > 0) this.#told.delete(`${repository}@${digest}`);
  }
}

function unknownBlob(repository: Repository, digest: Digest): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', `The repository "${repository}" has no blob ${digest}`, {
    detail: { digest },
  });
}

function unlessDenied(error: unknown): undefined {
  if (error instanceof RegistryError && error.code === 'DENIED') return undefined;
  throw error;
}
