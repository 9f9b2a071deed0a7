import { algorithmOf, type Digest } from '../../oci/digest.ts';
import { isTemporary, RegistryError } from '../../oci/errors.ts';
import type { BlobContent, Chunk } from '../../oci/registry.ts';
import { unlessAborted } from '../../util/locks/single-flight.ts';
import { backoffMs } from '../../util/time/backoff.ts';
import { isWithin } from '../../util/time/clock.ts';
import type { DownloadObserver, DownloadSource, DownloadTools } from './download-tools.ts';
import type { RunningHash } from './hasher.ts';
import type { Spool } from './spool.ts';

/** What a transfer is made of. */
export interface TransferOptions {
  readonly digest: Digest;
  readonly source: DownloadSource;
  readonly spool: Spool;
  readonly tools: Pick<DownloadTools, 'hasher' | 'space' | 'clock' | 'random' | 'policy'>;
  readonly observer: DownloadObserver;
  /** Called when it is larger than the cache, and so is not to be kept. */
  readonly pass: () => void;
  readonly signal: AbortSignal;
}

/**
 * Brings the bytes of a blob into its spool, and sees that they are right. It goes on with what an earlier transfer
 * left, and from the last byte whenever upstream breaks, stalls or ends short.
 */
export class Transfer {
  /** The size of the blob in bytes; undefined until it is known. */
  sizeBytes: number | undefined;
  /** Whether what came is not the blob, and so of no use to whoever would go on with it. */
  isWrong = false;
  readonly #options: TransferOptions;
  /** What upstream answered first; undefined when nothing is missing, or it was read. */
  #first: BlobContent | undefined;

  constructor(options: TransferOptions) {
    this.#options = options;
  }

  /** Resolves when upstream has begun to answer; rejects when it did not. */
  async open(): Promise<void> {
    const { spool, observer, tools, pass } = this.#options;
    await spool.resume();
    if (spool.partialBytes > 0) observer.continued(spool.partialBytes);
    try {
      this.#first = await this.#ask(spool.partialBytes);
    } catch (error) {
      if (spool.partialBytes === 0 || !(error instanceof RegistryError) || error.code !== 'RANGE_INVALID') throw error;
      // All of it is here, or more than all.
      if (error.headers['content-range'] === `bytes */${spool.partialBytes}`) this.sizeBytes = spool.partialBytes;
      else {
        observer.begunAnew(error);
        await spool.drop();
        this.#first = await this.#ask(0);
      }
    }
    if ((this.sizeBytes ?? 0) > tools.space.maxBytes) pass();
  }

  /** Resolves when all bytes are in the spool, and have the digest. Called once, after `open`. */
  async run(): Promise<void> {
    const { spool } = this.#options;
    const { partialBytes } = spool;
    await spool.open();
    const error = await this.#bring();
    if (error === undefined) return;
    if (partialBytes === 0) throw error;
    await this.#beginAnew(error);
    const again = await this.#bring();
    if (again !== undefined) throw again;
  }

  /** Brings all bytes to the spool; gives an error when they are not the blob's. */
  async #bring(): Promise<Error | undefined> {
    const { digest, spool, tools, signal } = this.#options;
    const hash = tools.hasher.begin(algorithmOf(digest));
    let ended = false;
    try {
      const unreadable = await spool.rehash((bytes) => hash.update(bytes), signal);
      if (unreadable) return unreadable;
      await this.#receiveAll(hash);
      ended = true;
      const found = await hash.end();
      if (found === digest) return undefined;
      this.isWrong = true;
      return new RegistryError('UNAVAILABLE', `Cannot use blob ${digest}: the bytes from upstream are ${found}`);
    } finally {
      if (!ended) hash.drop();
      this.#first?.close();
      this.#first = undefined;
      await spool.settled(); // the spool may be closed only then
    }
  }

  /** What was left is not what it should be. Whoever got some of it is cut off; who did not waits for the right bytes. */
  async #beginAnew(error: Error): Promise<void> {
    const { spool, observer, signal } = this.#options;
    observer.begunAnew(error);
    spool.hide();
    for (const reader of spool.readers) if (reader.hasBytes) reader.fail(error);
    while ([...spool.readers].some(({ hasBytes }) => hasBytes)) await unlessAborted(spool.changed(), signal);
    await spool.drop();
    await spool.open();
    this.isWrong = false;
  }

  /** Receives until the end, beginning again from the last byte as often as it makes sense. */
  async #receiveAll(hash: RunningHash): Promise<void> {
    const { spool, observer, signal } = this.#options;
    const { clock, policy, random } = this.#options.tools;
    if (this.#first === undefined && spool.receivedBytes > 0 && spool.receivedBytes === this.sizeBytes) return;
    let fruitless = 0;
    let lastByteAtMs = clock.now();
    for (;;) {
      const before = spool.receivedBytes;
      let waitMs: number;
      try {
        await this.#receive(this.#first ?? (await this.#ask(before)), hash);
        return;
      } catch (error) {
        if (this.#isEndReached(error)) return;
        if (signal.aborted || !isTemporary(error)) throw error;
        if (spool.receivedBytes > before) {
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
          observer.resumed(error as Error, spool.receivedBytes);
          waitMs = backoffMs(++fruitless, policy.firstDelayMs, policy.maxDelayMs, random());
        }
      } finally {
        this.#first = undefined;
      }
      await clock.sleep(waitMs, signal);
    }
  }

  /** How long to wait for an upstream that is left alone; undefined when it was asked. */
  #restMs(error: unknown): number | undefined {
    const untilMs = error instanceof RegistryError ? error.notAskedUntilMs : undefined;
    if (untilMs === undefined) return undefined;
    const { clock, policy } = this.#options.tools;
    // Somewhat later than it may be asked again, and never at once: it may be one request only that may.
    return Math.max(untilMs - clock.now(), policy.firstDelayMs);
  }

  /** Asks upstream for what is missing from a byte on. */
  async #ask(start: number): Promise<BlobContent> {
    const { digest, source, signal } = this.#options;
    const content = await source(start, signal);
    this.sizeBytes ??= content.sizeBytes;
    if (content.start === start && (content.sizeBytes ?? this.sizeBytes) === this.sizeBytes) return content;
    content.close();
    throw new RegistryError('UNAVAILABLE', `Cannot go on with blob ${digest}: upstream's answer is for another size`);
  }

  async #receive(content: BlobContent, hash: RunningHash): Promise<void> {
    const { digest, spool, tools, pass } = this.#options;
    try {
      for (let chunk = await this.#next(content); chunk; chunk = await this.#next(content)) {
        if (spool.receivedBytes + chunk.bytes.length > (this.sizeBytes ?? Number.POSITIVE_INFINITY)) {
          chunk.release();
          throw new RegistryError('UNAVAILABLE', `Cannot use blob ${digest}: upstream sends more than it said`);
        }
        spool.append(chunk, hash.update(chunk.bytes));
        if (spool.isKept && spool.receivedBytes > tools.space.maxBytes) pass();
        await this.#room();
      }
    } finally {
      content.close();
    }
    this.sizeBytes ??= spool.receivedBytes;
    if (spool.receivedBytes === this.sizeBytes) return;
    throw new RegistryError('UNAVAILABLE', `Upstream ended blob ${digest} short of its ${this.sizeBytes} bytes`);
  }

  /** The next chunk. When all bytes are here, it does not matter how the answer ends: the digest says whether they are right. */
  async #next(content: BlobContent): Promise<Chunk | undefined> {
    try {
      return await content.next();
    } catch (error) {
      if (this.#options.signal.aborted || this.#options.spool.receivedBytes !== this.sizeBytes) throw error;
      return undefined;
    }
  }

  /** Waits until the spool takes more; readers that hold everybody up because nothing is on disk have their limit. */
  async #room(): Promise<void> {
    const { spool, signal, tools } = this.#options;
    while (spool.isFull) {
      signal.throwIfAborted();
      if (spool.isKept) {
        await unlessAborted(spool.changed(), signal); // which may be that it is not kept any more
        continue;
      }
      const limit = new AbortController();
      try {
        const waited = tools.clock.sleep(tools.policy.laggardMs, limit.signal).then(() => 'late' as const);
        waited.catch(() => {});
        if ((await unlessAborted(Promise.race([spool.room(), waited]), signal)) !== 'late') return;
      } finally {
        limit.abort();
      }
      this.#failLaggards();
    }
  }

  #failLaggards(): void {
    const { spool } = this.#options;
    const laggards = spool.laggards();
    // A healthy cache hurries nobody for whom no other waits: the door has a limit of its own for a client that stalls.
    if (!spool.diskFailure && laggards.length === spool.readers.size) return;
    const reason = spool.diskFailure
      ? 'the disk here fails'
      : 'the blob is larger than the cache, and others wait for it';
    const error = new RegistryError('UNAVAILABLE', `Cannot wait for this reader any longer: ${reason}`);
    for (const reader of laggards) reader.fail(error);
  }

  /** When the size was not known and the transfer broke after the last byte, upstream says so by refusing the rest. */
  #isEndReached(error: unknown): boolean {
    return (
      error instanceof RegistryError &&
      error.code === 'RANGE_INVALID' &&
      this.sizeBytes === undefined &&
      error.headers['content-range'] === `bytes */${this.#options.spool.receivedBytes}`
    );
  }
}
