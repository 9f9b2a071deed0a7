import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { piecesOf } from './body-pieces.ts';

const kibibyte = 1024;
const patient = new AbortController().signal;

/** Memory of its own, filled with a number, as a connection gives it. */
function piece(fill: number, sizeBytes = 64 * kibibyte): Uint8Array {
  return new Uint8Array(new ArrayBuffer(sizeBytes)).fill(fill);
}

test('pieces come one by one, in order, and are not joined', async () => {
  const stream = Readable.from([piece(1), piece(2), piece(3, 10)], { objectMode: false });
  const seen: string[] = [];
  for await (const bytes of piecesOf(stream, patient)) seen.push(`${bytes[0]} × ${bytes.length}`);
  assert.deepEqual(seen, ['1 × 65536', '2 × 65536', '3 × 10']);
});

test('a piece is there until the next is asked for, and what others may share stays', async () => {
  const whole = piece(1);
  const shared = new ArrayBuffer(128 * kibibyte);
  const part = new Uint8Array(shared, 0, 64 * kibibyte).fill(2);
  const pieces = piecesOf(Readable.from([whole, part, piece(3)], { objectMode: false }), patient);
  assert.equal((await pieces.next()).value?.[0], 1);
  assert.equal(whole.length, 64 * kibibyte);
  assert.equal((await pieces.next()).value?.[0], 2);
  assert.equal(whole.length, 0);
  await pieces.next();
  assert.equal(part[0], 2);
  await pieces.return(undefined);
});

test('whoever is slow holds up the sender after some pieces', async () => {
  let given = 0;
  const stream = new Readable({
    highWaterMark: 64 * kibibyte,
    read() {
      given++;
      this.push(piece(given % 250));
    },
  });
  const pieces = piecesOf(stream, patient);
  for (let taken = 1; taken <= 50; taken++) {
    await pieces.next();
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(given <= taken + 8, `${given} were given when ${taken} were taken`);
  }
  await pieces.return(undefined);
  stream.destroy();
});

test('a stream that is left stays, and is not read any more', async () => {
  const stream = new Readable({ read() {} });
  const pieces = piecesOf(stream, patient);
  stream.push(piece(1));
  await pieces.next();
  await pieces.return(undefined);
  assert.deepEqual([stream.destroyed, stream.isPaused(), stream.listenerCount('data')], [false, true, 0]);
});

test('what came before a stream breaks is given out, then it fails; so does one that was broken before', async () => {
  for (const cause of [undefined, new Error('reset')]) {
    const stream = new Readable({ read() {} });
    stream.on('error', () => {});
    const pieces = piecesOf(stream, patient);
    const first = pieces.next();
    stream.push(piece(1));
    assert.equal((await first).value?.[0], 1);
    stream.push(piece(2));
    await new Promise((resolve) => setImmediate(resolve));
    stream.destroy(cause);
    await new Promise((resolve) => stream.once('close', resolve));
    assert.equal((await pieces.next()).value?.[0], 2);
    await assert.rejects(pieces.next(), cause ?? { code: 'ECONNRESET' });
    await assert.rejects(piecesOf(stream, patient).next(), cause ?? { code: 'ECONNRESET' });
  }
});
