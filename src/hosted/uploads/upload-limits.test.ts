import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { bodyOf, hostedRig, never, noBody, slowBody } from '../../../test/support/hosted/hosted-rig.ts';
import { digestOf } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { UploadBody } from '../../oci/registry.ts';

const app = 'team/app' as Repository;
const hourMs = 3_600_000;
const mebibyte = 1024 * 1024;

/** A body that nobody may read. */
function unread(sizeBytes: number): UploadBody {
  const bytes = { [Symbol.asyncIterator]: () => assert.fail('the body was read') };
  return { bytes, sizeBytes, start: undefined };
}

test('more uploads than may be at a time are refused, until one is over', async (t) => {
  const { uploads, refusals } = hostedRig(t, { limits: { maxCount: 3 } });
  const begun = await Promise.allSettled([1, 2, 3, 4].map(() => uploads.begin(app, {}, never)));
  const refused = begun.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
  assert.deepEqual(
    refused.map(({ code, status, headers }) => ({ code, status, headers })),
    [{ code: 'TOOMANYREQUESTS', status: 429, headers: { 'retry-after': '60' } }],
  );
  assert.deepEqual([uploads.count, refusals], [3, ['count']]);
  const [first] = begun;
  assert.ok(first?.status === 'fulfilled');
  await uploads.cancel(app, first.value.id, never);
  await uploads.begin(app, {}, never);
});

test('nobody has more than half of the places, so that others find one', async (t) => {
  const { uploads } = hostedRig(t, { limits: { maxCount: 5 } });
  const begin = (by: string) => uploads.begin(app, { by }, never);
  const begun = await Promise.allSettled(['eve', 'eve', 'eve', 'eve'].map(begin));
  const [refused] = begun.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
  assert.deepEqual([refused.code, refused.status, refused.headers], ['TOOMANYREQUESTS', 429, { 'retry-after': '60' }]);
  assert.match(refused.message, /3 of yours are under way, half of all \(5, hosted\.uploads\.maxCount\)/);
  const { id } = await begin('ann');
  await begin('ann');
  await assert.rejects(begin('bob'), /5 are under way/);
  await uploads.cancel(app, id, never);
  await assert.rejects(begin('eve'), /of yours/);
  await begin('bob');
});

test('a beginning that fails leaves no trace', async (t) => {
  const { uploads, store } = hostedRig(t, { limits: { maxCount: 1 } });
  store.faults.begin = async () => {
    throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
  };
  await assert.rejects(uploads.begin(app, {}, never), { status: 507 });
  store.faults.begin = undefined;
  await uploads.begin(app, {}, never);
});

test('a blob that is too large is refused before it is read when its size is told', async (t) => {
  const { uploads, store, refusals } = hostedRig(t, { limits: { maxBytes: 1000 } });
  const tooLarge = { code: 'SIZE_INVALID', status: 413, message: /hosted\.uploads\.maxBytes allows 1000/ };
  await assert.rejects(uploads.begin(app, { sizeBytes: 1001 }, never), tooLarge);
  const { id } = await uploads.begin(app, { sizeBytes: 1000 }, never);
  await uploads.append(app, id, bodyOf(seededBytes('a', 600)), never);
  await assert.rejects(uploads.append(app, id, unread(401), never), tooLarge);
  await assert.rejects(uploads.get(app, id, never), { code: 'BLOB_UPLOAD_UNKNOWN' });
  assert.deepEqual([store.uploads.size, store.open, refusals], [0, 0, ['size', 'size']]);
});

test('a blob that is too large is refused as soon as it is, when its size is not told', async (t) => {
  const { uploads, store } = hostedRig(t, { limits: { maxBytes: 1_000_000 } });
  const { id } = await uploads.begin(app, {}, never);
  let readBytes = 0;
  async function* endless() {
    for (;;) {
      readBytes += 50_000;
      yield seededBytes('b', 50_000);
    }
  }
  const body = { bytes: endless(), sizeBytes: undefined, start: undefined };
  await assert.rejects(uploads.append(app, id, body, never), { code: 'SIZE_INVALID', status: 413 });
  assert.equal(readBytes, 1_050_000);
  assert.equal(store.uploads.size, 0);
});

test('more bytes than were announced are not taken', async (t) => {
  const { uploads } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  const body = bodyOf(seededBytes('c', 100_000), { sizeBytes: 70_000 });
  await assert.rejects(uploads.append(app, id, body, never), { code: 'BLOB_UPLOAD_INVALID' });
});

test('the quota refuses what would not fit beside what is held, before it is read when its size is told', async (t) => {
  const { uploads, index, store, refusals } = hostedRig(t, { maxBytes: 1000 });
  const held = seededBytes('held', 700);
  await index.addBlob(app, digestOf(held), held.length);
  const denied = { code: 'DENIED', status: 403, message: /quota of 1000 bytes/ };
  await assert.rejects(uploads.begin(app, { sizeBytes: 301 }, never), denied);
  const told = await uploads.begin(app, { sizeBytes: 300 }, never);
  await assert.rejects(uploads.append(app, told.id, unread(301), never), denied);
  const untold = await uploads.begin(app, {}, never);
  const bytes = seededBytes('new', 301);
  await uploads.append(app, untold.id, bodyOf(bytes), never);
  await assert.rejects(uploads.finish(app, untold.id, digestOf(bytes), noBody, never), denied);
  assert.deepEqual([store.uploads.size, refusals], [0, ['quota', 'quota', 'quota']]);
  const fits = await uploads.begin(app, {}, never);
  await uploads.finish(app, fits.id, digestOf(bytes.subarray(1)), bodyOf(bytes.subarray(1)), never);
  await assert.rejects(uploads.begin(app, {}, never), denied, 'a quota that is full takes no upload at all');
});

test('what is held already takes no more of the quota', async (t) => {
  const { uploads, index, blobs } = hostedRig(t, { maxBytes: 1000 });
  const held = seededBytes('held', 900);
  await index.addBlob('team/other' as Repository, digestOf(held), held.length);
  const { id } = await uploads.begin(app, {}, never);
  await uploads.finish(app, id, digestOf(held), bodyOf(held, { sizeBytes: held.length }), never);
  assert.deepEqual(blobs.blobs.get(digestOf(held)), held);
});

test('pushes at the same time do not exceed the quota together', async (t) => {
  const { uploads, index, store } = hostedRig(t, { maxBytes: 1000 });
  const pushes = ['a', 'b', 'c'].map((seed) => seededBytes(seed, 400));
  const waiting = Promise.withResolvers<void>();
  store.faults.commit = () => waiting.promise;
  const pushed = pushes.map(async (bytes) => {
    const { id } = await uploads.begin(app, {}, never);
    await uploads.finish(app, id, digestOf(bytes), bodyOf(bytes), never);
  });
  const refused = Promise.any(
    pushed.map((push) =>
      push.then(
        () => Promise.reject(new Error('it succeeded')),
        (e) => e,
      ),
    ),
  );
  assert.equal((await refused).code, 'DENIED');
  waiting.resolve();
  const outcomes = (await Promise.allSettled(pushed)).map(({ status }) => status);
  assert.deepEqual(outcomes.sort(), ['fulfilled', 'fulfilled', 'rejected']);
  assert.equal((await index.hostedTotals()).sizeBytes, 800);
});

test('an upload that would leave too little of the disk free is refused before it is read', async (t) => {
  const { uploads, disk, clock, refusals } = hostedRig(t, { minFreeBytes: 1000 * mebibyte });
  disk.freeBytes = 1060 * mebibyte;
  disk.cachedBytes = 40 * mebibyte; // though all of that went, there would be too little
  const full = { code: 'UNAVAILABLE', status: 507, message: /cache\.minFreeBytes/ };
  await assert.rejects(uploads.begin(app, { sizeBytes: 101 * mebibyte }, never), full);
  const { id } = await uploads.begin(app, { sizeBytes: 60 * mebibyte }, never);
  await assert.rejects(uploads.append(app, id, unread(101 * mebibyte), never), full);
  await uploads.append(app, id, bodyOf(seededBytes('e', 1000), { sizeBytes: 1000 }), never);
  disk.cachedBytes = 0;
  disk.freeBytes = 999 * mebibyte;
  clock.advance(2_000);
  await assert.rejects(uploads.begin(app, {}, never), full);
  assert.equal((await uploads.get(app, id, never)).sizeBytes, 1000, 'what is here stays');
  assert.deepEqual(refusals, ['disk', 'disk', 'disk']);
});

// A client that announced a terabyte, and sent nothing of it, emptied the cache.
test('what is missing on the disk is made free as bytes come, and not for those that are announced', async (t) => {
  const { uploads, disk } = hostedRig(t, { minFreeBytes: 1000 * mebibyte });
  disk.freeBytes = 1000 * mebibyte;
  disk.cachedBytes = 1e15;
  const asked: number[] = [];
  disk.freeDisk = async (sizeBytes) => {
    asked.push(sizeBytes);
    disk.freeBytes = Math.max(disk.freeBytes, disk.receivedBytes + 1000 * mebibyte + sizeBytes);
  };
  const whole = 1e12;
  const [one, two] = [await uploads.begin(app, { sizeBytes: whole }, never), await uploads.begin(app, {}, never)];
  const first = slowBody(whole);
  const second = slowBody(10 * mebibyte);
  const appending = [uploads.append(app, one.id, first.body, never), uploads.append(app, two.id, second.body, never)];
  await first.give(new Uint8Array());
  await second.give(new Uint8Array());
  assert.deepEqual(asked, []);
  const piece = seededBytes('j', mebibyte);
  for (let sent = 1; sent <= 64; sent++) {
    await first.give(piece);
    assert.ok(Math.max(...asked) <= 2 * sent * mebibyte, `${Math.max(...asked)} for ${sent} MiB`);
  }
  assert.ok(asked.length <= 8, `${asked.length} times`); // and so it is not asked for each piece
  await second.give(piece.subarray(0, 1000));
  first.end();
  second.end();
  for (const outcome of await Promise.allSettled(appending)) assert.equal(outcome.status, 'rejected');
});

test('an upload whose size is not told is ended when the disk has too little left', async (t) => {
  const { uploads, disk } = hostedRig(t, { minFreeBytes: 1000 * mebibyte });
  disk.freeBytes = 1040 * mebibyte;
  const { id } = await uploads.begin(app, {}, never);
  const piece = seededBytes('f', mebibyte);
  let readBytes = 0;
  async function* endless() {
    for (;;) {
      readBytes += piece.length;
      yield piece;
    }
  }
  const body = { bytes: endless(), sizeBytes: undefined, start: undefined };
  await assert.rejects(uploads.append(app, id, body, never), { status: 507 });
  assert.ok(readBytes <= 43 * mebibyte, `${readBytes} bytes`); // two buffers are on their way
  assert.ok((await uploads.get(app, id, never)).sizeBytes >= 39 * mebibyte);
});

test('free space that cannot be told is no reason to refuse', async (t) => {
  const { uploads, disk, log } = hostedRig(t, { minFreeBytes: mebibyte });
  Object.defineProperty(disk, 'freeBytes', {
    get() {
      throw new Error('statfs fails');
    },
  });
  const { id } = await uploads.begin(app, {}, never);
  await uploads.append(app, id, bodyOf(seededBytes('g', 1000)), never);
  assert.equal(log.named('free space cannot be told')[0]?.facts['reason'], 'statfs fails');
});

test('what was left alone for a day is removed, at the start and every hour, and what is written to is not', async (t) => {
  const { uploads, open, store, clock, log } = hostedRig(t);
  const left = await uploads.begin(app, {}, never);
  await uploads.append(app, left.id, bodyOf(seededBytes('h', 1000)), never);
  await uploads.close();
  clock.advance(23 * hourMs);
  const next = open();
  const young = await next.begin(app, {}, never);
  next.start();
  await clock.nextSleep((delayMs) => delayMs === hourMs);
  assert.equal(next.count, 2, 'those of an earlier process count');
  const { body, give, end } = slowBody();
  const appending = next.append(app, young.id, body, never);
  await give(seededBytes('i', 1000));
  clock.advance(hourMs);
  await log.waitFor('abandoned uploads removed');
  await clock.nextSleep((delayMs) => delayMs === hourMs);
  assert.deepEqual(log.named('abandoned uploads removed')[0]?.facts, { uploads: 1, sizeBytes: 1000 });
  assert.deepEqual([...store.uploads.keys()], [young.id]);
  await assert.rejects(next.get(app, left.id, never), { code: 'BLOB_UPLOAD_UNKNOWN' });
  clock.advance(25 * hourMs); // a client may be as slow as its connection allows
  await clock.nextSleep((delayMs) => delayMs === hourMs);
  end();
  await appending;
  assert.equal(store.uploads.size, 1);
  clock.advance(24 * hourMs);
  await log.waitFor('abandoned uploads removed', 2);
  assert.equal(next.count, 0);
});

test('a clock that was set back removes nothing, and keeps nothing for ever', async (t) => {
  const { uploads, open, store, clock, log } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  await uploads.close();
  clock.advance(-100 * 24 * hourMs);
  const next = open();
  next.start();
  await clock.nextSleep((delayMs) => delayMs === hourMs);
  assert.ok(store.uploads.has(id));
  clock.advance(24 * hourMs);
  await log.waitFor('abandoned uploads removed');
  assert.equal(store.uploads.size, 0);
});

test('what cannot be removed is said, and is found again', async (t) => {
  const { uploads, store, log } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  store.faults.remove = async () => {
    throw new Error('read-only');
  };
  await uploads.cancel(app, id, never);
  assert.deepEqual(log.named('upload cannot be removed')[0]?.facts, {
    upload: id,
    repository: app,
    reason: 'read-only',
  });
  store.faults.remove = undefined;
  await uploads.cancel(app, id, never);
  assert.equal(store.uploads.size, 0);
});
