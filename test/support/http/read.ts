import type { BlobContent, Chunk } from '../../../src/oci/registry.ts';

/** Reads a blob to its end, gives every chunk back, and closes it whatever happens. */
export async function readAll(content: BlobContent): Promise<Buffer> {
  const pieces: Buffer[] = [];
  try {
    for (let chunk = await content.next(); chunk !== undefined; chunk = await content.next()) {
      pieces.push(Buffer.from(chunk.bytes)); // a copy: the chunk's buffer is used again after its release
      chunk.release();
    }
  } finally {
    content.close();
  }
  return Buffer.concat(pieces);
}

/** Reads what is left to its end, keeps nothing, and tells how many bytes that were. */
export async function countBytes(body: { next(): Promise<Chunk | undefined> }): Promise<number> {
  let count = 0;
  for (let chunk = await body.next(); chunk; chunk = await body.next()) {
    count += chunk.bytes.length;
    chunk.release();
  }
  return count;
}
