import type { TestContext } from 'node:test';
import { DownloadQueue } from '../../src/cache/download/download-queue.ts';
import {
  type DownloadObserver,
  type DownloadPolicy,
  type DownloadSource,
  type DownloadTools,
  defaultDownloadPolicy,
} from '../../src/cache/download/download-tools.ts';
import { Hasher, type RunningHash } from '../../src/cache/download/hasher.ts';
import type { Space } from '../../src/cache/space/space.ts';
import type { DigestAlgorithm } from '../../src/oci/digest.ts';
import { RegistryError } from '../../src/oci/errors.ts';
import { unlessAborted } from '../../src/util/locks/single-flight.ts';
import { CountingPool } from './counting-pool.ts';
import { MemoryBlobStore } from './memory/memory-blob-store.ts';
import { ManualClock } from './time/clock.ts';

/** What a source does when it is opened: without any, it gives the rest of the blob. */
export interface SourceAct {
  /** Rejects the opening. */
  readonly refuses?: Error;
  /** The size that it tells; `unknown` for none. */
  readonly says?: number | 'unknown';
  /** Where it ends; with `breaks`, by this error. */
  readonly endsAt?: number;
  readonly breaks?: Error;
  /** Is waited for before the bytes from a position on. */
  readonly holds?: (position: number) => Promise<void> | undefined;
}

/** What a source was asked for, and what is out of its buffers. */
export interface SourceState {
  /** Where each opening began. */
  readonly starts: number[];
  opened: number;
  closed: number;
  /** How many bytes are in chunks that were not given back; at most, so far. */
  bytesOut: number;
  maxBytesOut: number;
}

const chunkBytes = 64 * 1024;

/** A source of a blob, which does one act after the other. */
export function makeSource(bytes: Uint8Array, acts: readonly SourceAct[]): [DownloadSource, SourceState] {
  const state: SourceState = { starts: [], opened: 0, closed: 0, bytesOut: 0, maxBytesOut: 0 };
  const source: DownloadSource = async (start, signal) => {
    const {
      refuses,
      says = bytes.length,
      endsAt = bytes.length,
      breaks,
      holds,
    }: SourceAct = acts[state.starts.length] ?? {};
    state.starts.push(start);
    signal.throwIfAborted();
    if (refuses) throw refuses;
    state.opened++;
    let position = start;
    return {
      sizeBytes: says === 'unknown' ? undefined : says,
      start,
      end: says === 'unknown' ? undefined : says,
      async next() {
        signal.throwIfAborted();
        const held = holds?.(position);
        if (held) await unlessAborted(held, signal);
        if (position >= endsAt && breaks) throw breaks;
        if (position >= endsAt) return undefined;
        const piece = Buffer.from(bytes.subarray(position, Math.min(position + chunkBytes, endsAt)));
        position += piece.length;
        state.bytesOut += piece.length;
        state.maxBytesOut = Math.max(state.maxBytesOut, state.bytesOut);
        return {
          bytes: piece,
          release() {
            state.bytesOut -= piece.length;
            piece.fill(0); // as another answer would write into it
          },
        };
      },
      close() {
        state.closed++;
      },
    };
  };
  return [source, state];
}

/** What a download told its observer. */
export interface Observed {
  readonly resumed: number[];
  readonly continued: number[];
  readonly begunAnew: Error[];
  readonly diskFailed: Error[];
  readonly stored: number[];
  readonly passed: number[];
  readonly failed: Error[];
}

/** An observer that notes what it is told. */
export function makeObserver(): [DownloadObserver, Observed] {
  const observed: Observed = {
    resumed: [],
    continued: [],
    begunAnew: [],
    diskFailed: [],
    stored: [],
    passed: [],
    failed: [],
  };
  const observer: DownloadObserver = {
    resumed: (_error, fromBytes) => void observed.resumed.push(fromBytes),
    continued: (fromBytes) => void observed.continued.push(fromBytes),
    begunAnew: (error) => void observed.begunAnew.push(error),
    diskFailed: (error) => void observed.diskFailed.push(error),
    stored: async (sizeBytes) => void observed.stored.push(sizeBytes),
    passed: (sizeBytes) => void observed.passed.push(sizeBytes),
    failed: (error) => void observed.failed.push(error),
  };
  return [observer, observed];
}

/** A hasher whose hashes end when they may. */
export class HeldHasher extends Hasher {
  readonly #mayEnd: Promise<void>;

  constructor(mayEnd: Promise<void>) {
    super(1);
    this.#mayEnd = mayEnd;
  }

  override begin(algorithm: DigestAlgorithm): RunningHash {
    const hash = super.begin(algorithm);
    return { ...hash, end: () => this.#mayEnd.then(() => hash.end()) };
  }
}

/** A space that has room for everything. */
export const endlessSpace: Space = {
  maxBytes: Number.MAX_SAFE_INTEGER,
  reserve: async () => ({ release() {} }),
  passedOn() {},
  removed: async () => {},
};

/** What a test may put in the place of what downloads are made with. */
export interface DownloadToolsOptions {
  readonly policy?: Partial<DownloadPolicy>;
  readonly hasher?: Hasher;
  readonly space?: Space;
  /** How many may go on at a time. */
  readonly maxCount?: number;
}

/** What is other than usual of them. */
export interface ToolsOptions {
  readonly policy?: Partial<DownloadPolicy>;
  readonly hasher?: Hasher;
  /** How many may go on at a time. */
  readonly maxCount?: number;
}

/** What downloads are made with in tests: a store in memory, endless space, a clock that stands still, no jitter. */
export function downloadTools(t: TestContext, options: DownloadToolsOptions = {}) {
  const { policy, hasher = new Hasher(1), space = endlessSpace, maxCount = 100 } = options;
  t.after(() => hasher.close());
  const clock = new ManualClock();
  return {
    store: new MemoryBlobStore(),
    clock,
    queue: new DownloadQueue(maxCount, clock),
    buffers: new CountingPool(),
    space,
    hasher,
    random: () => 1,
    policy: { ...defaultDownloadPolicy, ...policy },
  } satisfies DownloadTools;
}

/** An error of an upstream that may do better soon. */
export function unavailable(message = 'upstream broke'): RegistryError {
  return new RegistryError('UNAVAILABLE', message);
}
