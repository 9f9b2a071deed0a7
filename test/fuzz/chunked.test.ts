import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Body } from '../../src/upstream/transport/body.ts';
import { TransportError } from '../../src/upstream/transport/errors.ts';
import { framingOf } from '../../src/upstream/transport/framing.ts';
import { answerOf, feed, headOf, openAnswer } from '../support/upstream/upstream-answer.ts';

const chunkedHeaders = { 'transfer-encoding': 'chunked' };

const extension = fc.constantFrom('', ';a', ';a=b', ' ; a = "x;\\"y"', '\t');
const chunk = fc.record({
  data: fc.uint8Array({ minLength: 1, maxLength: 60 }),
  extension,
  zeros: fc.nat(3),
  upper: fc.boolean(),
});
const trailer = fc.constantFrom('', 'A: b\r\n', 'A: b\r\nLonger-Name: with, values\r\n');

const message = fc
  .record({ chunks: fc.array(chunk, { maxLength: 8 }), trailer, extension, zeros: fc.nat(3) })
  .map(({ chunks, trailer: last, extension: lastExtension, zeros: lastZeros }) => ({
    body: Buffer.concat(chunks.map(({ data }) => data)),
    wire: Buffer.concat([
      ...chunks.flatMap(({ data, extension: own, zeros, upper }) => {
        const digits = data.length.toString(16);
        const size = `${'0'.repeat(zeros)}${upper ? digits.toUpperCase() : digits}`;
        return [Buffer.from(`${size}${own}\r\n`), data, Buffer.from('\r\n')];
      }),
      Buffer.from(`${'0'.repeat(lastZeros + 1)}${lastExtension}\r\n${last}\r\n`),
    ]),
  }));

const cuts = fc.array(fc.nat(600), { maxLength: 40 });

/** The parts of some bytes between the places where they are cut. */
function split(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}

test('any body in any chunks, split into any reads, is decoded to the same bytes', () => {
  fc.assert(
    fc.property(message, cuts, ({ body, wire }, places) => {
      const framing = framingOf('GET', headOf(200, chunkedHeaders));
      const buffer = Buffer.alloc(wire.length + 1);
      let fill = 0;
      for (const read of split(wire, places)) {
        assert.ok(!framing.done || read.length === 0);
        read.copy(buffer, fill);
        fill = framing.decode(buffer, fill, fill + read.length);
      }
      assert.ok(buffer.subarray(0, fill).equals(body));
      assert.deepEqual([framing.done, framing.overrun], [true, false]);
    }),
    { numRuns: 3_000 },
  );
});

test('what stands behind the last chunk is an overrun, and not the body’s', () => {
  fc.assert(
    fc.property(message, fc.uint8Array({ minLength: 1, maxLength: 9 }), ({ body, wire }, more) => {
      const framing = framingOf('GET', headOf(200, chunkedHeaders));
      const buffer = Buffer.concat([wire, more]);
      const end = framing.decode(buffer, 0, buffer.length);
      assert.ok(buffer.subarray(0, end).equals(body));
      assert.deepEqual([framing.done, framing.overrun], [true, true]);
    }),
    { numRuns: 1_000 },
  );
});

/** Reads a body to its end; one that broke gives what had come. */
async function readAll(body: Body): Promise<{ bytes: Buffer; error: unknown }> {
  const pieces: Buffer[] = [];
  try {
    for (let piece = await body.next(); piece; piece = await body.next()) {
      pieces.push(Buffer.from(piece.bytes));
      piece.release();
    }
    return { bytes: Buffer.concat(pieces), error: undefined };
  } catch (error) {
    return { bytes: Buffer.concat(pieces), error };
  }
}

test('a reader gets the same bytes, whether it waits for them or comes later', async () => {
  await fc.assert(
    fc.asyncProperty(message, cuts, fc.boolean(), async ({ body, wire }, places, isWaiting) => {
      const { body: stream } = openAnswer(200, chunkedHeaders);
      const early = isWaiting ? readAll(stream) : undefined;
      for (const read of split(wire, places)) feed(stream, read);
      const { bytes, error } = await (early ?? readAll(stream));
      assert.equal(error, undefined);
      assert.ok(bytes.equals(body));
    }),
    { numRuns: 500 },
  );
});

test('a body that is cut off anywhere is never taken for whole, and what came of it is right', async () => {
  await fc.assert(
    fc.asyncProperty(message, fc.nat(600), async ({ body, wire }, place) => {
      const { body: stream } = answerOf(200, chunkedHeaders, wire.subarray(0, place % wire.length));
      const { bytes, error } = await readAll(stream);
      assert.ok(error instanceof TransportError && error.code === 'CUT_OFF', String(error));
      assert.ok(bytes.equals(body.subarray(0, bytes.length)));
    }),
    { numRuns: 500 },
  );
});

test('whatever comes is decoded or refused as a breach of the protocol', () => {
  const wild = fc
    .string({ unit: fc.constantFrom(...'0159aF;x\r\n \t"'), maxLength: 60 })
    .map((text) => Buffer.from(text));
  fc.assert(
    fc.property(fc.oneof(wild, fc.uint8Array({ maxLength: 60 })), (bytes) => {
      const framing = framingOf('GET', headOf(200, chunkedHeaders));
      const buffer = Buffer.from(bytes);
      try {
        assert.ok(framing.decode(buffer, 0, buffer.length) <= buffer.length);
      } catch (error) {
        assert.ok(error instanceof TransportError && error.code === 'PROTOCOL', String(error));
      }
    }),
    { numRuns: 5_000 },
  );
});
