import { Agent, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** What is sent, and how the answer is read. */
export interface AskOptions {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent with its length, or with `streamed` without. */
  readonly body?: Buffer;
  readonly streamed?: boolean;
  /** Breaks the connection when so many bytes of the body were sent. */
  readonly breakAfterBytes?: number;
  /** Leaves after so many bytes. */
  readonly leaveAfterBytes?: number;
  /** Waits so long after each read. */
  readonly pauseMs?: number;
}

/** What came of a request: a whole answer, or none that anybody would take for one. */
export type Asked =
  | {
      readonly kind: 'whole';
      readonly status: number;
      readonly digest: string | undefined;
      readonly headers: IncomingHttpHeaders;
      readonly bytes: Buffer;
    }
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
  async ask(path: string, options: AskOptions = {}): Promise<Asked> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), silenceLimitMs);
    try {
      const answer = await this.#send(path, options, silence.signal);
      return await readAnswer(answer, options, () => timer.refresh());
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

  #send(path: string, options: AskOptions, signal: AbortSignal): Promise<IncomingMessage> {
    const { method = 'GET', headers = {}, body, streamed = false } = options;
    const length = body === undefined || streamed ? {} : { 'content-length': `${body.length}` };
    return new Promise((resolve, reject) => {
      const how = { method, headers: { ...headers, ...length }, agent: this.#agent, signal };
      const sent = request(new URL(path, this.#url), how, resolve);
      sent.on('error', reject);
      sendBody(sent, options).catch(reject);
    });
  }
}

const sendBytes = 64 * 1024; // at a time

async function sendBody(
  sent: ClientRequest,
  { body = Buffer.alloc(0), breakAfterBytes = Infinity }: AskOptions,
): Promise<void> {
  for (let at = 0; at < body.length && !sent.destroyed; at += sendBytes) {
    const piece = body.subarray(at, Math.min(at + sendBytes, breakAfterBytes));
    if (!sent.write(piece)) await drained(sent);
    if (at + sendBytes > breakAfterBytes) return void sent.destroy(new Error('broken on purpose'));
  }
  sent.end();
}

/** Resolves when more can be sent, or never will be. */
function drained(sent: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      sent.off('drain', settle).off('close', settle);
      resolve();
    };
    sent.on('drain', settle).on('close', settle);
  });
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
  const { headers } = answer;
  return { kind: 'whole', status: answer.statusCode ?? 0, digest: digest?.toString(), headers, bytes };
}
