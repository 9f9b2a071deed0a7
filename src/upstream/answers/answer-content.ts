import { pipeline } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { RegistryError } from '../../oci/errors.ts';
import type { Chunk } from '../../oci/registry.ts';
import type { Answer } from '../transport/connection.ts';
import { messageOf, TransportError } from '../transport/errors.ts';
import type { ResponseHead } from '../transport/head.ts';

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

/** How a server encoded the body, though it was asked not to; undefined when it did not. */
export function encodingOf({ headers }: ResponseHead): string | undefined {
  const encoding = headers.get('content-encoding')?.toLowerCase();
  return encoding === 'identity' || encoding === '' ? undefined : encoding;
}

/**
 * The content of an answer. Its failures are RegistryErrors (UNAVAILABLE), but for the reasons of aborted signals.
 * @throws RegistryError UNAVAILABLE when the encoding is unknown
 */
export function contentOf({ head, body }: Answer): AnswerContent {
  const encoding = encodingOf(head);
  const plain: AnswerContent = {
    lengthBytes: body.lengthBytes,
    encoded: false,
    next: () => body.next().catch(rethrow),
    close: () => body.close(),
  };
  if (encoding === undefined) return plain;
  if (Object.hasOwn(decoders, encoding)) return decoded(plain, encoding as keyof typeof decoders);
  body.close();
  throw new RegistryError('UNAVAILABLE', `Cannot decode the answer: unknown encoding "${encoding.slice(0, 80)}"`);
}

function decoded(content: AnswerContent, encoding: keyof typeof decoders): AnswerContent {
  const decoder = decoders[encoding]();
  let failure: { readonly cause: unknown } | undefined;
  // The decoder keeps what it is given for a while, so it gets bytes of its own.
  async function* copies(): AsyncGenerator<Buffer> {
    try {
      for (let chunk = await content.next(); chunk; chunk = await content.next()) {
        const copy = Buffer.from(chunk.bytes);
        chunk.release();
        yield copy;
      }
    } catch (cause) {
      failure = { cause };
      throw cause;
    }
  }
  // What fails reaches the reader through the iterator below.
  pipeline(copies, decoder, () => {});
  const chunks = decoder[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  return {
    lengthBytes: undefined,
    encoded: true,
    async next() {
      try {
        const { done, value } = await chunks.next();
        return done ? undefined : { bytes: value, release() {} };
      } catch (cause) {
        throw failure ? failure.cause : unreadable(cause);
      }
    },
    close() {
      decoder.destroy();
      content.close();
    },
  };
}

// Whatever is not the transport's is the reason of a signal, which is handed on as it is.
function rethrow(cause: unknown): never {
  throw cause instanceof TransportError ? unreadable(cause) : cause;
}

function unreadable(cause: unknown): RegistryError {
  return new RegistryError('UNAVAILABLE', `Cannot read on from upstream: ${messageOf(cause)}`, { cause });
}
