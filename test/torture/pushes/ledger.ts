import type { Digest } from '../../../src/oci/digest.ts';
import type { TestBlob, TestManifest } from '../../support/content/images.ts';
import { type TagAttempt, TagHistory } from './tag-history.ts';

/** An image that a pusher made. */
export interface PushedImage {
  readonly repository: string;
  readonly manifest: TestManifest;
  readonly blobs: readonly TestBlob[];
  /** What its manifest refers to. */
  readonly subject: Digest | undefined;
}

/** A push that is under way. */
export interface Push {
  readonly image: PushedImage;
  readonly tags: readonly string[];
  readonly attempts: readonly TagAttempt[];
  readonly world: number;
}

/** All that was acknowledged to anybody who pushed, and so must be there. */
export class Ledger {
  /** Everything that was ever pushed, or tried to, by digest. */
  readonly known = new Map<Digest, Buffer>();
  /** What was damaged by hand, and no push has mended yet. */
  readonly damaged = new Set<string>();
  readonly #images = new Map<string, PushedImage>();
  readonly #deleted = new Map<string, PushedImage>();
  readonly #tags = new Map<string, TagHistory>();
  #now = 0;
  #world = 0;

  /** The time, which counts events. */
  get now(): number {
    return this.#now;
  }

  /** The images that must be there. */
  get images(): readonly PushedImage[] {
    return [...this.#images.values()];
  }

  /** The images of which the removal was acknowledged. */
  get deleted(): readonly PushedImage[] {
    return [...this.#deleted.values()];
  }

  /** The tags that anybody pushed to: repository and tag. */
  get tags(): readonly (readonly [repository: string, tag: string])[] {
    return [...this.#tags.keys()].map((name) => name.split(':') as [string, string]);
  }

  /** Whether an image must be there, still. */
  has({ repository, manifest }: PushedImage): boolean {
    return this.#images.has(`${repository}@${manifest.digest}`);
  }

  /** Whether its removal was acknowledged, and stands. */
  hasDeleted({ repository, manifest }: PushedImage): boolean {
    return this.#deleted.has(`${repository}@${manifest.digest}`);
  }

  /** The images that must be there and consist of some content. */
  imagesWith(digest: string): readonly PushedImage[] {
    return this.images.filter(({ manifest, blobs }) =>
      [manifest, ...blobs].some((content) => content.digest === digest),
    );
  }

  /** What a tag may stand for, for whoever began to ask at a time. */
  allowedSince(repository: string, tag: string, time: number): Set<Digest | undefined> {
    return this.#history(repository, tag).allowedSince(time);
  }

  /** An image is about to be pushed, and tags to stand for it. */
  begin(image: PushedImage, tags: readonly string[]): Push {
    for (const { digest, bytes } of [image.manifest, ...image.blobs]) this.known.set(digest, bytes);
    const now = ++this.#now;
    const attempts = tags.map((tag) => this.#history(image.repository, tag).begin(image.manifest.digest, now));
    return { image, tags, attempts, world: this.#world };
  }

  /** It was acknowledged: from now on it must be there. False when all was taken away meanwhile. */
  acknowledge({ image, attempts, world }: Push): boolean {
    if (world !== this.#world) return false;
    const now = ++this.#now;
    for (const attempt of attempts) Object.assign(attempt, { isAcknowledged: true, endedAt: now });
    this.#images.set(`${image.repository}@${image.manifest.digest}`, image);
    return true;
  }

  /** Whoever pushed waits no more; it may have come, or may come as long as the process lives. */
  giveUp({ attempts }: Push): void {
    for (const attempt of attempts) attempt.isGivenUp = true;
  }

  /** Whether an image may be removed: no tag stands for it, or may; and nobody is about to mend it. */
  mayGo({ repository, manifest, blobs }: PushedImage): boolean {
    if ([manifest, ...blobs].some(({ digest }) => this.damaged.has(digest))) return false;
    return this.tags.every(
      ([name, tag]) => name !== repository || !this.allowedSince(name, tag, this.#now).has(manifest.digest),
    );
  }

  /** An image is about to be removed: it need not be there any more. What it gives is called when that is acknowledged. */
  beginDelete(image: PushedImage): () => void {
    const world = this.#world;
    const key = `${image.repository}@${image.manifest.digest}`;
    this.#images.delete(key);
    return () => {
      if (world === this.#world) this.#deleted.set(key, image);
    };
  }

  /** A tag is about to be removed. What it gives is called with whether that was acknowledged. */
  beginUntag(repository: string, tag: string): (isAcknowledged: boolean) => void {
    const world = this.#world;
    const attempt = this.#history(repository, tag).begin(undefined, ++this.#now);
    return (isAcknowledged) => {
      if (world !== this.#world) return;
      if (isAcknowledged) Object.assign(attempt, { isAcknowledged, endedAt: ++this.#now });
      else attempt.isGivenUp = true;
    };
  }

  /** The process ended, in whatever way. */
  processEnded(): void {
    const now = ++this.#now;
    for (const history of this.#tags.values()) history.processEnded(now);
  }

  /** All that was kept is taken away, while no process runs: what was acknowledged before counts no more. */
  forget(): void {
    this.#world++;
    this.#images.clear();
    this.#deleted.clear();
    this.#tags.clear();
  }

  #history(repository: string, tag: string): TagHistory {
    const name = `${repository}:${tag}`;
    const history = this.#tags.get(name) ?? new TagHistory();
    this.#tags.set(name, history);
    return history;
  }
}
