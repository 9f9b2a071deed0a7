import type { Digest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { BlobContent, CacheOutcome, RequestedRange } from '../../oci/registry.ts';
import { unlessAborted } from '../../util/locks/single-flight.ts';
import type { DownloadObserver, DownloadSource, DownloadTools } from './download-tools.ts';
import { type Followed, Follower } from './follower.ts';
import { Spool } from './spool.ts';
import { Transfer } from './transfer.ts';

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
  /** Resolves when upstream has begun to answer; rejects when it did not, or its turn did not come. */
  readonly started: Promise<void>;
  /** Resolves when all is over and the blob is stored, or is not. It never rejects. */
  readonly finished: Promise<void>;
  /** Resolves when the last reader has left, too, and nothing of it is open any more. It never rejects. */
  readonly closed: Promise<void>;
  readonly #markClosed: () => void;
  readonly #tools: DownloadTools;
  readonly #observer: DownloadObserver;
  readonly #stop = new AbortController();
  readonly #spool: Spool;
  readonly #transfer: Transfer;
  /** Ends its turn; undefined until it has come. */
  #endTurn: (() => void) | undefined;
  #verified = false;
  #failure: Error | undefined;
  #over = false;

  /** @param earlier what it waits for before it looks for what is left: the closing of earlier downloads of the blob */
  constructor(
    digest: Digest,
    source: DownloadSource,
    tools: DownloadTools,
    observer: DownloadObserver,
    earlier?: Promise<unknown>,
  ) {
    this.digest = digest;
    this.#tools = tools;
    this.#observer = observer;
    this.#spool = new Spool(tools.store, digest, tools.buffers, (error) => this.#diskFailed(error));
    const { signal } = this.#stop;
    const pass = () => this.#pass();
    this.#transfer = new Transfer({ digest, source, spool: this.#spool, tools, observer, pass, signal });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#markClosed = resolve;
    const opening = this.#open(earlier);
    this.started = opening;
    this.started.catch(() => {}); // those who wait for it get it
    this.finished = this.#run(opening);
  }

  /** Whether another reader can read it from its first byte. */
  get joinable(): boolean {
    if (this.#over || this.#stop.signal.aborted) return false;
    return this.#failure === undefined && this.#spool.isKept;
  }

  /** Whether its turn has come; before that it has not asked upstream. */
  get hasBegun(): boolean {
    return this.#endTurn !== undefined;
  }

  /** Whether all is over and nobody reads it any more: it is closed in a moment, and what has come is left to the next. */
  get isClosing(): boolean {
    return this.#over && this.#spool.readers.size === 0;
  }

  /** The size of the blob in bytes; undefined until it is known. */
  get sizeBytes(): number | undefined {
    return this.#transfer.sizeBytes;
  }

  /**
   * Reads the blob, or a part of it, as it comes; a part waits for its first byte. It counts as read from the call on.
   * @throws what opening the source threw, RegistryError RANGE_INVALID, the signal's reason
   */
  async read(range: RequestedRange | undefined, outcome: CacheOutcome, signal: AbortSignal): Promise<BlobContent> {
    const follower = new Follower(this.#view(), outcome, () => this.#readerLeft());
    try {
      await unlessAborted(this.started, signal);
      follower.begin(range);
      // No byte of an empty blob can be held back, so not even its head goes out before the digest is right.
      if (this.sizeBytes === 0) await unlessAborted(this.#checked(), signal);
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

  async #open(earlier: Promise<unknown> | undefined): Promise<void> {
    if (earlier) await unlessAborted(earlier, this.#stop.signal);
    this.#endTurn = await this.#tools.queue.enter(this.#stop.signal);
    await this.#transfer.open();
  }

  async #run(opening: Promise<void>): Promise<void> {
    try {
      await opening;
      await this.#transfer.run();
      this.#verified = true;
      this.#spool.notify();
      await this.#keep();
    } catch (error) {
      this.#fail(error as Error);
    } finally {
      this.#over = true;
      this.#endTurn?.();
      await this.#closeWhenUnread();
    }
  }

  /** Stores the blob, if there is room for it. Nobody waits for that: its readers have the last byte already. */
  async #keep(): Promise<void> {
    const { receivedBytes, isKept, diskFailure } = this.#spool;
    if (diskFailure) throw diskFailure;
    const { space } = this.#tools;
    if (!isKept) space.passedOn(this.digest, receivedBytes);
    const room = isKept && (await space.reserve(this.digest, receivedBytes, this.#stop.signal));
    if (!room) return this.#observer.passed(receivedBytes);
    try {
      await this.#spool.commit();
      await this.#observer.stored(receivedBytes);
    } finally {
      room.release();
    }
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
        return download.sizeBytes;
      },
      get visibleBytes() {
        const { receivedBytes } = download.#spool;
        if (download.#verified) return receivedBytes;
        return Math.min(receivedBytes, (download.sizeBytes ?? receivedBytes) - 1);
      },
      get partialBytes() {
        return download.#spool.partialBytes;
      },
      get failure() {
        return download.#verified ? undefined : download.#failure;
      },
      get verified() {
        return download.#verified;
      },
    };
  }

  /** Whether a later download may go on with what has come. */
  get #isWorthKeeping(): boolean {
    return !this.#verified && !this.#transfer.isWrong && this.#spool.isKept;
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

  /** Ends what nobody would get anything from: nobody reads it, and it is not kept, or others wait for their turn. */
  #endUnlessOfUse(): void {
    if (this.#spool.readers.size > 0) return;
    if (!this.hasBegun) this.abort(new RegistryError('UNAVAILABLE', 'Nobody waits for the blob any more'));
    if (this.#spool.isKept) return;
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
      await this.#spool.close({ keep: this.#isWorthKeeping });
    } catch (error) {
      this.#observer.failed(error as Error);
    }
    this.#markClosed();
  }
}
