import http, { type IncomingHttpHeaders } from 'node:http';

/** A registry that the suite is run against. */
export interface Target {
  /** Where it listens: `http://127.0.0.1:5001`. */
  readonly url: string;
  /** What stands before the names of its repositories in a path: empty, or an alias with its slash. */
  readonly prefix: string;
}

/** A request as the suite sends it. */
export interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: readonly (readonly [name: string, value: string])[];
  readonly body?: Uint8Array;
  /** Sends the body in chunks, without saying how long it is. */
  readonly streamed?: boolean;
}

/** An answer, whole. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Where the request went, which a relative `Location` counts from. */
  readonly url: URL;
}

const answerMs = 20_000; // everything here is local, and small

/** The URL of a path of a repository. */
export function urlOf({ url, prefix }: Target, repository: string, path: string): URL {
  return new URL(`/v2/${prefix}${repository}/${path}`, url);
}

/** Sends a request, and waits for the whole answer. */
export function ask(method: string, url: URL, { headers = {}, query = [], body, streamed }: Ask = {}): Promise<Answer> {
  const target = new URL(url);
  for (const [name, value] of query) target.searchParams.append(name, value);
  const length: Record<string, string> = streamed ? {} : { 'content-length': String(body?.length ?? 0) };
  const isRead = method === 'GET' || method === 'HEAD';
  const options = { method, headers: { ...(isRead ? {} : length), ...headers }, agent: false, timeout: answerMs };
  return new Promise((resolve, reject) => {
    const request = http.request(target, options, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.once('error', reject);
      response.once('end', () => {
        const { statusCode: status = 0, headers: answered } = response;
        resolve({ status, headers: answered, body: Buffer.concat(parts), url: target });
      });
    });
    request.once('timeout', () => request.destroy(new Error(`${method} ${target} was not answered in time`)));
    request.once('error', reject);
    request.end(body);
  });
}
