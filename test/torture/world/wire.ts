import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What becomes of what the origin sends. */
export type WireState =
  | { readonly kind: 'whole' }
  /** Connections are broken, and no new one is taken. */
  | { readonly kind: 'cut' }
  /** Nothing comes through, and nothing ends. */
  | { readonly kind: 'stalled' }
  /** Each connection is broken when an answer on it has come so far. */
  | { readonly kind: 'truncated'; readonly afterBytes: number }
  /** One byte of each answer that is so long is another one. */
  | { readonly kind: 'spoilt'; readonly atByte: number };

interface Pair {
  readonly client: Socket;
  readonly origin: Socket;
  /** What came of the answer that is on its way, its head included. */
  answerBytes: number;
  digest: string | undefined;
}

/** A wire between Entrepot and the origin, which can be cut, and worse. */
export class Wire {
  /** Blobs of which a byte was spoilt on the way, until somebody who knows that takes them out. */
  readonly spoiltDigests = new Set<string>();
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #state: WireState = { kind: 'whole' };

  constructor(originPort: number) {
    this.#server = createServer({ pauseOnConnect: true }, (client) => this.#take(client, originPort));
  }

  /** Begins, and gives the port of loopback that leads to the origin from now on. */
  open(): Promise<number> {
    return new Promise((resolve) =>
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.address() as AddressInfo).port)),
    );
  }

  /** Breaks every connection, and takes none any more. */
  close(): void {
    this.#server.close();
    for (const pair of this.#pairs) breakOff(pair);
  }

  /** Makes the wire whole, or worse. */
  set(state: WireState): void {
    this.#state = state;
    for (const pair of this.#pairs) {
      if (state.kind === 'cut') breakOff(pair);
      else if (state.kind === 'stalled') pair.origin.pause();
      else if (!pair.client.writableNeedDrain) pair.origin.resume();
    }
  }

  #take(client: Socket, originPort: number): void {
    if (this.#state.kind === 'cut') return void client.resetAndDestroy();
    const origin = connect(originPort, '127.0.0.1');
    const pair: Pair = { client, origin, answerBytes: 0, digest: undefined };
    this.#pairs.add(pair);
    for (const socket of [client, origin]) {
      socket.on('error', () => breakOff(pair));
      socket.on('close', () => {
        this.#pairs.delete(pair);
        breakOff(pair);
      });
    }
    client.on('data', (bytes) => {
      pair.answerBytes = 0; // a client asks on only when it has the whole answer
      pair.digest = /^[A-Z]+ \S+\/blobs\/(sha256:[0-9a-f]{64})/.exec(bytes.toString('latin1', 0, 1_000))?.[1];
      origin.write(bytes);
    });
    origin.on('data', (bytes) => this.#pass(pair, bytes));
    client.on('drain', () => this.#state.kind !== 'stalled' && origin.resume());
    if (this.#state.kind === 'stalled') origin.pause();
    client.resume();
  }

  #pass(pair: Pair, bytes: Buffer): void {
    const from = pair.answerBytes;
    pair.answerBytes += bytes.length;
    const state = this.#state;
    if (state.kind === 'truncated' && pair.answerBytes > state.afterBytes) {
      const count = Math.max(0, state.afterBytes - from);
      return void pair.client.end(bytes.subarray(0, count), () => breakOff(pair));
    }
    if (state.kind === 'spoilt' && from <= state.atByte && state.atByte < pair.answerBytes) {
      bytes[state.atByte - from]! ^= 0x20;
      if (pair.digest !== undefined) this.spoiltDigests.add(pair.digest);
    }
    if (!pair.client.write(bytes)) pair.origin.pause();
  }
}

function breakOff({ client, origin }: Pair): void {
  for (const socket of [client, origin]) if (!socket.destroyed) socket.resetAndDestroy();
}
