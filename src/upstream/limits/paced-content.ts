import { RegistryError } from '../../oci/errors.ts';
import type { AnswerContent } from '../answers/answer-content.ts';
import type { ByteRate } from './byte-rate.ts';

/**
 * Content that is read no faster than a rate allows. Chunks that wait for their turn hold their memory, which pauses the
 * connection that they come from.
 */
export function pacedContent(content: AnswerContent, rate: ByteRate, signal: AbortSignal): AnswerContent {
  const closing = new AbortController();
  const given = AbortSignal.any([signal, closing.signal]);
  return {
    ...content,
    async next() {
      const chunk = await content.next();
      try {
        if (chunk) await rate.take(chunk.bytes.length, given);
        return chunk;
      } catch (error) {
        chunk?.release();
        throw error;
      }
    },
    close() {
      closing.abort(new RegistryError('UNAVAILABLE', 'The blob was closed'));
      content.close();
    },
  };
}
