import type { Digest } from '../../../src/oci/digest.ts';

/** A manifest as the model has it. */
export interface ModelManifest {
  readonly digest: Digest;
  readonly references: readonly Digest[];
  readonly subject: Digest | undefined;
}

interface ModelRepository {
  /** Digest → when it was linked, or renewed. */
  readonly blobs: Map<Digest, number>;
  readonly manifests: Map<Digest, ModelManifest & { readonly linkedAtMs: number }>;
  readonly tags: Map<string, Digest>;
}

/** Hosted repositories as their rules say it, without a thought for speed. */
export class GarbageModel {
  readonly repositories = new Map<string, ModelRepository>();
  /** What is stored, as long as somebody has it, or garbage was not collected since. */
  readonly stored = new Set<Digest>();

  of(repository: string): ModelRepository {
    const found = this.repositories.get(repository) ?? { blobs: new Map(), manifests: new Map(), tags: new Map() };
    this.repositories.set(repository, found);
    return found;
  }

  addBlob(repository: string, digest: Digest, nowMs: number): void {
    if (!this.of(repository).manifests.has(digest)) this.of(repository).blobs.set(digest, nowMs);
    this.stored.add(digest);
  }

  /** Whether it is taken: all that is referenced must be there. */
  put(repository: string, manifest: ModelManifest, tag: string | undefined, nowMs: number): boolean {
    const { blobs, manifests, tags } = this.of(repository);
    if (!manifest.references.every((digest) => blobs.has(digest) || manifests.has(digest))) return false;
    manifests.set(manifest.digest, { ...manifest, linkedAtMs: nowMs });
    if (tag !== undefined) tags.set(tag, manifest.digest);
    this.stored.add(manifest.digest);
    return true;
  }

  removeManifest(repository: string, digest: Digest): void {
    const { manifests, tags } = this.of(repository);
    manifests.delete(digest);
    for (const [tag, tagged] of tags) if (tagged === digest) tags.delete(tag);
  }

  /** Whether it goes: nothing may reference it. */
  removeBlob(repository: string, digest: Digest): boolean {
    const { blobs } = this.of(repository);
    return !this.#isReferenced(repository, digest) && blobs.delete(digest);
  }

  /** One thing after the other, until nothing goes any more. */
  collect(beforeMs: number, untagged: boolean): { manifests: number; blobs: number; contents: number } {
    const gone = { manifests: 0, blobs: 0, contents: 0 };
    for (const [name, { blobs, manifests, tags }] of this.repositories) {
      for (let isDone = !untagged; !isDone; ) {
        const next = [...manifests.values()].find(
          ({ digest, subject, linkedAtMs }) =>
            linkedAtMs < beforeMs &&
            ![...tags.values()].includes(digest) &&
            !this.#isReferenced(name, digest) &&
            (subject === undefined || !manifests.has(subject)),
        );
        isDone = next === undefined;
        if (next === undefined) break;
        manifests.delete(next.digest);
        gone.manifests++;
      }
      for (const [digest, linkedAtMs] of blobs) {
        if (linkedAtMs < beforeMs && !this.#isReferenced(name, digest)) {
          blobs.delete(digest);
          gone.blobs++;
        }
      }
    }
    for (const digest of this.stored) {
      if (this.holders(digest).length > 0) continue;
      this.stored.delete(digest);
      gone.contents++;
    }
    return gone;
  }

  /** The repositories that have it. */
  holders(digest: Digest): string[] {
    return [...this.repositories]
      .filter(([, { blobs, manifests }]) => blobs.has(digest) || manifests.has(digest))
      .map(([name]) => name);
  }

  #isReferenced(repository: string, digest: Digest): boolean {
    return [...this.of(repository).manifests.values()].some(({ references }) => references.includes(digest));
  }
}
