import { type ByteSource, memorySource } from '../content/byte-source.ts';

/** An answer of the test registry, before the wire quirks get at it. */
export interface Answer {
  readonly status: number;
  /** Names in lower case. The length of the body is not among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ByteSource;
  /** What the body is, when it is content that quirks may spoil. */
  readonly content?: 'manifest' | 'blob';
}

/** An answer in JSON. */
export function jsonAnswer(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: memorySource(Buffer.from(JSON.stringify(value))),
  };
}

/** An error in the spec's JSON. */
export function errorAnswer(
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return jsonAnswer(status, { errors: [{ code, message, detail: null }] }, headers);
}

/** A redirect, with the small page that servers send along. */
export function redirectAnswer(status: number, location: string): Answer {
  const body = memorySource(Buffer.from(`<a href="${location}">Temporary Redirect</a>.\n`));
  return { status, headers: { location, 'content-type': 'text/html; charset=utf-8' }, body };
}
