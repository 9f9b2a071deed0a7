import net from 'node:net';

/** What a registry answered to one request of a push. */
export interface PushAnswer {
  readonly status: number;
  readonly location: string | undefined;
}

/** A body as it is sent: how many bytes, and pieces of them, which are not copied. */
export interface PushBody {
  readonly sizeBytes: number;
  readonly pieces: Iterable<Uint8Array>;
}

const silenceLimitMs = 120_000;

/**
 * One connection that pushes, a request after the other. It does as little as it can: a client that did more would
 * need as much of the machine as what is measured.
 */
export class PushConnection {
  readonly #socket: net.Socket;
  readonly #host: string;
  #received = '';
  #waiting: { resolve: (answer: PushAnswer) => void; reject: (error: Error) => void } | undefined;

  constructor(url: URL) {
    this.#host = url.host;
    this.#socket = net.connect({ host: url.hostname, port: Number(url.port), noDelay: true });
    this.#socket.on('data', (bytes: Buffer) => this.#take(bytes));
    this.#socket.on('error', (error) => this.#waiting?.reject(error));
    this.#socket.on('close', () => this.#waiting?.reject(new Error('the connection was closed')));
    this.#socket.setTimeout(silenceLimitMs, () => this.#socket.destroy(new Error('no answer came')));
  }

  /** Sends a request and waits for the answer, of which only the head is kept. */
  async send(method: string, path: string, type: string, body: PushBody): Promise<PushAnswer> {
    const answered = new Promise<PushAnswer>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    answered.catch(() => {}); // it may come while the body is being sent
    const head = `${method} ${path} HTTP/1.1\r\nHost: ${this.#host}\r\nContent-Type: ${type}\r\nContent-Length: ${body.sizeBytes}\r\n\r\n`;
    this.#socket.cork();
    this.#socket.write(head);
    for (const piece of body.pieces) {
      const isRoom = this.#socket.write(piece);
      this.#socket.uncork();
      if (!isRoom) await new Promise((resolve) => this.#socket.once('drain', resolve));
      this.#socket.cork();
    }
    this.#socket.uncork();
    return answered;
  }

  /** Ends the connection. */
  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#received += bytes.toString('latin1');
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.#received.slice(0, end);
    const bodyBytes = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    if (this.#received.length < end + 4 + bodyBytes) return;
    this.#received = this.#received.slice(end + 4 + bodyBytes);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    const location = /^location: (\S+)/im.exec(head)?.[1];
    waiting?.resolve({ status: Number(head.slice('HTTP/1.1 '.length, 12)), location });
  }
}
