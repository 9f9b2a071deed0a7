import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { seededBytes } from '../../../test/support/content/images.ts';
import { answerOf, headOf, openAnswer } from '../../../test/support/upstream/upstream-answer.ts';
import { TransportError } from '../transport/errors.ts';
import { type AnswerContent, contentOf, encodingOf } from './answer-content.ts';

const bytes = seededBytes('content', 300_000);
const unavailable = { name: 'RegistryError', code: 'UNAVAILABLE' };

async function readAll(content: AnswerContent): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let chunk = await content.next(); chunk; chunk = await content.next()) {
    pieces.push(Buffer.from(chunk.bytes));
    chunk.release();
  }
  return Buffer.concat(pieces);
}

function encodedAnswer(encoding: string, body: Uint8Array) {
  return answerOf(200, { 'content-encoding': encoding, 'content-length': `${body.length}` }, body);
}

test('what is not encoded is given as it came, with its length', async () => {
  for (const headers of [{}, { 'content-encoding': 'identity' }, { 'content-encoding': '' }] as Record<
    string,
    string
  >[]) {
    const content = contentOf(answerOf(200, { 'content-length': `${bytes.length}`, ...headers }, bytes));
    assert.deepEqual([content.encoded, content.lengthBytes], [false, bytes.length]);
    assert.ok((await readAll(content)).equals(bytes));
  }
  assert.equal(encodingOf(headOf(200, { 'content-encoding': 'Identity' })), undefined);
});

const encoders = {
  gzip: gzipSync,
  GZip: gzipSync,
  'x-gzip': gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
};

describe('what is encoded all the same', () => {
  for (const [encoding, encode] of Object.entries(encoders)) {
    test(`is decoded from ${encoding}; its length is unknown`, async () => {
      const content = contentOf(encodedAnswer(encoding, encode(bytes)));
      assert.deepEqual([content.encoded, content.lengthBytes], [true, undefined]);
      assert.ok((await readAll(content)).equals(bytes));
    });
  }

  test('fails where it is damaged, or nothing of the kind', async () => {
    const damaged = gzipSync(bytes);
    damaged[damaged.length - 6]! ^= 0xff; // in the check sum
    await assert.rejects(readAll(contentOf(encodedAnswer('gzip', damaged))), unavailable);
    await assert.rejects(readAll(contentOf(encodedAnswer('gzip', Buffer.from('plain text')))), unavailable);
    await assert.rejects(readAll(contentOf(encodedAnswer('zstd', Buffer.from('plain text')))), unavailable);
  });

  test('fails where it ends early, though its length was kept', async () => {
    const half = gzipSync(bytes).subarray(0, 1_000);
    await assert.rejects(readAll(contentOf(encodedAnswer('gzip', half))), unavailable);
  });

  test('fails where the connection broke, with that as the cause', async () => {
    const answer = answerOf(
      200,
      { 'content-encoding': 'gzip', 'content-length': '999' },
      gzipSync(bytes).subarray(0, 99),
    );
    await assert.rejects(readAll(contentOf(answer)), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'UNAVAILABLE');
      assert.ok(error.cause instanceof TransportError && error.cause.code === 'CUT_OFF');
      return true;
    });
  });

  for (const encoding of ['compress', 'gzip, gzip', 'toString', '__proto__']) {
    test(`is refused in "${encoding}", and its connection given up`, () => {
      const answer = answerOf(200, { 'content-encoding': encoding });
      assert.throws(() => contentOf(answer), { ...unavailable, message: /unknown encoding/ });
      assert.deepEqual(answer.calls, ['abandon']);
    });
  }
});

describe('a body that breaks off', () => {
  const codings: Record<string, Record<string, string>> = { plain: {}, encoded: { 'content-encoding': 'gzip' } };

  for (const [what, headers] of Object.entries(codings)) {
    test(`is unavailable when the transport says why (${what})`, async () => {
      const content = contentOf(answerOf(200, { ...headers, 'content-length': '5' }));
      await assert.rejects(content.next(), unavailable);
    });

    // A signal's reason is for whoever fired it; made into an error of the upstream's, it would be taken for one.
    const reasons = {
      'an abort': new DOMException('aborted', 'AbortError'),
      'a time limit': new DOMException('too long', 'TimeoutError'),
      'an error of the caller’s own': new Error('client gone'),
      'an error of the system’s': Object.assign(new Error('no space left'), { code: 'ENOSPC', errno: -28 }),
    };
    for (const [which, reason] of Object.entries(reasons)) {
      test(`rejects with a signal’s reason as it is: ${which} (${what})`, async () => {
        const answer = openAnswer(200, headers);
        const content = contentOf(answer);
        const reading = content.next();
        answer.body.fail(reason);
        await assert.rejects(reading, (error) => error === reason);
        content.close();
      });
    }
  }
});

test('closing an encoded body gives up its connection', async () => {
  const answer = openAnswer(200, { 'content-encoding': 'gzip' });
  const content = contentOf(answer);
  content.close();
  content.close();
  assert.deepEqual(answer.calls, ['abandon']);
});
