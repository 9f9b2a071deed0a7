import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rejectsWith, type Suite, signal } from '../support/contract-suite.ts';
import { readAll } from '../support/http/read.ts';

/** Checks that blobs come whole. */
export function checkBlobs({ truth: { main, blobs }, registry }: Suite): void {
  for (const { kind, digest, bytes } of [blobs.small, blobs.empty, blobs.sha512, blobs.large]) {
    test(`statBlob() tells the size of ${kind}`, async () => {
      assert.equal((await registry().statBlob(main, digest, signal)).sizeBytes, bytes.length);
    });

    test(`getBlob() gives the whole of ${kind}`, async () => {
      const content = await registry().getBlob(main, digest, undefined, signal);
      const { start, end, sizeBytes } = content;
      const got = await readAll(content);
      assert.deepEqual({ start, end, sizeBytes }, { start: 0, end: bytes.length, sizeBytes: bytes.length });
      assert.ok(got.equals(bytes), 'the bytes differ');
    });
  }

  test('a large blob comes in several chunks', async () => {
    const content = await registry().getBlob(main, blobs.large.digest, undefined, signal);
    try {
      const first = await content.next();
      assert.ok(first !== undefined && first.bytes.length < blobs.large.bytes.length);
      first.release();
    } finally {
      content.close();
    }
  });

  test('two read one blob at a time, each at their own pace', async () => {
    const { digest, bytes } = blobs.large;
    const slow = await registry().getBlob(main, digest, undefined, signal);
    const first = await slow.next();
    assert.ok(first);
    const expected = bytes.subarray(0, first.bytes.length);
    const fast = await readAll(await registry().getBlob(main, digest, undefined, signal));
    assert.ok(fast.equals(bytes), 'the fast reader got other bytes');
    assert.ok(expected.equals(first.bytes), 'a chunk changed before it was released');
    first.release();
    assert.ok((await readAll(slow)).equals(bytes.subarray(expected.length)), 'the slow reader got other bytes');
  });
}

/** Checks that ranges come as they were asked for. */
export function checkRanges({ truth: { main, blobs }, registry }: Suite): void {
  const { digest, bytes } = blobs.large;
  const size = bytes.length;
  for (const [what, range, start, end] of [
    ['from a byte on', { start: 4_000_001 }, 4_000_001, size],
    ['from the first byte on', { start: 0 }, 0, size],
    ['of one byte', { start: 7, end: 7 }, 7, 8],
    ['from byte to byte', { start: 65_530, end: 2_000_000 }, 65_530, 2_000_001],
    ['up to an end beyond the blob', { start: size - 10, end: size + 10 }, size - 10, size],
    ['of the last bytes', { suffixLength: 300 }, size - 300, size],
    ['of more last bytes than there are', { suffixLength: size + 1 }, 0, size],
  ] as const) {
    test(`getBlob() gives the range ${what}`, async () => {
      const content = await registry().getBlob(main, digest, range, signal);
      const { sizeBytes } = content;
      const told = { start: content.start, end: content.end, sizeBytes };
      const got = await readAll(content);
      assert.deepEqual(told, { start, end, sizeBytes: size });
      assert.ok(got.equals(bytes.subarray(start, end)), 'the bytes differ');
    });
  }

  for (const beyond of [size, size + 1000]) {
    test(`a range from byte ${beyond} of ${size} is RANGE_INVALID and tells the size`, async () => {
      const error = await rejectsWith(registry().getBlob(main, digest, { start: beyond }, signal), ['RANGE_INVALID']);
      assert.equal(error.headers['content-range'], `bytes */${size}`);
    });
  }
}

/** Checks that a blob may be closed at any time. */
export function checkClosing({ truth: { main, blobs }, registry }: Suite): void {
  const open = () => registry().getBlob(main, blobs.large.digest, undefined, signal);
  const isWhole = async () => (await readAll(await open())).equals(blobs.large.bytes);

  test('a blob is closed unread, and twice', async () => {
    const content = await open();
    content.close();
    content.close();
    assert.ok(await isWhole(), 'the next reader got other bytes');
  });

  test('a blob is closed before its end, and the next reader gets all of it', async () => {
    const content = await open();
    const first = await content.next();
    first?.release();
    content.close();
    assert.ok(await isWhole(), 'the next reader got other bytes');
  });

  test('a blob is closed after its end', async () => {
    const content = await open();
    await readAll(content);
    content.close();
    assert.ok(await isWhole(), 'the next reader got other bytes');
  });
}
