import type { ServerResponse } from 'node:http';
import type { BlobContent, Chunk } from '../oci/registry.ts';

/**
 * Sends content as the body of a response whose head was set; the next chunk is read while one is being written. It
 * closes the content. When the content fails, the connection is broken, so that no client takes what came for the whole.
 * @returns once the last byte is with the system, or the client has gone
 * @throws what the content failed with, after the connection was broken
 */
export async function sendContent(response: ServerResponse, content: BlobContent): Promise<void> {
  const gone = () => content.close();
  response.once('close', gone);
  try {
    // The head of an answer whose bytes are yet to come must not wait for them; with local bytes, one write does for both.
    if (content.outcome?.kind === 'miss') response.flushHeaders();
    await sendChunks(response, content);
  } catch (error) {
    if (response.destroyed) return;
    response.destroy();
    throw error;
  } finally {
    response.off('close', gone);
    content.close();
  }
}

async function sendChunks(response: ServerResponse, content: BlobContent): Promise<void> {
  let position = content.start;
  let writing: Promise<void> | undefined;
  try {
    for (let chunk = await content.next(); chunk; chunk = await content.next()) {
      position += chunk.bytes.length;
      await writing;
      writing = write(response, chunk, position === content.end);
    }
  } finally {
    await writing;
  }
  if (!response.writableEnded) response.end();
}

/** Resolves when the bytes are with the system, or never will be. */
function write(response: ServerResponse, chunk: Chunk, last: boolean): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('close', done);
      chunk.release();
      resolve();
    };
    response.once('close', done);
    if (last) response.end(chunk.bytes, done);
    else response.write(chunk.bytes, done);
  });
}
