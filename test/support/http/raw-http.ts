import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { request as tlsRequest } from 'node:https';

/** How a request is made. */
export interface RawRequestOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal;
  /** The authority to trust, for HTTPS. */
  readonly ca?: string | readonly string[];
  /** The client's own certificate, for HTTPS. */
  readonly identity?: { readonly cert: string; readonly key: string };
  readonly maxHeaderSize?: number;
}

/** An answer with all of the body that came. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The system's or Node's code when the body broke off; undefined when it was whole. */
  readonly broken: string | undefined;
}

/** Sends a request with nothing but Node's own client, and resolves when headers have come: no redirects, no retries. */
export function rawRequest(url: string, options: RawRequestOptions = {}): Promise<IncomingMessage> {
  const { method = 'GET', headers = {}, body, signal, ca, identity, maxHeaderSize } = options;
  return new Promise((resolve, reject) => {
    const make = url.startsWith('https:') ? tlsRequest : request;
    // No connection is kept: a test's answer depends on no earlier request, and none stays open behind it.
    const tls = { ca: ca === undefined ? undefined : [ca].flat(), ...identity };
    const sent = make(url, { method, headers: { ...headers }, signal, ...tls, maxHeaderSize, agent: false }, resolve);
    sent.on('error', (error) => reject(signal?.aborted ? signal.reason : error));
    sent.end(body);
  });
}

/** Sends a request and reads whatever comes. */
export async function rawFetch(url: string, options: RawRequestOptions = {}): Promise<RawAnswer> {
  return readRest(await rawRequest(url, options));
}

/** Reads what is left of an answer. */
export async function readRest(message: IncomingMessage): Promise<RawAnswer> {
  const pieces: Buffer[] = [];
  let broken: string | undefined;
  try {
    for await (const piece of message) pieces.push(piece as Buffer);
  } catch (error) {
    broken = (error as NodeJS.ErrnoException).code ?? String(error);
  }
  return { status: message.statusCode ?? 0, headers: message.headers, body: Buffer.concat(pieces), broken };
}
