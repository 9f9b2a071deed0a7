import type { Socket } from 'node:net';
import type { BlockPool } from './blocks.ts';
import { Body } from './body.ts';
import { TransportError } from './errors.ts';
import { framingOf } from './framing.ts';
import { endOfHead, maxHeadBytes, parseHead, type ResponseHead } from './head.ts';

/** How long each step of an exchange may take, in milliseconds. */
export interface TransportLimits {
  /** From asking for a connection until it stands, TLS and proxy included. */
  readonly connectMs: number;
  /** From sending a request until the head of its answer is whole. */
  readonly firstByteMs: number;
  /** Between two reads of a body. */
  readonly idleMs: number;
}

/** An answer whose body is still coming. */
export interface Answer {
  readonly head: ResponseHead;
  readonly body: Body;
  /** Whether another server gave it than the one that was asked, which redirected. */
  readonly fromElsewhere?: boolean;
}

interface Exchange {
  readonly method: string;
  readonly limits: TransportLimits;
  readonly pool: BlockPool;
  readonly signal: AbortSignal;
  answered(answer: Answer): void;
  failed(error: Error): void;
}

/** Heads are read into this much at a time, and an idle connection holds no more. */
const scratchBytes = 16 * 1024;

/**
 * One connection to a server, for one exchange at a time. The socket reads straight into the buffers of the answer that
 * is under way (`onread`), so a byte is copied once, by the system, between the wire and the block that is hashed and
 * written to disk.
 */
export class Connection {
  /** What the socket is to be made with (`onread` of net.connect). */
  readonly onread = {
    buffer: (): Buffer => this.#room(),
    callback: (count: number): boolean => {
      this.#received(count);
      return !this.#pausing;
    },
  };
  #socket: Socket | undefined;
  readonly #scratch = Buffer.allocUnsafeSlow(scratchBytes);
  #head: Buffer[] = [];
  #headBytes = 0;
  #exchange: Exchange | undefined;
  #body: Body | undefined;
  #persistent = false;
  #pausing = false;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;
  #abort: (() => void) | undefined;
  #freed: (() => void) | undefined;

  /** Begins with a connected socket. `readsInto` says that it was made with this connection's `onread`. */
  attach(socket: Socket, readsInto: boolean): void {
    this.#socket = socket;
    if (!readsInto) socket.on('data', (bytes: Buffer) => this.#copy(bytes));
    socket.on('end', () => this.#end(undefined));
    socket.on('error', (cause) =>
      this.#end(new TransportError('CUT_OFF', `The connection broke: ${cause.message}`, { cause })),
    );
    socket.on('close', () => this.#end(undefined));
    socket.setNoDelay(true);
  }

  /** Has a function called when the connection has ended. */
  onClosed(closed: () => void): void {
    if (this.#socket?.destroyed === false) this.#socket.once('close', closed);
    else closed();
  }

  /** Whether another exchange can be begun. */
  get usable(): boolean {
    return !this.#ended && this.#exchange === undefined && this.#socket?.destroyed === false;
  }

  /**
   * Sends a request, and resolves when the head of the answer is there. `freed` is called when the body
   * has come and the connection can serve again.
   * @throws TransportError
   */
  send(
    head: string,
    exchange: Pick<Exchange, 'method' | 'limits' | 'pool' | 'signal'>,
    freed: () => void,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#exchange = { ...exchange, answered: resolve, failed: reject };
      this.#freed = freed;
      this.#abort = () => this.#fail(asError(exchange.signal.reason));
      if (exchange.signal.aborted) return this.#abort();
      exchange.signal.addEventListener('abort', this.#abort, { once: true });
      this.#socket!.ref();
      this.#watch(exchange.limits.firstByteMs);
      this.#socket!.write(head, 'latin1');
    });
  }

  /** Ends the connection at once, and with an error what is under way on it. */
  destroy(): void {
    this.#end(new TransportError('CUT_OFF', 'The connection was closed'));
    this.#socket?.destroy();
  }

  #room(): Buffer {
    return this.#body && this.#exchange ? this.#body.room() : this.#scratch;
  }

  #received(count: number): void {
    if (this.#body) {
      this.#timer?.refresh();
      this.#body.received(count);
    } else if (this.#exchange) this.#readHead(Buffer.from(this.#scratch.subarray(0, count)));
    else this.destroy(); // bytes that nobody asked for
  }

  #copy(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.#ended; ) {
      const room = this.#room();
      const count = bytes.copy(room, 0, at);
      at += count;
      this.#received(count);
    }
    if (this.#pausing) this.#socket?.pause();
  }

  #readHead(bytes: Buffer): void {
    this.#head.push(bytes);
    this.#headBytes += bytes.length;
    const all = this.#head.length === 1 ? bytes : Buffer.concat(this.#head);
    const end = endOfHead(all, this.#headBytes - bytes.length);
    if (end < 0) {
      this.#head = [all];
      if (this.#headBytes > maxHeadBytes) {
        this.#fail(new TransportError('PROTOCOL', `Cannot read the answer: its head exceeds ${maxHeadBytes} bytes`));
      }
      return;
    }
    this.#head = [];
    this.#headBytes = 0;
    try {
      const head = parseHead(all.subarray(0, end));
      if (head.status < 200) this.#skipInterim(all.subarray(end));
      else this.#beginBody(head, all.subarray(end));
    } catch (error) {
      this.#fail(asError(error));
    }
  }

  #skipInterim(rest: Buffer): void {
    if (rest.length > 0) this.#readHead(rest);
  }

  #beginBody(head: ResponseHead, rest: Buffer): void {
    const { method, limits, pool, answered } = this.#exchange!;
    const framing = framingOf(method, head);
    this.#persistent = head.persistent;
    const body = new Body(framing, pool, {
      pause: () => this.#pause(),
      resume: () => this.#resume(),
      finished: () => this.#finish(),
      abandon: () => this.#abandon(),
    });
    this.#body = body;
    this.#watch(limits.idleMs);
    answered({ head, body });
    body.begin();
    let at = 0;
    while (at < rest.length && this.#body === body) {
      const count = rest.copy(body.room(), 0, at);
      at += count;
      body.received(count);
    }
    if (at < rest.length) this.destroy(); // bytes after the whole body: nothing more is to be believed
  }

  #pause(): void {
    this.#pausing = true;
    this.#stopTimer(); // the reader's pace is not the server's fault
    this.#socket?.pause();
  }

  #resume(): void {
    if (!this.#pausing) return;
    this.#pausing = false;
    if (this.#exchange) this.#watch(this.#exchange.limits.idleMs);
    this.#socket?.resume();
  }

  #finish(): void {
    const freed = this.#freed;
    this.#clear();
    if (this.#persistent && !this.#ended) {
      this.#socket?.unref(); // an idle connection keeps no process alive
      if (this.#pausing) this.#resume();
      freed?.();
    } else this.destroy();
  }

  #abandon(): void {
    this.#clear();
    this.destroy();
  }

  #end(error: TransportError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const body = this.#body;
    const exchange = this.#exchange;
    this.#clear();
    if (body) body.connectionEnded(error);
    else if (exchange) {
      const unanswered = this.#headBytes === 0;
      const text = error?.message ?? 'The connection ended before the answer came';
      exchange.failed(new TransportError('CUT_OFF', text, { cause: error, unanswered }));
    }
    this.#socket?.destroy();
  }

  #fail(error: Error): void {
    const body = this.#body;
    const exchange = this.#exchange;
    this.#clear();
    if (body) body.fail(error);
    else exchange?.failed(error);
    this.destroy();
  }

  #clear(): void {
    this.#stopWatching();
    this.#exchange = undefined;
    this.#body = undefined;
    this.#freed = undefined;
  }

  #watch(limitMs: number): void {
    this.#stopTimer();
    this.#timer = setTimeout(() => {
      const code = this.#body ? 'IDLE_TIMEOUT' : 'FIRST_BYTE_TIMEOUT';
      const what = this.#body ? 'The answer stopped coming' : 'The answer did not begin';
      this.#fail(new TransportError(code, `${what} within ${limitMs} ms`));
    }, limitMs);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #stopWatching(): void {
    this.#stopTimer();
    if (this.#abort) this.#exchange?.signal.removeEventListener('abort', this.#abort);
    this.#abort = undefined;
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
