import type { BlobContent } from '../../oci/registry.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { Clock } from '../../util/time/clock.ts';
import type { BufferPool } from '../content/reading/buffers.ts';
import type { Space } from '../space/space.ts';
import type { DownloadQueue } from './download-queue.ts';
import type { Hasher } from './hasher.ts';

/** Gets a blob from `start` on, from wherever it is downloaded; rejects as `Registry.getBlob` does. */
export type DownloadSource = (start: number, signal: AbortSignal) => Promise<BlobContent>;

/** How a download behaves when things go wrong. */
export interface DownloadPolicy {
  /** How often it is begun again, one after the other, without a single new byte. */
  readonly maxFruitlessTries: number;
  /** The wait before it is begun again, in milliseconds; it doubles with every fruitless try. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** How long it waits, since the last new byte, for an upstream that is not even asked, as it is left alone. */
  readonly maxRestMs: number;
  /** How long the readers of a download that is not on disk may wait for the slowest of them. */
  readonly laggardMs: number;
}

/** With the upstream client's own patience (25 s a try) these tries bridge an outage of about three minutes. */
export const defaultDownloadPolicy: DownloadPolicy = {
  maxFruitlessTries: 6,
  firstDelayMs: 200,
  maxDelayMs: 10_000,
  maxRestMs: 180_000,
  laggardMs: 15_000,
};

/** Is told what becomes of a download. It must not throw. */
export interface DownloadObserver {
  /** The transfer broke and goes on from a byte. */
  resumed(error: Error, fromBytes: number): void;
  /** An earlier transfer left so many bytes, with which this one goes on. */
  continued(fromBytes: number): void;
  /** What an earlier transfer left is of no use; it begins from the first byte. */
  begunAnew(error: Error): void;
  /** The disk failed; those who read go on, but nothing will be stored. */
  diskFailed(error: Error): void;
  /** Everything came, is right, and is stored. */
  stored(sizeBytes: number): Promise<void>;
  /** Everything came and is right, but there is no room to keep it. */
  passed(sizeBytes: number): void;
  /** It ended without the blob being stored. */
  failed(error: Error): void;
}

/** What a download works with. */
export interface DownloadTools {
  readonly store: BlobStore;
  readonly hasher: Hasher;
  readonly buffers: BufferPool;
  readonly space: Space;
  readonly queue: DownloadQueue;
  readonly clock: Clock;
  readonly random: () => number;
  readonly policy: DownloadPolicy;
}
