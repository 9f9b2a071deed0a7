import type { Digest } from '../oci/digest.ts';
import type { Reference, Repository, Tag } from '../oci/reference.ts';
import type {
  BlobContent,
  BlobStat,
  Manifest,
  ManifestDescriptor,
  ManifestPush,
  MountOffer,
  Page,
  PushableRegistry,
  PushedManifest,
  Referrers,
  ReferrersQuery,
  RepositoryList,
  RequestedRange,
  TagList,
  UploadBody,
  UploadHint,
  UploadState,
} from '../oci/registry.ts';
import { HostedBlobs } from './blobs/hosted-blobs.ts';
import { Placing } from './blobs/placing.ts';
import { explainDiskFailure } from './disk-failure.ts';
import { DiskRoom } from './limits/disk-room.ts';
import { Quota } from './limits/quota.ts';
import { listReferrers, listRepositories, listTags } from './lists.ts';
import { HostedManifests } from './manifests/hosted-manifests.ts';
import type { HostedLimits, HostedTools } from './tools.ts';
import { Uploads } from './uploads/uploads.ts';

/** The registry that is pushed to: what its parts do, as one. */
export class HostedRegistry implements PushableRegistry {
  readonly #index: HostedTools['index'];
  readonly #observer: HostedTools['observer'];
  readonly #uploads: Uploads;
  readonly #blobs: HostedBlobs;
  readonly #manifests: HostedManifests;
  /** What is being changed, whether or not anybody waits for it still. */
  readonly #changes = new Set<Promise<void>>();

  constructor(tools: HostedTools, limits: HostedLimits) {
    const quota = new Quota(limits.maxBytes, tools.index);
    const cachedBytes = async () => (await tools.index.totals()).sizeBytes;
    const disk = new DiskRoom(limits.minFreeBytes, { ...tools, cachedBytes });
    this.#index = tools.index;
    this.#observer = tools.observer;
    const placing = new Placing();
    this.#uploads = new Uploads(limits.uploads, { ...tools, quota, disk, placing });
    this.#blobs = new HostedBlobs({ ...tools, quota, placing });
    this.#manifests = new HostedManifests({ ...tools, quota, placing }, limits);
  }

  /** How many uploads were begun and are not over. */
  get uploadCount(): number {
    return this.#uploads.count;
  }

  /** How much memory the bytes of uploads take that are on their way to the disk. */
  get bufferedBytes(): number {
    return this.#uploads.bufferedBytes;
  }

  /** Begins to remove uploads that were left alone. */
  start(): void {
    this.#uploads.start();
  }

  /** Waits for what is being written, of clients that have left, too. Called when no request comes any more. */
  async close(): Promise<void> {
    while (this.#changes.size > 0) await Promise.all(this.#changes);
    await this.#uploads.close();
  }

  async resolveManifest(
    repository: Repository,
    reference: Reference,
    signal: AbortSignal,
  ): Promise<ManifestDescriptor> {
    signal.throwIfAborted();
    return this.#manifests.resolve(repository, reference);
  }

  async getManifest(repository: Repository, reference: Reference, signal: AbortSignal): Promise<Manifest> {
    signal.throwIfAborted();
    const manifest = await this.#manifests.get(repository, reference);
    this.#observer.pulled(manifest.digest);
    return manifest;
  }

  statBlob(repository: Repository, digest: Digest, signal: AbortSignal): Promise<BlobStat> {
    return this.#blobs.stat(repository, digest, signal);
  }

  async getBlob(
    repository: Repository,
    digest: Digest,
    range: RequestedRange | undefined,
    signal: AbortSignal,
  ): Promise<BlobContent> {
    const content = await this.#blobs.get(repository, digest, range, signal);
    this.#observer.pulled(digest);
    return content;
  }

  async listTags(repository: Repository, page: Page, signal: AbortSignal): Promise<TagList> {
    signal.throwIfAborted();
    return listTags(this.#index, repository, page);
  }

  async listReferrers(
    repository: Repository,
    digest: Digest,
    query: ReferrersQuery,
    signal: AbortSignal,
  ): Promise<Referrers> {
    signal.throwIfAborted();
    return listReferrers(this.#index, repository, digest, query);
  }

  async listRepositories(page: Page, signal: AbortSignal): Promise<RepositoryList> {
    signal.throwIfAborted();
    return listRepositories(this.#index, page);
  }

  beginUpload(repository: Repository, hint: UploadHint, signal: AbortSignal): Promise<UploadState> {
    return this.#changing(this.#uploads.begin(repository, hint, signal));
  }

  getUpload(repository: Repository, id: string, signal: AbortSignal): Promise<UploadState> {
    return this.#uploads.get(repository, id, signal);
  }

  appendUpload(repository: Repository, id: string, body: UploadBody, signal: AbortSignal): Promise<UploadState> {
    return this.#changing(this.#uploads.append(repository, id, body, signal));
  }

  finishUpload(
    repository: Repository,
    id: string,
    digest: Digest,
    body: UploadBody,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#changing(this.#uploads.finish(repository, id, digest, body, signal));
  }

  cancelUpload(repository: Repository, id: string, signal: AbortSignal): Promise<void> {
    return this.#changing(this.#uploads.cancel(repository, id, signal));
  }

  mountBlob(repository: Repository, digest: Digest, offer: MountOffer, signal: AbortSignal): Promise<boolean> {
    return this.#changing(this.#blobs.mount(repository, digest, offer, signal));
  }

  putManifest(repository: Repository, push: ManifestPush, signal: AbortSignal): Promise<PushedManifest> {
    return this.#changing(this.#manifests.put(repository, push, signal));
  }

  deleteTag(repository: Repository, tag: Tag, signal: AbortSignal): Promise<void> {
    return this.#changing(this.#manifests.deleteTag(repository, tag, signal));
  }

  deleteManifest(repository: Repository, digest: Digest, signal: AbortSignal): Promise<void> {
    return this.#changing(this.#manifests.deleteManifest(repository, digest, signal));
  }

  deleteBlob(repository: Repository, digest: Digest, signal: AbortSignal): Promise<void> {
    return this.#changing(this.#blobs.delete(repository, digest, signal));
  }

  #changing<T>(change: Promise<T>): Promise<T> {
    const over = () => void this.#changes.delete(settled);
    const settled = change.then(over, over);
    this.#changes.add(settled);
    return change.catch((error: unknown) => {
      throw explainDiskFailure(error);
    });
  }
}
