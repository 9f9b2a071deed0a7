import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { digestOf } from '../../oci/digest.ts';
import { Hasher } from './hasher.ts';

const bytes = seededBytes('stream', 1_000_000);

function makeHasher(t: TestContext, threadCount?: number): Hasher {
  const hasher = new Hasher(threadCount);
  t.after(() => hasher.close());
  return hasher;
}

/** What no hash takes: the thread that gets it dies of it. */
const poison = {} as Uint8Array;

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`a hash is the ${algorithm} of all that it was given, in order`, async (t) => {
    const hash = makeHasher(t).begin(algorithm);
    const updates = [];
    for (let at = 0; at < bytes.length; at += 77_777) updates.push(hash.update(bytes.subarray(at, at + 77_777)));
    assert.equal(await hash.end(), digestOf(bytes, algorithm));
    await Promise.all(updates);
  });

  test(`a hash of nothing is the ${algorithm} of nothing`, async (t) => {
    assert.equal(await makeHasher(t).begin(algorithm).end(), digestOf(Buffer.alloc(0), algorithm));
  });
}

test('streams that are hashed at the same time, in few threads, do not mix', async (t) => {
  const hasher = makeHasher(t, 2);
  const streams = Array.from({ length: 7 }, (_, i) => ({
    hash: hasher.begin('sha256'),
    own: seededBytes(`${i}`, 1000),
  }));
  for (let at = 0; at < 1000; at += 100) {
    for (const { hash, own } of streams) void hash.update(own.subarray(at, at + 100));
  }
  for (const { hash, own } of streams) assert.equal(await hash.end(), digestOf(own));
});

test('bytes in shared memory may change as soon as they were taken, and not before', async (t) => {
  const hash = makeHasher(t).begin('sha256');
  const shared = Buffer.from(new SharedArrayBuffer(300_000));
  const parts = [1, 2, 3].map((value) => Buffer.alloc(shared.length, value));
  for (const part of parts) {
    shared.set(part);
    await hash.update(shared);
  }
  shared.fill(0);
  assert.equal(await hash.end(), digestOf(Buffer.concat(parts)));
});

test('a hash that is dropped while updates are under way lets each of them end', async (t) => {
  const hasher = makeHasher(t, 1);
  const dropped = hasher.begin('sha256');
  const updates = [dropped.update(bytes), dropped.update(bytes)];
  dropped.drop();
  await Promise.all(updates);
  // The thread is well, and nothing of the dropped stream is in the next.
  const next = hasher.begin('sha256');
  void next.update(bytes);
  assert.equal(await next.end(), digestOf(bytes));
  await assert.rejects(dropped.update(bytes), /hashing thread ended/);
});

test('a thread that dies rejects all that wait for it; the next hash has a thread of its own', async (t) => {
  const hasher = makeHasher(t, 1);
  const [one, two] = [hasher.begin('sha256'), hasher.begin('sha256')];
  const outcomes = Promise.allSettled([one.update(poison), one.update(bytes), one.end(), two.update(bytes), two.end()]);
  assert.deepEqual(
    (await outcomes).map(({ status }) => status),
    new Array<string>(5).fill('rejected'),
  );
  await assert.rejects(two.update(bytes), /hashing thread ended/);
  await assert.rejects(two.end(), /hashing thread ended/);
  const next = hasher.begin('sha256');
  void next.update(bytes);
  assert.equal(await next.end(), digestOf(bytes));
});

test('a hash whose thread has died can be dropped', async (t) => {
  const hasher = makeHasher(t, 1);
  const hash = hasher.begin('sha256');
  await assert.rejects(hash.update(poison));
  hash.drop();
  await assert.rejects(hash.update(bytes), /hashing thread ended/);
});

test('close() ends the threads, and what waits for them', async () => {
  const hasher = new Hasher(1);
  const hash = hasher.begin('sha256');
  await hash.update(bytes);
  await hasher.close();
  await assert.rejects(hash.end(), /hashing thread ended/);
});
