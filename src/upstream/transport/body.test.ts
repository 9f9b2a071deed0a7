import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { type ConnectionCall, feed, openAnswer } from '../../../test/support/upstream/upstream-answer.ts';
import type { Chunk } from '../../oci/registry.ts';
import { BlockPool, largeBlockBytes } from './blocks.ts';
import type { Body } from './body.ts';
import { TransportError } from './errors.ts';

/** A body that was just begun, and what it does to its connection. */
function begin(headers: Record<string, string>, pool = new BlockPool()) {
  return { ...openAnswer(200, headers, pool), pool };
}

const sized = (sizeBytes: number) => ({ 'content-length': `${sizeBytes}` });
const hugeBytes = 1024 ** 4;
const chunkedHeaders = { 'transfer-encoding': 'chunked' };

/** Reads to the end, and releases every chunk. */
async function readAll(body: Body): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let chunk = await body.next(); chunk; chunk = await body.next()) {
    pieces.push(Buffer.from(chunk.bytes));
    chunk.release();
  }
  return Buffer.concat(pieces);
}

/** Brings bytes as a connection does, until the body pauses it; how many were brought. */
function feedUntilPaused(body: Body, calls: readonly ConnectionCall[], most: number): number {
  let total = 0;
  while (calls.at(-1) !== 'pause' && total < most) {
    const room = body.room();
    room.fill(1);
    body.received(room.length);
    total += room.length;
  }
  return total;
}

describe('that nothing more comes from the server is told once', () => {
  function watch({ body }: { body: Body }): { readonly told: number } {
    const seen = { told: 0 };
    body.whenOver(() => seen.told++);
    return seen;
  }

  test('when the last byte has come, though nobody has read it', () => {
    const begun = begin(sized(3));
    const seen = watch(begun);
    feed(begun.body, Buffer.from('ab'));
    assert.equal(seen.told, 0);
    feed(begun.body, Buffer.from('c'));
    assert.equal(seen.told, 1);
    begun.body.close();
    assert.equal(seen.told, 1);
  });

  test('when it breaks', () => {
    const begun = begin(sized(3));
    const seen = watch(begun);
    begun.body.connectionEnded(undefined);
    begun.body.fail(new Error('again'));
    begun.body.close();
    assert.equal(seen.told, 1);
  });

  test('when it is closed', () => {
    const begun = begin(sized(3));
    const seen = watch(begun);
    begun.body.close();
    begun.body.close();
    assert.equal(seen.told, 1);
  });

  test('at once, when it was over before', () => {
    const [empty, closed] = [begin(sized(0)), begin(sized(3))];
    closed.body.close();
    assert.deepEqual([watch(empty).told, watch(closed).told], [1, 1]);
  });
});

describe('what the reader gets', () => {
  test('all bytes, in order, whatever the reads', async () => {
    const bytes = seededBytes('body', 3 * largeBlockBytes + 12_345);
    for (const readBytes of [1_000, 65_536, bytes.length]) {
      const { body, calls } = begin(sized(bytes.length));
      const reading = readAll(body);
      for (let at = 0; at < bytes.length; at += readBytes) {
        feed(body, bytes.subarray(at, at + readBytes));
        await new Promise((turn) => setImmediate(turn)); // so that the reader releases what it has read
      }
      assert.ok((await reading).equals(bytes));
      assert.equal(calls.at(-1), 'finished');
    }
  });

  test('what came while it was busy in one chunk', async () => {
    const { body } = begin(sized(100));
    for (const text of ['a', 'b', 'c']) feed(body, Buffer.from(text));
    assert.equal(Buffer.from((await body.next())!.bytes).toString(), 'abc');
  });

  test('what comes in one turn of the event loop in one chunk, and the rest later', async () => {
    const { body } = begin(sized(100));
    const first = body.next();
    feed(body, Buffer.from('a'));
    feed(body, Buffer.from('b'));
    assert.equal(Buffer.from((await first)!.bytes).toString(), 'ab');
    const second = body.next();
    feed(body, Buffer.from('c'));
    assert.equal(Buffer.from((await second)!.bytes).toString(), 'c');
  });

  test('nothing but the data of chunks', async () => {
    const { body, calls } = begin(chunkedHeaders);
    feed(body, Buffer.from('3\r\nabc\r\n2;x\r'));
    feed(body, Buffer.from('\nde\r\n0\r\n\r\n'));
    assert.equal((await readAll(body)).toString(), 'abcde');
    assert.deepEqual(calls, ['finished']);
  });

  test('the end at once, of an empty body, which frees the connection at once', async () => {
    const { body, calls } = begin(sized(0));
    assert.deepEqual(calls, ['finished']);
    assert.equal(await body.next(), undefined);
    assert.equal(await body.next(), undefined);
  });

  test('a chunk that stays as it is until it is released', async () => {
    const pool = new BlockPool();
    const { body } = begin(sized(hugeBytes), pool);
    feed(body, Buffer.from('keep'));
    const chunk = (await body.next())!;
    feedUntilPaused(body, [], 2 * largeBlockBytes);
    body.close();
    const { body: other } = begin(sized(hugeBytes), pool);
    other.room().fill(9);
    assert.equal(Buffer.from(chunk.bytes).toString(), 'keep');
  });
});

describe('the pace of the reader', () => {
  test('a body that nobody reads pauses its connection after a few blocks', () => {
    const { body, calls } = begin(sized(hugeBytes));
    const total = feedUntilPaused(body, calls, 100 * largeBlockBytes);
    assert.deepEqual(calls, ['pause']);
    assert.equal(body.paused, true);
    assert.ok(total <= 4 * largeBlockBytes, `${total} bytes`);
    assert.ok(body.room().length > 0, 'the connection has room for what it has read already');
  });

  test('chunks that are read, but not released, pause it just so', async () => {
    const { body, calls } = begin(sized(hugeBytes));
    const held: Chunk[] = [];
    let total = 0;
    while (!body.paused && total < 100 * largeBlockBytes) {
      const count = 100_000;
      feed(body, Buffer.alloc(count));
      total += count;
      held.push((await body.next())!);
    }
    assert.deepEqual(calls, ['pause']);
    assert.ok(total <= 4 * largeBlockBytes + 100_000, `${total} bytes`);
  });

  test('it goes on when one block is free, and not before its last chunk is released', async () => {
    const { body, calls } = begin(sized(hugeBytes));
    const part = Buffer.alloc(1_000);
    feed(body, part);
    const first = (await body.next())!;
    feed(body, part);
    const second = (await body.next())!; // of the same block
    feedUntilPaused(body, calls, 100 * largeBlockBytes);
    first.release();
    first.release(); // a second time counts for nothing
    assert.deepEqual(calls, ['pause']);
    const third = (await body.next())!; // the rest of that block
    second.release();
    assert.deepEqual(calls, ['pause']);
    third.release();
    assert.deepEqual(calls, ['pause', 'resume']);
    assert.equal(body.paused, false);
    feedUntilPaused(body, calls, 100 * largeBlockBytes);
    assert.deepEqual(calls, ['pause', 'resume', 'pause']);
  });

  test('what is released after the end resumes nothing', async () => {
    const { body, calls } = begin(sized(hugeBytes));
    feedUntilPaused(body, calls, 100 * largeBlockBytes);
    const chunk = (await body.next())!;
    body.close();
    chunk.release();
    assert.deepEqual(calls, ['pause', 'abandon']);
  });
});

describe('a body that breaks', () => {
  test('gives what had come, then the error', async () => {
    const { body, calls } = begin(sized(10));
    feed(body, Buffer.from('abc'));
    const broken = new TransportError('CUT_OFF', 'reset');
    body.connectionEnded(broken);
    assert.equal(Buffer.from((await body.next())!.bytes).toString(), 'abc');
    await assert.rejects(body.next(), broken);
    assert.deepEqual(calls, ['abandon']);
  });

  test('is cut off when its connection ends early, by length or by chunks', async () => {
    for (const [headers, wire] of [
      [sized(10), 'abc'],
      [chunkedHeaders, '3\r\nabc\r\n'],
      [chunkedHeaders, '3\r\nabc\r\n0\r\n'],
    ] as const) {
      const { body } = begin(headers);
      feed(body, Buffer.from(wire));
      body.connectionEnded(undefined);
      await assert.rejects(readAll(body), { code: 'CUT_OFF' });
    }
  });

  test('is whole when its connection’s end is its own, unless that ended by an error', async () => {
    const whole = begin({});
    feed(whole.body, Buffer.from('abc'));
    whole.body.connectionEnded(undefined);
    assert.equal((await readAll(whole.body)).toString(), 'abc');
    assert.deepEqual(whole.calls, ['abandon']);
    const torn = begin({});
    feed(torn.body, Buffer.from('abc'));
    torn.body.connectionEnded(new TransportError('CUT_OFF', 'reset'));
    await assert.rejects(readAll(torn.body), /reset/);
  });

  test('is over when its chunks are malformed', async () => {
    const { body, calls } = begin(chunkedHeaders);
    const reading = body.next();
    feed(body, Buffer.from('xyz'));
    await assert.rejects(reading, { code: 'PROTOCOL' });
    assert.deepEqual(calls, ['abandon']);
  });

  test('keeps its first end, whatever comes after', async () => {
    const { body, calls } = begin(sized(3));
    feed(body, Buffer.from('abc'));
    body.fail(new Error('too late'));
    body.connectionEnded(undefined);
    assert.equal((await readAll(body)).toString(), 'abc');
    assert.deepEqual(calls, ['finished']);
  });
});

test('more bytes than the body has are nobody’s, and the connection is of no use any more', async () => {
  const { body, calls } = begin(sized(3));
  feed(body, Buffer.from('abcHTTP/1.1 200 OK'));
  assert.equal((await readAll(body)).toString(), 'abc');
  assert.deepEqual(calls, ['abandon']);
});

describe('closing', () => {
  test('ends the connection, fails who waits, and may be done twice', async () => {
    const { body, calls } = begin(sized(10));
    const waiting = body.next();
    body.close();
    body.close();
    await assert.rejects(waiting, { code: 'CUT_OFF' });
    assert.deepEqual(calls, ['abandon']);
  });

  test('is no end of the bytes: who reads on fails, also where all had come', async () => {
    const { body } = begin(sized(3));
    feed(body, Buffer.from('abc'));
    body.close();
    await assert.rejects(body.next(), { code: 'CUT_OFF' });
  });

  test('leaves the connection of a body that is whole in peace', () => {
    const { body, calls } = begin(sized(3));
    feed(body, Buffer.from('abc'));
    body.close();
    assert.deepEqual(calls, ['finished']);
  });

  test('gives back every block that was not read', () => {
    const pool = new BlockPool();
    const first = begin(sized(hugeBytes), pool);
    const blocks = new Set<ArrayBufferLike>();
    while (!first.body.paused) {
      const room = first.body.room();
      blocks.add(room.buffer);
      first.body.received(room.length);
    }
    blocks.add(first.body.room().buffer);
    first.body.close();
    const taken = new Set(Array.from({ length: blocks.size }, () => pool.take().buffer.buffer));
    assert.deepEqual(taken, blocks);
  });

  test('what comes after it is thrown away', () => {
    const { body } = begin(sized(10));
    const room = body.room();
    body.close();
    body.received(room.length);
    assert.equal(body.paused, false);
  });
});
