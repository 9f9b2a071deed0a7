import { type ByteSource, memorySource, sliceOf, withWrongByte } from '../content/byte-source.ts';
import { type Answer, errorAnswer } from './answer.ts';
import type { Quirks } from './quirks.ts';

/** A blob or the part of it that a `Range` asks for. */
export function blobAnswer(
  source: ByteSource,
  rangeHeader: string | undefined,
  headers: Readonly<Record<string, string>>,
  quirks: Quirks,
): Answer {
  const isRangeIgnored = quirks.ignoresRange || quirks.gzipForced;
  const body = quirks.wrongBytes === undefined ? source : withWrongByte(source, quirks.wrongBytes.at);
  const common = {
    'content-type': 'application/octet-stream',
    ...(isRangeIgnored ? {} : { 'accept-ranges': 'bytes' }),
    ...headers,
  };
  const span = isRangeIgnored ? undefined : parseRange(rangeHeader, body.sizeBytes);
  if (span === undefined) return { status: 200, headers: common, body, content: 'blob' };
  if (span === 'unsatisfiable') {
    return errorAnswer(416, 'UNKNOWN', 'range not satisfiable', { 'content-range': `bytes */${body.sizeBytes}` });
  }
  return {
    status: 206,
    headers: { ...common, 'content-range': `bytes ${span.start}-${span.end - 1}/${body.sizeBytes}` },
    body: sliceOf(body, span.start, span.end),
    content: 'blob',
  };
}

/** The CDN's way to refuse a request: XML, as S3 and its like. */
export function cdnErrorAnswer(status: number, code: string): Answer {
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code></Error>`;
  return { status, headers: { 'content-type': 'application/xml' }, body: memorySource(Buffer.from(text)) };
}

/** RFC 9110, 14.2: what is no range in bytes, or more than one, may be ignored; what cannot be had is 416. */
function parseRange(
  header: string | undefined,
  sizeBytes: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || first + last === '') return undefined;
  const start = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const end = first === '' || last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes);
  return start < end ? { start, end } : 'unsatisfiable';
}
