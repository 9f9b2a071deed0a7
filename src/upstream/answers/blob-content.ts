import { RegistryError } from '../../oci/errors.ts';
import type { BlobContent, Chunk, RequestedRange } from '../../oci/registry.ts';
import { resolveRange } from '../../oci/wire/range.ts';
import type { Answer } from '../transport/connection.ts';
import { type AnswerContent, contentOf } from './answer-content.ts';

/** Sees every byte of a blob that came from upstream. */
export type BytesSeen = (count: number) => void;

/** Has content read no faster than it may be. */
export type Pace = (content: AnswerContent) => AnswerContent;

const contentRange = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/;

/**
 * A blob as a registry sent it, for the range that was asked for. A registry that ignored the range sent the whole: then
 * what comes before the range is passed over, and nothing is read after it.
 * @throws RegistryError UNAVAILABLE when the answer is for another range, RANGE_INVALID
 */
export function blobContentOf(
  answer: Answer,
  range: RequestedRange | undefined,
  seen: BytesSeen,
  pace: Pace = (content) => content,
): BlobContent {
  const content = pace(counted(contentOf(answer), seen));
  try {
    if (answer.head.status === 206) return partial(answer, content, range);
    return sliced(content, range);
  } catch (error) {
    content.close();
    throw error;
  }
}

function counted(content: AnswerContent, seen: BytesSeen): AnswerContent {
  return {
    ...content,
    async next() {
      const chunk = await content.next();
      if (chunk) seen(chunk.bytes.length);
      return chunk;
    },
  };
}

function partial(answer: Answer, content: AnswerContent, range: RequestedRange | undefined): BlobContent {
  const match = contentRange.exec(answer.head.headers.get('content-range') ?? '');
  if (range === undefined || match === null || content.encoded) {
    throw new RegistryError(
      'UNAVAILABLE',
      'Cannot use the partial answer: it is encoded, or does not say which part it is',
    );
  }
  const [first, last, size] = match.slice(1).map(Number) as [number, number, number];
  const wanted = resolveRange(range, size);
  if (first !== wanted.start || last + 1 > wanted.end || first > last) {
    throw new RegistryError(
      'UNAVAILABLE',
      `Cannot use the partial answer: wanted bytes from ${wanted.start}, got ${first}-${last}`,
    );
  }
  if (content.lengthBytes !== undefined && content.lengthBytes !== last + 1 - first) {
    throw new RegistryError(
      'UNAVAILABLE',
      `Cannot use the partial answer: bytes ${first}-${last} are not ${content.lengthBytes}`,
    );
  }
  const { next, close } = content;
  return { sizeBytes: size, start: first, end: last + 1, next, close };
}

function sliced(content: AnswerContent, range: RequestedRange | undefined): BlobContent {
  const size = content.lengthBytes;
  if (size !== undefined) {
    const { start, end } = resolveRange(range, size);
    return { sizeBytes: size, start, end, next: slice(content, start, end), close: content.close };
  }
  const start = startOf(range);
  const end = range && 'end' in range && range.end !== undefined ? range.end + 1 : undefined;
  return { sizeBytes: undefined, start, end: undefined, next: slice(content, start, end), close: content.close };
}

function startOf(range: RequestedRange | undefined): number {
  if (range === undefined) return 0;
  if ('start' in range) return range.start;
  throw new RegistryError('UNAVAILABLE', 'Cannot give the end of a blob: upstream does not say how long it is');
}

/** Reads content from `start` to `end`, of which it passes over what comes before. */
function slice(content: AnswerContent, start: number, end: number | undefined): BlobContent['next'] {
  let position = 0;
  return async () => {
    for (;;) {
      if (end !== undefined && position >= end && end !== content.lengthBytes) {
        content.close();
        return undefined;
      }
      const chunk = await content.next();
      if (chunk === undefined) return undefined;
      const from = position;
      position += chunk.bytes.length;
      const cut = cutChunk(chunk, Math.max(0, start - from), end === undefined ? undefined : end - from);
      if (cut) return cut;
      chunk.release();
    }
  };
}

function cutChunk(chunk: Chunk, from: number, to: number | undefined): Chunk | undefined {
  const bytes = chunk.bytes.subarray(from, to);
  return bytes.length === 0 ? undefined : { bytes, release: () => chunk.release() };
}
