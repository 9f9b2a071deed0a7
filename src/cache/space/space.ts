import type { Digest } from '../../oci/digest.ts';

/** Decides which content there is room for. */
export interface Space {
  /** The size of the whole cache: what is larger is never kept. */
  readonly maxBytes: number;
  /**
   * Takes room for content that is about to be stored, and makes it first where there is none, which may take a while.
   * Undefined when none can be made; then the content is not to be kept.
   * @throws the signal's reason
   */
  reserve(digest: Digest, sizeBytes: number, signal: AbortSignal): Promise<Room | undefined>;
  /** Is told of content that was passed on and not kept, as it is larger than the whole cache. */
  passedOn(digest: Digest, sizeBytes: number): void;
  /** Resolves when content is not just being removed: until then its file may be there, though nobody knows it any more. */
  removed(digest: Digest): Promise<void>;
}

/** Room that was taken for content. It is released once: when the content is in the index, or was not kept after all. */
export interface Room {
  release(): void;
}
