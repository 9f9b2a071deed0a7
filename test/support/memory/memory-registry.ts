import type { Digest } from '../../../src/oci/digest.ts';
import { RegistryError } from '../../../src/oci/errors.ts';
import { mediaTypes } from '../../../src/oci/manifest/media-types.ts';
import type { Reference, Repository } from '../../../src/oci/reference.ts';
import type {
  BlobContent,
  BlobStat,
  Chunk,
  Manifest,
  ManifestDescriptor,
  Page,
  Referrers,
  ReferrersQuery,
  Registry,
  RepositoryList,
  RequestedRange,
  TagList,
} from '../../../src/oci/registry.ts';
import type { ByteSource } from '../content/byte-source.ts';
import { Content } from '../content/content.ts';
import type { TestImage } from '../content/images.ts';
import { cutPage } from '../http/paging.ts';

/** How a memory registry answers. */
export interface MemoryRegistryOptions {
  readonly content?: Content;
  /** The size of the chunks that blobs come in. */
  readonly chunkBytes?: number;
  /** The most entries on a page of a list. */
  readonly maxPageSize?: number;
}

/** A registry in memory: the plainest thing that keeps the contract. */
export class MemoryRegistry implements Registry {
  readonly content: Content;
  readonly #chunkBytes: number;
  readonly #maxPageSize: number;

  constructor(options: MemoryRegistryOptions = {}) {
    this.content = options.content ?? new Content();
    this.#chunkBytes = options.chunkBytes ?? 64 * 1024; // small enough that a test's blob comes in several
    this.#maxPageSize = options.maxPageSize ?? Infinity;
  }

  /** Puts an image or an index, with everything below it, and tags it if a tag is given. */
  push(repository: string, image: TestImage, tag?: string): Digest {
    return this.content.push(repository, image, tag);
  }

  async resolveManifest(
    repository: Repository,
    reference: Reference,
    signal: AbortSignal,
  ): Promise<ManifestDescriptor> {
    const { digest, mediaType, sizeBytes } = await this.getManifest(repository, reference, signal);
    return { digest, mediaType, sizeBytes };
  }

  async getManifest(repository: Repository, reference: Reference, signal: AbortSignal): Promise<Manifest> {
    signal.throwIfAborted();
    this.#requireRepository(repository);
    const held = this.content.manifest(repository, reference);
    if (held === undefined) throw new RegistryError('MANIFEST_UNKNOWN', `Cannot find manifest "${reference}"`);
    return { ...held, sizeBytes: held.bytes.length };
  }

  async statBlob(repository: Repository, digest: Digest, signal: AbortSignal): Promise<BlobStat> {
    signal.throwIfAborted();
    return { sizeBytes: this.#blob(repository, digest).sizeBytes };
  }

  async getBlob(
    repository: Repository,
    digest: Digest,
    range: RequestedRange | undefined,
    signal: AbortSignal,
  ): Promise<BlobContent> {
    signal.throwIfAborted();
    const source = this.#blob(repository, digest);
    const { start, end } = range === undefined ? { start: 0, end: source.sizeBytes } : spanOf(range, source.sizeBytes);
    return new MemoryBlobContent(source, start, end, this.#chunkBytes, signal);
  }

  async listTags(repository: Repository, page: Page, signal: AbortSignal): Promise<TagList> {
    signal.throwIfAborted();
    this.#requireRepository(repository);
    const { entries, nextAfter } = cutPage(this.content.tags(repository) ?? [], (tag) => tag, this.#limit(page));
    return { tags: entries, ...nextPage(page, nextAfter) };
  }

  async listReferrers(
    repository: Repository,
    digest: Digest,
    query: ReferrersQuery,
    signal: AbortSignal,
  ): Promise<Referrers> {
    signal.throwIfAborted();
    this.#requireRepository(repository);
    const { artifactType, page } = query;
    const all = this.content.referrers(repository, digest);
    const wanted = artifactType === undefined ? all : all.filter((entry) => entry.artifactType === artifactType);
    const { entries, nextAfter } = cutPage(wanted, (entry) => entry.digest, this.#limit({ last: page }));
    const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: entries };
    return {
      bytes: Buffer.from(JSON.stringify(index)),
      filtered: artifactType !== undefined,
      ...(nextAfter === undefined ? {} : { next: nextAfter }),
    };
  }

  async listRepositories(page: Page, signal: AbortSignal): Promise<RepositoryList> {
    signal.throwIfAborted();
    const { entries, nextAfter } = cutPage(this.content.repositories(), (name) => name, this.#limit(page));
    return { repositories: entries, ...nextPage(page, nextAfter) };
  }

  #limit({ count = Infinity, last }: Page): Page {
    return { count: Math.min(count, this.#maxPageSize), last };
  }

  #requireRepository(repository: Repository): void {
    if (!this.content.has(repository)) throw new RegistryError('NAME_UNKNOWN', `Cannot find "${repository}"`);
  }

  #blob(repository: Repository, digest: Digest): ByteSource {
    this.#requireRepository(repository);
    const source = this.content.blob(repository, digest);
    if (source === undefined) throw new RegistryError('BLOB_UNKNOWN', `Cannot find blob "${digest}"`);
    return source;
  }
}

/** Hands out each chunk in a buffer of its own, and overwrites it on release: who keeps such bytes shall notice. */
class MemoryBlobContent implements BlobContent {
  readonly sizeBytes: number;
  readonly start: number;
  readonly end: number;
  readonly #source: ByteSource;
  readonly #chunkBytes: number;
  readonly #signal: AbortSignal;
  #position: number;
  #isClosed = false;

  constructor(source: ByteSource, start: number, end: number, chunkBytes: number, signal: AbortSignal) {
    this.sizeBytes = source.sizeBytes;
    this.start = start;
    this.end = end;
    this.#source = source;
    this.#chunkBytes = chunkBytes;
    this.#signal = signal;
    this.#position = start;
  }

  async next(): Promise<Chunk | undefined> {
    this.#signal.throwIfAborted();
    if (this.#isClosed) throw new Error('Cannot read a blob that was closed');
    if (this.#position === this.end) return undefined;
    const chunkEnd = Math.min(this.#position + this.#chunkBytes, this.end);
    const bytes = Buffer.from(this.#source.read(this.#position, chunkEnd));
    this.#position = chunkEnd;
    return { bytes, release: () => void bytes.fill(0xdd) };
  }

  close(): void {
    this.#isClosed = true;
  }
}

function spanOf(range: RequestedRange, sizeBytes: number): { start: number; end: number } {
  const start = 'start' in range ? range.start : Math.max(0, sizeBytes - range.suffixLength);
  const end = 'start' in range && range.end !== undefined ? Math.min(range.end + 1, sizeBytes) : sizeBytes;
  if (start < end) return { start, end };
  throw new RegistryError('RANGE_INVALID', `Cannot read from byte ${start} of ${sizeBytes}`, {
    headers: { 'content-range': `bytes */${sizeBytes}` },
  });
}

function nextPage(page: Page, nextAfter: string | undefined): { next?: Page } {
  return nextAfter === undefined ? {} : { next: { count: page.count, last: nextAfter } };
}
