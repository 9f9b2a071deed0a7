import { pipeline } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { RegistryError } from '../oci/errors.ts';
import type { Chunk } from '../oci/registry.ts';
import type { Answer } from './transport/connection.ts';
import { messageOf } from './transport/errors.ts';

/** The bytes of an answer, decoded where the server encoded them though it was asked not to. */
export interface AnswerContent {
  /** How many bytes come; unknown when the answer does not say, or is encoded. */
  readonly lengthBytes: number | undefined;
  readonly encoded: boolean;
  next(): Promise<Chunk | undefined>;
  close(): void;
}

const decoders = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
} as const;

/**
 * The content of an answer. Its failures are RegistryErrors (UNAVAILABLE), but for the reasons of aborted signals.
 * @throws RegistryError UNAVAILABLE when the encoding is unknown
 */
export function contentOf({ head, body }: Answer): AnswerContent {
  const encoding = head.headers.get('content-encoding')?.toLowerCase() ?? 'identity';
  const plain: AnswerContent = {
    lengthBytes: body.lengthBytes,
    encoded: false,
    next: () => body.next().catch(rethrow),
    close: () => body.close(),
  };
  if (encoding === 'identity' || encoding === '') return plain;
  if (Object.hasOwn(decoders, encoding)) return decoded(plain, encoding as keyof typeof decoders);
  body.close();
  throw new RegistryError('UNAVAILABLE', `Cannot decode the answer: unknown encoding "${encoding.slice(0, 80)}"`);
}

function decoded(content: AnswerContent, encoding: keyof typeof decoders): AnswerContent {
  const decoder = decoders[encoding]();
  // What fails reaches the reader through the iterator below.
  pipeline(copies(content), decoder, () => {});
  const chunks = decoder[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  return {
    lengthBytes: undefined,
    encoded: true,
    async next() {
      try {
        const { done, value } = await chunks.next();
        return done ? undefined : { bytes: value, release() {} };
      } catch (cause) {
        return rethrow(cause);
      }
    },
    close() {
      decoder.destroy();
      content.close();
    },
  };
}

// The decoder keeps what it is given for a while, so it gets bytes of its own.
async function* copies(content: AnswerContent): AsyncGenerator<Buffer> {
  for (let chunk = await content.next(); chunk; chunk = await content.next()) {
    const copy = Buffer.from(chunk.bytes);
    chunk.release();
    yield copy;
  }
}

// Errors with a code are the transport's, the decoder's or the system's; the reason of a signal is handed on as it is.
function rethrow(cause: unknown): never {
  if (
    cause instanceof RegistryError ||
    !(cause instanceof Error) ||
    !('code' in cause) ||
    cause.name === 'AbortError'
  ) {
    throw cause;
  }
  throw new RegistryError('UNAVAILABLE', `Cannot read on from upstream: ${messageOf(cause)}`, { cause });
}
