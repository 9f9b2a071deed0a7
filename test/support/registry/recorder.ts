import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { RouteName } from './routes.ts';

/** Which of the test registry's servers was asked. */
export type Origin = 'registry' | 'token' | 'cdn';

/** A request as it came, and what became of it. */
export interface RecordedRequest {
  /** The request in short, as tests compare it. */
  readonly line: string;
  readonly origin: Origin;
  readonly route: RouteName;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they were sent. */
  readonly rawHeaders: readonly string[];
  /** The status that was answered; undefined before. */
  status: number | undefined;
  /** How many bytes of body were handed to the connection so far. */
  bodyBytes: number;
  /** Settles when the answer is over: `whole`, or `broken` by either side. */
  readonly ended: Promise<'whole' | 'broken'>;
}

/** What selects recorded requests: a line, a pattern of lines, or a test of one's own. */
export type RequestMatch = string | RegExp | ((request: RecordedRequest) => boolean);

interface Waiter {
  readonly match: RequestMatch;
  readonly count: number;
  readonly resolve: (request: RecordedRequest) => void;
}

/** Every request that a test registry got, in order. */
export class Recorder {
  readonly #requests: RecordedRequest[] = [];
  #waiters: Waiter[] = [];

  /** Notes a request. */
  add(request: IncomingMessage, response: ServerResponse, origin: Origin, route: RouteName): RecordedRequest {
    const recorded: RecordedRequest = {
      line: lineOf(request, route),
      origin,
      route,
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      status: undefined,
      bodyBytes: 0,
      ended: new Promise((resolve) => {
        response.on('close', () => resolve(response.writableFinished ? 'whole' : 'broken'));
      }),
    };
    this.#requests.push(recorded);
    this.#wake();
    return recorded;
  }

  /** Every request so far. */
  get all(): readonly RecordedRequest[] {
    return this.#requests;
  }

  /** Every request so far in short, or those that match. */
  lines(match: RequestMatch = /^/): string[] {
    return this.matching(match).map((request) => request.line);
  }

  /** The requests that match. */
  matching(match: RequestMatch): RecordedRequest[] {
    return this.#requests.filter((request) => isMatch(request, match));
  }

  /** Forgets all requests: a test's next act begins with an empty list. */
  clear(): void {
    this.#requests.length = 0;
  }

  /** Resolves with the matching request of this number, when it has come. */
  waitFor(match: RequestMatch, count = 1): Promise<RecordedRequest> {
    return new Promise((resolve) => {
      this.#waiters.push({ match, count, resolve });
      this.#wake();
    });
  }

  #wake(): void {
    this.#waiters = this.#waiters.filter(({ match, count, resolve }) => {
      const request = this.matching(match)[count - 1];
      if (request !== undefined) resolve(request);
      return request === undefined;
    });
  }
}

/** Shortens every digest in a text to `sha256:` and eight characters, as recorded lines have them. */
export function shorten(text: string): string {
  return text.replaceAll(/(sha(?:256|512)):([0-9a-f]{8})[0-9a-f]+/g, '$1:$2…');
}

function isMatch(request: RecordedRequest, match: RequestMatch): boolean {
  if (typeof match === 'string') return request.line === match;
  return typeof match === 'function' ? match(request) : match.test(request.line);
}

function lineOf(request: IncomingMessage, route: RouteName): string {
  const url = new URL(request.url ?? '/', 'http://registry');
  const range = request.headers.range === undefined ? '' : ` ${request.headers.range}`;
  return `${request.method} ${shorten(decodeURIComponent(url.pathname))}${queryOf(url, route)}${range}`;
}

/** A token request is known by its scopes; a signed URL by its path, as the signature is nobody's business. */
function queryOf(url: URL, route: RouteName): string {
  if (route === 'cdn') return '';
  if (route !== 'token') return shorten(decodeURIComponent(url.search));
  const scopes = url.searchParams.getAll('scope').map((scope) => `scope=${scope}`);
  return scopes.length === 0 ? '' : `?${scopes.join('&')}`;
}
