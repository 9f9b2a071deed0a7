import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import type { RawAnswer } from './raw-http.ts';

/** Reads the next `count` bytes of an answer and not one more; waits for them. */
export async function takeBytes(message: IncomingMessage, count: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let missing = count; missing > 0; ) {
    if (message.readableLength === 0) {
      if (message.readableEnded || message.destroyed) throw new Error(`The answer ended ${missing} bytes early`);
      await once(message, 'readable');
      continue;
    }
    const piece = message.read(Math.min(missing, message.readableLength)) as Buffer;
    pieces.push(piece);
    missing -= piece.length;
  }
  return Buffer.concat(pieces);
}

/** Fails unless an answer is 200 and its body whole, with this digest. */
export function assertWhole({ status, broken, body }: RawAnswer, digest: Digest): void {
  const algorithm = digest.startsWith('sha512:') ? 'sha512' : 'sha256';
  const found = digestOf(body, algorithm);
  assert.deepEqual({ status, broken, digest: found }, { status: 200, broken: undefined, digest });
}

/** Fails unless an answer began well, and its body broke off before its end. */
export function assertBroken({ status, headers, broken, body }: RawAnswer, sizeBytes: number): void {
  assert.equal(status, 200);
  assert.ok(broken !== undefined, 'the answer came to an end');
  assert.ok(body.length < sizeBytes, `all of ${sizeBytes} bytes came`);
  const length = headers['content-length'];
  if (length !== undefined) assert.equal(length, `${sizeBytes}`);
}
