import { type Digest, type DigestAlgorithm, digestOf, isDigest } from '../../../src/oci/digest.ts';
import { parseRepository, parseTag } from '../../../src/oci/reference.ts';
import { type ByteSource, digestOfSource, generatedSource, memorySource } from './byte-source.ts';
import type { TestImage } from './images.ts';

/** A manifest that a repository holds. */
export interface HeldManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: Digest;
}

/** What the referrers of a subject are listed with. */
export interface ReferrerDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: unknown;
}

interface HeldRepository {
  readonly tags: Map<string, Digest>;
  readonly manifests: Map<string, HeldManifest>;
  readonly blobs: Map<string, ByteSource>;
}

/** What a registry holds: the one truth that the memory registry and the test registry both answer from. */
export class Content {
  readonly #repositories = new Map<string, HeldRepository>();

  /** Puts an image or an index, with everything below it, and tags it if a tag is given. */
  push(repository: string, image: TestImage, tag?: string): Digest {
    for (const child of image.children) this.push(repository, child);
    for (const blob of image.blobs) this.putBlob(repository, blob.bytes);
    return this.putManifest(repository, image.manifest.bytes, image.manifest.mediaType, tag);
  }

  /** Puts a manifest as it is, and tags it if a tag is given. */
  putManifest(
    repository: string,
    bytes: Buffer,
    mediaType: string,
    tag?: string,
    algorithm: DigestAlgorithm = 'sha256',
  ): Digest {
    const digest = digestOf(bytes, algorithm);
    this.#open(repository).manifests.set(digest, { bytes, mediaType, digest });
    if (tag !== undefined) this.tag(repository, tag, digest);
    return digest;
  }

  /** Puts a blob that is held in memory. */
  putBlob(repository: string, bytes: Buffer, algorithm: DigestAlgorithm = 'sha256'): Digest {
    const digest = digestOf(bytes, algorithm);
    this.#open(repository).blobs.set(digest, memorySource(bytes));
    return digest;
  }

  /** Puts a blob of seeded bytes, which are made anew for whoever reads them and never held. */
  putGenerated(repository: string, seed: string, sizeBytes: number): Digest {
    const source = generatedSource(seed, sizeBytes);
    const digest = digestOfSource(source);
    this.#open(repository).blobs.set(digest, source);
    return digest;
  }

  /** Makes a tag stand for a digest, whatever it stood for. */
  tag(repository: string, tag: string, digest: Digest): void {
    this.#open(repository).tags.set(parseTag(tag), digest);
  }

  /** Removes a tag. */
  removeTag(repository: string, tag: string): void {
    this.#repositories.get(repository)?.tags.delete(tag);
  }

  /** Removes a manifest, and every tag that stands for it. */
  removeManifest(repository: string, digest: Digest): void {
    const held = this.#repositories.get(repository);
    held?.manifests.delete(digest);
    for (const [tag, tagged] of held?.tags ?? []) if (tagged === digest) held?.tags.delete(tag);
  }

  /** Removes a blob. */
  removeBlob(repository: string, digest: Digest): void {
    this.#repositories.get(repository)?.blobs.delete(digest);
  }

  /** Removes a repository with all that it holds. */
  removeRepository(repository: string): void {
    this.#repositories.delete(repository);
  }

  /** Whether a repository is there. */
  has(repository: string): boolean {
    return this.#repositories.has(repository);
  }

  /** A manifest by tag or digest; undefined when it is not there. */
  manifest(repository: string, reference: string): HeldManifest | undefined {
    const held = this.#repositories.get(repository);
    const digest = isDigest(reference) ? reference : held?.tags.get(reference);
    return digest === undefined ? undefined : held?.manifests.get(digest);
  }

  /** All manifests of a repository. */
  manifests(repository: string): HeldManifest[] {
    return [...(this.#repositories.get(repository)?.manifests.values() ?? [])];
  }

  /** All blobs of a repository. */
  blobs(repository: string): [Digest, ByteSource][] {
    return [...(this.#repositories.get(repository)?.blobs ?? [])] as [Digest, ByteSource][];
  }

  /** A blob; undefined when it is not there. */
  blob(repository: string, digest: string): ByteSource | undefined {
    return this.#repositories.get(repository)?.blobs.get(digest);
  }

  /** All tags of a repository, in lexical order; undefined when there is no such repository. */
  tags(repository: string): string[] | undefined {
    const held = this.#repositories.get(repository);
    return held && [...held.tags.keys()].sort();
  }

  /** All repositories, in lexical order. */
  repositories(): string[] {
    return [...this.#repositories.keys()].sort();
  }

  /** The manifests of a repository whose subject is this digest, in the order of their digests. */
  referrers(repository: string, subject: string): ReferrerDescriptor[] {
    const manifests = this.#repositories.get(repository)?.manifests.values() ?? [];
    return [...manifests]
      .flatMap((manifest) => describeReferrer(manifest, subject) ?? [])
      .sort((a, b) => (a.digest < b.digest ? -1 : 1));
  }

  #open(repository: string): HeldRepository {
    const held = this.#repositories.get(parseRepository(repository));
    if (held !== undefined) return held;
    const made: HeldRepository = { tags: new Map(), manifests: new Map(), blobs: new Map() };
    this.#repositories.set(repository, made);
    return made;
  }
}

interface ReferringDocument {
  readonly artifactType?: string;
  readonly config?: { readonly mediaType?: string };
  readonly subject?: { readonly digest?: string };
  readonly annotations?: unknown;
}

function describeReferrer(manifest: HeldManifest, subject: string): ReferrerDescriptor | undefined {
  const document = JSON.parse(manifest.bytes.toString()) as ReferringDocument;
  if (document.subject?.digest !== subject) return undefined;
  // Image spec, "Guidelines for artifact usage": without one of its own, the config's media type is the artifact type.
  const artifactType = document.artifactType ?? document.config?.mediaType;
  return {
    mediaType: manifest.mediaType,
    digest: manifest.digest,
    size: manifest.bytes.length,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(document.annotations === undefined ? {} : { annotations: document.annotations }),
  };
}
