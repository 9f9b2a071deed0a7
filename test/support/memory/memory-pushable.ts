import { algorithmOf, type Digest, digestOf, isDigest } from '../../../src/oci/digest.ts';
import { RegistryError } from '../../../src/oci/errors.ts';
import { hostedRegistryName } from '../../../src/oci/hosted.ts';
import { isDigestReference, type Repository, type Tag } from '../../../src/oci/reference.ts';
import type {
  ManifestPush,
  MountOffer,
  PushableRegistry,
  PushedManifest,
  UploadBody,
  UploadHint,
  UploadState,
} from '../../../src/oci/registry.ts';
import { Content } from '../content/content.ts';
import { MemoryRegistry } from './memory-registry.ts';

interface Upload {
  readonly repository: Repository;
  bytes: Buffer;
}

interface ManifestDocument {
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
  readonly manifests?: readonly { readonly digest: string }[];
  readonly subject?: { readonly digest: Digest };
}

/** A registry in memory that can be pushed to: the plainest thing that keeps the contract. */
export class MemoryPushable extends MemoryRegistry implements PushableRegistry {
  /** What a cache beside it holds, which blobs may be mounted from. */
  readonly cached = new Content();
  /** Who has begun uploads. */
  readonly beginners: (string | undefined)[] = [];
  readonly #uploads = new Map<string, Upload>();
  #lastId = 0;

  /** How many uploads were begun and are not over. */
  get uploadCount(): number {
    return this.#uploads.size;
  }

  async beginUpload(repository: Repository, { by }: UploadHint, signal: AbortSignal): Promise<UploadState> {
    signal.throwIfAborted();
    this.beginners.push(by);
    const id = `upload-${++this.#lastId}`;
    this.#uploads.set(id, { repository, bytes: Buffer.alloc(0) });
    return { id, sizeBytes: 0 };
  }

  async getUpload(repository: Repository, id: string, signal: AbortSignal): Promise<UploadState> {
    signal.throwIfAborted();
    return { id, sizeBytes: this.#upload(repository, id).bytes.length };
  }

  async appendUpload(repository: Repository, id: string, body: UploadBody, signal: AbortSignal): Promise<UploadState> {
    signal.throwIfAborted();
    const upload = this.#upload(repository, id);
    await receive(upload, body);
    return { id, sizeBytes: upload.bytes.length };
  }

  async finishUpload(
    repository: Repository,
    id: string,
    digest: Digest,
    body: UploadBody,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    const upload = this.#upload(repository, id);
    await receive(upload, body);
    this.#uploads.delete(id);
    const found = digestOf(upload.bytes, algorithmOf(digest));
    if (found !== digest) throw new RegistryError('DIGEST_INVALID', `Cannot store ${digest}: it is ${found}`);
    this.content.putBlob(repository, upload.bytes, algorithmOf(digest));
  }

  async cancelUpload(repository: Repository, id: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#upload(repository, id);
    this.#uploads.delete(id);
  }

  async mountBlob(repository: Repository, digest: Digest, offer: MountOffer, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const holders = [
      { registry: hostedRegistryName, content: this.content },
      { registry: 'origin.test', content: this.cached },
    ];
    const all = holders.flatMap(({ registry, content }) =>
      (content.repositories() as Repository[]).map((source) => ({ registry, content, source })),
    );
    for (const { registry, content, source } of all) {
      const blob = content.blob(source, digest);
      if (blob === undefined || (offer.from ?? source) !== source || !offer.mayRead(registry, source)) continue;
      this.content.putBlob(repository, blob.read(0, blob.sizeBytes), algorithmOf(digest));
      return true;
    }
    return false;
  }

  async putManifest(repository: Repository, push: ManifestPush, signal: AbortSignal): Promise<PushedManifest> {
    signal.throwIfAborted();
    const bytes = Buffer.from(push.bytes);
    const { reference, mediaType } = push;
    const digest = isDigestReference(reference) ? digestOf(bytes, algorithmOf(reference)) : digestOf(bytes);
    if (isDigestReference(reference) && reference !== digest) {
      throw new RegistryError('DIGEST_INVALID', `Cannot store ${reference}: it is ${digest}`);
    }
    const document = parseManifest(bytes);
    this.#requireReferenced(repository, document);
    const tags = [...new Set([...(isDigestReference(reference) ? [] : [reference]), ...push.tags])];
    this.content.putManifest(repository, bytes, mediaType, undefined, algorithmOf(digest));
    for (const tag of tags) this.content.tag(repository, tag, digest);
    return { digest, tags, subject: document.subject?.digest };
  }

  async deleteTag(repository: Repository, tag: Tag, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.content.tags(repository)?.includes(tag)) throw unknownManifest(tag);
    this.content.removeTag(repository, tag);
  }

  async deleteManifest(repository: Repository, digest: Digest, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.content.manifest(repository, digest)) throw unknownManifest(digest);
    this.content.removeManifest(repository, digest);
  }

  async deleteBlob(repository: Repository, digest: Digest, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.content.blob(repository, digest)) throw new RegistryError('BLOB_UNKNOWN', `Cannot find blob "${digest}"`);
    const isReferenced = this.content
      .manifests(repository)
      .some(({ bytes }) => blobsOf(parseManifest(bytes)).includes(digest));
    if (isReferenced) throw new RegistryError('UNSUPPORTED', `Cannot remove ${digest}: a manifest references it`);
    this.content.removeBlob(repository, digest);
  }

  #upload(repository: Repository, id: string): Upload {
    const upload = this.#uploads.get(id);
    if (upload?.repository === repository) return upload;
    throw new RegistryError('BLOB_UPLOAD_UNKNOWN', `Cannot find the upload "${id}"`);
  }

  #requireReferenced(repository: Repository, document: ManifestDocument): void {
    for (const digest of blobsOf(document)) {
      if (this.content.blob(repository, digest)) continue;
      throw new RegistryError('MANIFEST_BLOB_UNKNOWN', `Cannot store the manifest: "${repository}" has no ${digest}`);
    }
  }
}

async function receive(upload: Upload, { bytes, sizeBytes, start }: UploadBody): Promise<void> {
  const before = upload.bytes.length;
  if (start !== undefined && start !== before) {
    throw new RegistryError('RANGE_INVALID', `Cannot take bytes from ${start} on: ${before} have arrived`);
  }
  try {
    for await (const piece of bytes) upload.bytes = Buffer.concat([upload.bytes, piece]);
  } catch (cause) {
    if (cause instanceof RegistryError) throw cause;
    throw new RegistryError('BLOB_UPLOAD_INVALID', 'Cannot take the bytes: they broke off', { cause });
  }
  const came = upload.bytes.length - before;
  if (sizeBytes === undefined || came === sizeBytes) return;
  throw new RegistryError('BLOB_UPLOAD_INVALID', `Cannot take the bytes: ${came} came of ${sizeBytes}`);
}

function parseManifest(bytes: Buffer): ManifestDocument {
  try {
    return JSON.parse(bytes.toString()) as ManifestDocument;
  } catch (cause) {
    throw new RegistryError('MANIFEST_INVALID', 'Cannot read the manifest: it is no JSON', { cause });
  }
}

function blobsOf({ config, layers = [] }: ManifestDocument): string[] {
  return [...(config ? [config] : []), ...layers].map(({ digest }) => digest).filter(isDigest);
}

function unknownManifest(reference: string): RegistryError {
  return new RegistryError('MANIFEST_UNKNOWN', `Cannot find manifest "${reference}"`);
}
