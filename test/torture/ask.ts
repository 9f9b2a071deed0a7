import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** How an answer is read. */
export interface AskOptions {
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  /** Leaves after so many bytes. */
  readonly leaveAfterBytes?: number;
  /** Waits so long after each read. */
  readonly pauseMs?: number;
}

/** What came of a request: a whole answer, or none that anybody would take for one. */
export type Asked =
  | { readonly kind: 'whole'; readonly status: number; readonly digest: string | undefined; readonly bytes: Buffer }
  | { readonly kind: 'broken' | 'left' | 'refused-connection' | 'hung' };

/** Longer than the slowest recovery that Entrepot has: a stall is noticed after 30 s, and gone on from after 10 s more. */
const silenceLimitMs = 60_000;

/** One client's connections. */
export class Asker {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** Asks, and reads the answer to its end, if it has one. */
  async ask(path: string, { method = 'GET', headers = {}, ...reading }: AskOptions = {}): Promise<Asked> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), silenceLimitMs);
    try {
      const answer = await this.#send(path, method, headers, silence.signal);
      return await readAnswer(answer, reading, () => timer.refresh());
    } catch (error) {
      if (silence.signal.aborted) return { kind: 'hung' };
      const { code } = error as NodeJS.ErrnoException;
      return { kind: code === 'ECONNREFUSED' ? 'refused-connection' : 'broken' };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends its connections. */
  close(): void {
    this.#agent.destroy();
  }

  #send(
    path: string,
    method: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request(this.#url + path, { method, headers: { ...headers }, agent: this.#agent, signal }, resolve);
      sent.on('error', reject);
      sent.end();
    });
  }
}

async function readAnswer(
  answer: IncomingMessage,
  { leaveAfterBytes = Infinity, pauseMs = 0 }: AskOptions,
  alive: () => void,
): Promise<Asked> {
  const pieces: Buffer[] = [];
  let count = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    alive();
    pieces.push(piece);
    count += piece.length;
    if (count >= leaveAfterBytes) return { kind: 'left' }; // leaving the loop destroys the answer
    if (pauseMs > 0) await delay(pauseMs);
  }
  const digest = answer.headers['docker-content-digest'];
  const bytes = Buffer.concat(pieces);
  return { kind: 'whole', status: answer.statusCode ?? 0, digest: digest?.toString(), bytes };
}
