import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { MemoryBlobStore } from '../../../test/support/memory/memory-blob-store.ts';
import { digestOf } from '../../oci/digest.ts';
import { BufferPool } from '../content/reading/buffers.ts';
import { Spool, type SpoolReader } from './spool.ts';

const bytes = seededBytes('blob', 8 * 1024 * 1024);
const digest = digestOf(bytes);
const diskFull = new Error('disk full');
const hashed = Promise.resolve();

/** A spool in a store in memory, and what it says of its disk. */
async function setUp(prepare: (store: MemoryBlobStore) => void = () => {}) {
  const store = new MemoryBlobStore();
  prepare(store);
  const failures: Error[] = [];
  const spool = new Spool(store, digest, new BufferPool(), (error) => failures.push(error));
  await spool.open();
  const released: number[] = [];
  let position = 0;
  return {
    store,
    spool,
    failures,
    /** The chunks that were given back, by the byte that they begin with. */
    released,
    append(sizeBytes: number, hash: Promise<unknown> = hashed) {
      const start = position;
      position += sizeBytes;
      // A buffer of its own, which is used again after its release.
      const own = Buffer.from(bytes.subarray(start, position));
      const release = () => {
        own.fill(0);
        released.push(start);
      };
      spool.append({ bytes: own, release }, hash);
    },
    async read(from: number, sizeBytes: number) {
      const chunk = await spool.next(from, sizeBytes);
      const copy = Buffer.from(chunk.bytes);
      chunk.release();
      return copy;
    },
  };
}

function readerAt(position: number): SpoolReader & { position: number; error: Error | undefined } {
  return {
    position,
    hasBytes: position > 0,
    error: undefined,
    fail(error) {
      this.error = error;
    },
  };
}

/** A disk that fails from a byte on. */
function fullFrom(firstByte: number): (store: MemoryBlobStore) => void {
  return (store) => {
    store.faults.write = async (position) => {
      if (position >= firstByte) throw diskFull;
    };
  };
}

test('a chunk can be read as soon as it has come, before it is on disk or hashed', async () => {
  const disk = Promise.withResolvers<void>();
  const { spool, append, read, released } = await setUp((store) => {
    store.faults.write = () => disk.promise;
  });
  append(1000, new Promise(() => {}));
  assert.equal(spool.receivedBytes, 1000);
  assert.deepEqual(await read(0, 1000), bytes.subarray(0, 1000));
  assert.deepEqual(released, []);
});

for (const order of [
  ['disk', 'hash'],
  ['hash', 'disk'],
] as const) {
  test(`a chunk is given back when both are done with it: ${order.join(' first, then ')}`, async () => {
    const parts = { disk: Promise.withResolvers<void>(), hash: Promise.withResolvers<void>() };
    const { spool, append, read, released } = await setUp((store) => {
      store.faults.write = () => parts.disk.promise;
    });
    append(1000, parts.hash.promise);
    parts[order[0]].resolve();
    await new Promise(setImmediate);
    assert.deepEqual(released, []);
    parts[order[1]].resolve();
    await spool.settled();
    assert.deepEqual(released, [0]);
    // Now it comes from the file.
    assert.deepEqual(await read(0, 1000), bytes.subarray(0, 1000));
  });
}

test('a hash that fails does not keep a chunk: the hash says so itself at its end', async () => {
  const { spool, append, released, failures } = await setUp();
  append(1000, Promise.reject(new Error('thread')));
  await spool.settled();
  assert.deepEqual(released, [0]);
  assert.deepEqual(failures, []);
});

test('reads end at the end of a chunk in memory, of the file before it, and of the buffer, and are all right', async () => {
  const held = new Map([1, 2, 3, 4].map((i) => [i * 1000, Promise.withResolvers<void>()]));
  const { spool, append, read } = await setUp((store) => {
    store.faults.write = (position) => held.get(position)?.promise ?? Promise.resolve();
  });
  for (let i = 0; i < 5; i++) append(1000);
  held.get(3000)!.resolve();
  await new Promise(setImmediate);
  // In the file: 0–1000 and 3000–4000. In memory: 1000–3000, 4000–5000.
  for (const [from, wanted, got] of [
    [0, 5000, 1000],
    [0, 10, 10],
    [999, 5000, 1],
    [1000, 5000, 1000],
    [1500, 5000, 500],
    [1999, 5000, 1],
    [2000, 100, 100],
    [3000, 5000, 1000],
    [3500, 200, 200],
    [4000, 5000, 1000],
    [4999, 5000, 1],
  ] as const) {
    assert.deepEqual(await read(from, wanted), bytes.subarray(from, from + got), `from ${from}`);
  }
  for (const { resolve } of held.values()) resolve();
  await spool.settled();
  assert.deepEqual(await read(0, 5000), bytes.subarray(0, 5000));
});

test('a spool is full when too much waits for the disk, and has room again when it is written', async () => {
  const disk = Promise.withResolvers<void>();
  const { spool, append } = await setUp((store) => {
    store.faults.write = () => disk.promise;
  });
  let appended = 0;
  for (; !spool.isFull; appended += 1024 * 1024) append(1024 * 1024);
  assert.ok(appended <= 4 * 1024 * 1024, `${appended} bytes in memory`);
  let hasRoom = false;
  const room = spool.room().then(() => {
    hasRoom = true;
  });
  await new Promise(setImmediate);
  assert.equal(hasRoom, false);
  disk.resolve();
  await room;
  assert.equal(spool.isFull, false);
});

test('settled() waits for every write and hash, also of a disk that fails', async () => {
  const hash = Promise.withResolvers<void>();
  const { spool, append } = await setUp(fullFrom(1000));
  append(1000);
  append(1000, hash.promise);
  let isSettled = false;
  const settled = spool.settled().then(() => {
    isSettled = true;
  });
  await new Promise(setImmediate);
  assert.equal(isSettled, false);
  hash.resolve();
  await settled;
});

test('when a write fails, what came before is read from the file, what comes after from memory, and it is told once', async () => {
  const { spool, append, read, failures } = await setUp(fullFrom(1000));
  spool.readers.add(readerAt(0));
  for (let i = 0; i < 4; i++) append(1000);
  await spool.settled();
  assert.deepEqual(failures, [diskFull]);
  assert.equal(spool.diskFailure, diskFull);
  assert.deepEqual(await read(0, 4000), bytes.subarray(0, 1000));
  for (const from of [1000, 2000, 3000]) assert.deepEqual(await read(from, 1000), bytes.subarray(from, from + 1000));
  await assert.rejects(spool.commit(), diskFull);
});

test('what is kept gives the chunk back at once, as the transfer needs its buffers to go on', async () => {
  const { spool, append, read, released } = await setUp(fullFrom(0));
  spool.readers.add(readerAt(0));
  append(1000);
  append(1000);
  await spool.settled();
  assert.deepEqual(released, [0, 1000]);
  assert.deepEqual(await read(0, 1000), bytes.subarray(0, 1000));
  assert.deepEqual(await read(1000, 1000), bytes.subarray(1000, 2000));
});

test('a write that was under way when another failed still counts, if it succeeds', async () => {
  const later = Promise.withResolvers<void>();
  const { spool, append, read, released } = await setUp((store) => {
    store.faults.write = async (position) => {
      if (position === 0) throw diskFull;
      await later.promise;
    };
  });
  spool.readers.add(readerAt(0));
  append(1000);
  append(1000);
  later.resolve();
  await spool.settled();
  assert.deepEqual(released.sort(), [0, 1000]);
  assert.deepEqual(await read(0, 2000), bytes.subarray(0, 1000));
  assert.deepEqual(await read(1000, 1000), bytes.subarray(1000, 2000));
});

test('what is kept goes when the last reader has passed it', async () => {
  const { spool, append } = await setUp(fullFrom(0));
  const [fast, slow] = [readerAt(0), readerAt(0)];
  spool.readers.add(fast).add(slow);
  while (!spool.isFull) append(512 * 1024);
  await spool.settled();
  fast.position = spool.receivedBytes;
  spool.trim();
  assert.equal(spool.isFull, true);
  slow.position = 512 * 1024 - 1;
  spool.trim();
  assert.equal(spool.isFull, true);
  slow.position = 512 * 1024;
  spool.trim();
  assert.equal(spool.isFull, false);
});

test('nothing is kept for nobody', async () => {
  const { spool, append, released } = await setUp(fullFrom(0));
  for (let i = 0; i < 10; i++) {
    append(512 * 1024);
    await spool.settled();
    assert.equal(spool.isFull, false);
  }
  assert.equal(released.length, 10);
});

test('the laggards are the readers that have not taken the oldest bytes that are kept', async () => {
  const { spool, append } = await setUp(fullFrom(1000));
  const [inFile, inOldest, beyond] = [readerAt(500), readerAt(1999), readerAt(2000)];
  append(1000);
  assert.deepEqual(spool.laggards(), []);
  for (const reader of [inFile, inOldest, beyond]) spool.readers.add(reader);
  append(1000);
  append(1000);
  await spool.settled();
  assert.deepEqual(spool.laggards(), [inFile, inOldest]);
  spool.readers.delete(inFile);
  inOldest.position = 2500;
  spool.trim();
  // Now the oldest bytes that are kept are the next.
  assert.deepEqual(spool.laggards(), [inOldest, beyond]);
});

test('a file that cannot be made is told of, and memory serves', async () => {
  const { spool, append, read, failures } = await setUp((store) => {
    store.faults.create = async () => {
      throw diskFull;
    };
  });
  assert.deepEqual(failures, [diskFull]);
  spool.readers.add(readerAt(0));
  append(1000);
  await spool.settled();
  assert.deepEqual(await read(0, 1000), bytes.subarray(0, 1000));
  await assert.rejects(spool.commit(), diskFull);
  await spool.close();
});

test('what is committed is stored whole, and stays readable until it is closed', async () => {
  const { store, spool, append, read } = await setUp();
  for (let i = 0; i < 3; i++) append(1000);
  await spool.settled();
  await spool.commit();
  assert.deepEqual(store.blobs.get(digest), bytes.subarray(0, 3000));
  assert.deepEqual(await read(0, 3000), bytes.subarray(0, 3000));
  assert.equal(store.openWriters, 1);
  await spool.close();
  await spool.close();
  assert.equal(store.openWriters, 0);
});

test('a spool that is closed without a commit stores nothing, and gives every chunk back', async () => {
  const { store, spool, append, released } = await setUp(fullFrom(1000));
  spool.readers.add(readerAt(0));
  for (let i = 0; i < 3; i++) append(1000);
  await spool.settled();
  spool.readers.clear();
  await spool.close();
  assert.equal(store.blobs.size, 0);
  assert.equal(store.openWriters, 0);
  assert.deepEqual(
    released.sort((a, b) => a - b),
    [0, 1000, 2000],
  );
});

test('who reads anew after what was here turned out wrong is given nothing that another has of it still', async () => {
  const { spool, append } = await setUp();
  append(3000);
  const wrong = await spool.next(0, 3000);
  spool.hide();
  await spool.settled();
  await spool.drop();
  await spool.open();
  spool.append({ bytes: bytes.subarray(5000, 8000), release() {} }, hashed);
  const right = await spool.next(0, 3000);
  assert.deepEqual(right.bytes, bytes.subarray(5000, 8000));
  wrong.release();
  right.release();
  await spool.settled();
  await spool.close();
});

test('nor what somebody who had come before reads of it once more, as the first read gave too little', async () => {
  const { store, spool, append } = await setUp();
  append(1000);
  await spool.settled();
  const [disk, slowDisk] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  store.faults.write = () => disk.promise;
  append(1000); // which is in memory still, so a read of both gives the first from the file
  store.faults.read = () => slowDisk.promise;
  const first = spool.next(0, 2000);
  const amid = spool.next(1500, 500); // which is among what the other wants
  disk.resolve();
  await spool.settled();
  spool.hide();
  slowDisk.resolve();
  const wrong = await Promise.all([first, amid]);
  await spool.drop();
  await spool.open();
  spool.append({ bytes: bytes.subarray(5000, 7000), release() {} }, hashed);
  const right = await spool.next(1500, 500);
  assert.deepEqual(right.bytes, bytes.subarray(6500, 7000));
  for (const { release } of [...wrong, right]) release();
  await spool.settled();
  await spool.close();
});
