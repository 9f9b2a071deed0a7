import { algorithmOf, type Digest } from '../../oci/digest.ts';
import { isTemporary, RegistryError } from '../../oci/errors.ts';
import type { BlobContent, CacheOutcome, RequestedRange } from '../../oci/registry.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import { backoffMs } from '../../util/backoff.ts';
import { type Clock, isWithin } from '../../util/clock.ts';
import { unlessAborted } from '../../util/single-flight.ts';
import type { BufferPool } from '../content/buffers.ts';
import type { Space } from '../space/space.ts';
import { type Followed, Follower } from './follower.ts';
import type { Hasher, RunningHash } from './hasher.ts';
import { Spool } from './spool.ts';

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
  readonly clock: Clock;
  readonly random: () => number;
  readonly policy: DownloadPolicy;
}

/**
 * The one transfer of a blob from upstream, and everybody who reads it.
 *
 * It owns the bytes: upstream → blocks of memory → spool file, and beside it the hash. Readers follow the file, each at
 * its own pace; none of them, slow or gone, touches the transfer. When upstream breaks, stalls or ends short, it goes on
 * from the last byte. The last byte is given out only when the digest of the whole is right, so a wrong blob never
 * looks complete to anybody.
 */
export class Download {
  readonly digest: Digest;
  /** Resolves when upstream has begun to answer; rejects when it did not. */
  readonly started: Promise<void>;
  /** Resolves when all is over and the blob is stored, or is not. It never rejects. */
  readonly finished: Promise<void>;
  /** Resolves when the last reader has left, too, and nothing of it is open any more. It never rejects. */
  readonly closed: Promise<void>;
  readonly #markClosed: () => void;
  readonly #source: DownloadSource;
  readonly #tools: DownloadTools;
  readonly #observer: DownloadObserver;
  readonly #stop = new AbortController();
  readonly #spool: Spool;
  #sizeBytes: number | undefined;
  #verified = false;
  #failure: Error | undefined;
  #over = false;

  constructor(digest: Digest, source: DownloadSource, tools: DownloadTools, observer: DownloadObserver) {
    this.digest = digest;
    this.#source = source;
    this.#tools = tools;
    this.#observer = observer;
    this.#spool = new Spool(
      () => tools.store.create(digest),
      (error) => this.#diskFailed(error),
    );
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#markClosed = resolve;
    const opening = this.#open();
    this.started = opening.then(() => {});
    this.started.catch(() => {}); // those who wait for it get it
    this.finished = this.#run(opening);
  }

  /** Whether another reader can read it from its first byte. */
  get joinable(): boolean {
    return !this.#over && this.#failure === undefined && this.#spool.isKept;
  }

  /** The size of the blob in bytes; undefined until it is known. */
  get sizeBytes(): number | undefined {
    return this.#sizeBytes;
  }

  /**
   * Reads the blob, or a part of it, as it comes; a part waits for its first byte. It counts as read from the call on.
   * @throws what opening the source threw, RegistryError RANGE_INVALID, the signal's reason
   */
  async read(range: RequestedRange | undefined, outcome: CacheOutcome, signal: AbortSignal): Promise<BlobContent> {
    const follower = new Follower(this.#view(), this.#tools.buffers, outcome, () => this.#readerLeft());
    try {
      await unlessAborted(this.started, signal);
      follower.begin(range);
      // No byte of an empty blob can be held back, so not even its head goes out before the digest is right.
      if (this.#sizeBytes === 0) await unlessAborted(this.#checked(), signal);
      return follower;
    } catch (error) {
      follower.close();
      throw error;
    }
  }

  /** Ends the download; its readers get the reason. */
  abort(reason: Error): void {
    this.#stop.abort(reason);
  }

  async #open(): Promise<BlobContent> {
    const content = await this.#source(0, this.#stop.signal);
    this.#sizeBytes = content.sizeBytes;
    if ((content.sizeBytes ?? 0) > this.#tools.space.maxBytes) this.#pass();
    return content;
  }

  async #run(opening: Promise<BlobContent>): Promise<void> {
    try {
      const content = await opening;
      await this.#spool.open();
      await this.#transfer(content);
      this.#verified = true;
      this.#spool.notify();
      await this.#keep();
    } catch (error) {
      this.#fail(error as Error);
    } finally {
      this.#over = true;
      await this.#closeWhenUnread();
    }
  }

  /** Stores the blob, if there is room for it. Nobody waits for that: its readers have the last byte already. */
  async #keep(): Promise<void> {
    const { receivedBytes, isKept, diskFailure } = this.#spool;
    if (diskFailure) throw diskFailure;
    const room = isKept && (await this.#tools.space.reserve(this.digest, receivedBytes, this.#stop.signal));
    if (!room) return this.#observer.passed(receivedBytes);
    try {
      await this.#spool.commit();
      await this.#observer.stored(receivedBytes);
    } finally {
      room.release();
    }
  }

  /** Brings all bytes to the spool and checks their digest. */
  async #transfer(first: BlobContent): Promise<void> {
    const hash = this.#tools.hasher.begin(algorithmOf(this.digest));
    let ended = false;
    try {
      await this.#receiveAll(first, hash);
      ended = true;
      const found = await hash.end();
      if (found === this.digest) return;
      throw new RegistryError('UNAVAILABLE', `Cannot use blob ${this.digest}: the bytes from upstream are ${found}`);
    } finally {
      if (!ended) hash.drop();
      await this.#spool.settled(); // the spool may be closed only then
    }
  }

  /** Receives until the end, beginning again from the last byte as often as it makes sense. */
  async #receiveAll(first: BlobContent, hash: RunningHash): Promise<void> {
    const { clock, policy, random } = this.#tools;
    const { signal } = this.#stop;
    let content: BlobContent | undefined = first;
    let fruitless = 0;
    let lastByteAtMs = clock.now();
    for (;;) {
      const before = this.#spool.receivedBytes;
      let waitMs: number;
      try {
        content ??= await this.#resume(before, signal);
        await this.#receive(content, hash, signal);
        return;
      } catch (error) {
        if (this.#isEndReached(error)) return;
        if (signal.aborted || !isTemporary(error)) throw error;
        if (this.#spool.receivedBytes > before) {
          fruitless = 0;
          lastByteAtMs = clock.now();
        }
        const restMs = this.#restMs(error);
        if (restMs !== undefined) {
          // Upstream was not asked, so it is no try.
          if (!isWithin(lastByteAtMs, policy.maxRestMs - restMs, clock.now())) throw error;
          waitMs = restMs;
        } else {
          if (fruitless >= policy.maxFruitlessTries) throw error;
          this.#observer.resumed(error as Error, this.#spool.receivedBytes);
          waitMs = backoffMs(++fruitless, policy.firstDelayMs, policy.maxDelayMs, random());
        }
      } finally {
        content?.close();
        content = undefined;
      }
      await clock.sleep(waitMs, signal);
    }
  }

  /** How long to wait for an upstream that is left alone; undefined when it was asked. */
  #restMs(error: unknown): number | undefined {
    const untilMs = error instanceof RegistryError ? error.notAskedUntilMs : undefined;
    // Somewhat later than it may be asked again, and never at once: it may be one request only that may.
    return untilMs === undefined
      ? undefined
      : Math.max(untilMs - this.#tools.clock.now(), this.#tools.policy.firstDelayMs);
  }

  async #resume(start: number, signal: AbortSignal): Promise<BlobContent> {
    const content = await this.#source(start, signal);
    this.#sizeBytes ??= content.sizeBytes;
    if (content.start === start && (content.sizeBytes ?? this.#sizeBytes) === this.#sizeBytes) return content;
    content.close();
    throw new RegistryError(
      'UNAVAILABLE',
      `Cannot go on with blob ${this.digest}: upstream's answer is for another size`,
    );
  }

  async #receive(content: BlobContent, hash: RunningHash, signal: AbortSignal): Promise<void> {
    for (let chunk = await content.next(); chunk; chunk = await content.next()) {
      if (this.#spool.receivedBytes + chunk.bytes.length > (this.#sizeBytes ?? Number.POSITIVE_INFINITY)) {
        chunk.release();
        throw new RegistryError('UNAVAILABLE', `Cannot use blob ${this.digest}: upstream sends more than it said`);
      }
      this.#spool.append(chunk, hash.update(chunk.bytes));
      if (this.#spool.isKept && this.#spool.receivedBytes > this.#tools.space.maxBytes) this.#pass();
      await this.#room(signal);
    }
    this.#sizeBytes ??= this.#spool.receivedBytes;
    if (this.#spool.receivedBytes === this.#sizeBytes) return;
    throw new RegistryError('UNAVAILABLE', `Upstream ended blob ${this.digest} short of its ${this.#sizeBytes} bytes`);
  }

  /** Waits until the spool takes more; readers that hold everybody up because nothing is on disk have their limit. */
  async #room(signal: AbortSignal): Promise<void> {
    while (this.#spool.isFull) {
      signal.throwIfAborted();
      if (this.#spool.isKept) {
        await unlessAborted(this.#spool.changed(), signal); // which may be that it is not kept any more
        continue;
      }
      const room = this.#spool.room();
      const limit = new AbortController();
      try {
        const waited = this.#tools.clock.sleep(this.#tools.policy.laggardMs, limit.signal).then(() => 'late' as const);
        waited.catch(() => {});
        if ((await unlessAborted(Promise.race([room, waited]), signal)) !== 'late') return;
      } finally {
        limit.abort();
      }
      this.#failLaggards();
    }
  }

  #failLaggards(): void {
    const { diskFailure, readers } = this.#spool;
    const laggards = this.#spool.laggards();
    // A healthy cache hurries nobody for whom no other waits: the door has a limit of its own for a client that stalls.
    if (!diskFailure && laggards.length === readers.size) return;
    const reason = diskFailure ? 'the disk here fails' : 'the blob is larger than the cache, and others wait for it';
    const error = new RegistryError('UNAVAILABLE', `Cannot wait for this reader any longer: ${reason}`);
    for (const reader of laggards) reader.fail(error);
  }

  /** When the size was not known and the transfer broke after the last byte, upstream says so by refusing the rest. */
  #isEndReached(error: unknown): boolean {
    return (
      error instanceof RegistryError &&
      error.code === 'RANGE_INVALID' &&
      this.#sizeBytes === undefined &&
      error.headers['content-range'] === `bytes */${this.#spool.receivedBytes}`
    );
  }

  async #checked(): Promise<void> {
    while (!this.#verified && !this.#failure) await this.#spool.changed();
    if (!this.#verified) throw this.#failure;
  }

  #view(): Followed {
    const download = this;
    return {
      spool: this.#spool,
      get sizeBytes() {
        return download.#sizeBytes;
      },
      get visibleBytes() {
        const { receivedBytes } = download.#spool;
        if (download.#verified) return receivedBytes;
        return Math.min(receivedBytes, (download.#sizeBytes ?? receivedBytes) - 1);
      },
      get failure() {
        return download.#verified ? undefined : download.#failure;
      },
      get verified() {
        return download.#verified;
      },
    };
  }

  #diskFailed(error: Error): void {
    this.#observer.diskFailed(error);
    this.#endUnlessOfUse();
  }

  /** From now on nothing is kept: it is larger than the whole cache. */
  #pass(): void {
    this.#spool.pass();
    this.#spool.notify();
    this.#endUnlessOfUse();
  }

  /** Ends what nobody would get anything from: it is not kept, and nobody reads it. */
  #endUnlessOfUse(): void {
    if (this.#spool.isKept || this.#spool.readers.size > 0) return;
    const reason = 'Nobody reads the blob, and it is larger than the cache';
    this.abort(this.#spool.diskFailure ?? new RegistryError('UNAVAILABLE', reason));
  }

  #readerLeft(): void {
    if (this.#over) void this.#closeWhenUnread();
    else this.#endUnlessOfUse();
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.#observer.failed(error);
    this.#spool.notify();
  }

  async #closeWhenUnread(): Promise<void> {
    if (this.#spool.readers.size > 0) return;
    try {
      await this.#spool.close();
    } catch (error) {
      this.#observer.failed(error as Error);
    }
    this.#markClosed();
  }
}
