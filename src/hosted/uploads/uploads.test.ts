import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { bodyOf, hostedRig, never, noBody, slowBody } from '../../../test/support/hosted/hosted-rig.ts';
import { type Digest, digestOf } from '../../oci/digest.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { Repository } from '../../oci/reference.ts';

const app = 'team/app' as Repository;
const other = 'team/other' as Repository;
const bytes = seededBytes('upload', 3_000_000);
const digest = digestOf(bytes);

function failure(code: string): () => Promise<never> {
  return async () => {
    throw Object.assign(new Error(`it fails: ${code}`), { code });
  };
}

test('an upload in chunks becomes a blob of its repository, hashed once, as its bytes come', async (t) => {
  const { uploads, blobs, store, index, hashes, disk } = hostedRig(t);
  const { id, sizeBytes } = await uploads.begin(app, {}, never);
  assert.equal(sizeBytes, 0);
  const first = bytes.subarray(0, 1_234_567);
  const rest = bytes.subarray(1_234_567);
  const state = await uploads.append(app, id, bodyOf(first, { start: 0, sizeBytes: first.length }), never);
  assert.deepEqual(state, { id, sizeBytes: first.length });
  await uploads.append(app, id, bodyOf(rest, { start: first.length }), never);
  assert.equal((await uploads.get(app, id, never)).sizeBytes, bytes.length);
  await uploads.finish(app, id, digest, noBody, never);
  assert.deepEqual(blobs.blobs.get(digest), bytes);
  assert.deepEqual(index.calls, ['hold', 'addBlob', 'sync']);
  assert.deepEqual(await index.getLink({ registry: 'hosted.entrepot', repository: app }, digest), {
    mediaType: undefined,
    sizeBytes: bytes.length,
  });
  assert.deepEqual(hashes, ['sha256']);
  assert.equal(disk.receivedBytes, bytes.length);
  assert.deepEqual([uploads.count, uploads.bufferedBytes, store.open, store.uploads.size], [0, 0, 0, 0]);
});

test('the last request may bring all of the bytes, or the rest of them', async (t) => {
  const { uploads, blobs } = hostedRig(t);
  const whole = await uploads.begin(app, { sizeBytes: bytes.length }, never);
  await uploads.finish(app, whole.id, digest, bodyOf(bytes, { sizeBytes: bytes.length }), never);
  assert.deepEqual(blobs.blobs.get(digest), bytes);
  blobs.blobs.clear();
  const rest = await uploads.begin(app, {}, never);
  await uploads.append(app, rest.id, bodyOf(bytes.subarray(0, 10)), never);
  await uploads.finish(app, rest.id, digest, bodyOf(bytes.subarray(10), { start: 10 }), never);
  assert.deepEqual(blobs.blobs.get(digest), bytes);
});

test('an empty blob can be pushed', async (t) => {
  const { uploads, blobs } = hostedRig(t);
  const empty = digestOf(new Uint8Array());
  const { id } = await uploads.begin(app, {}, never);
  await uploads.finish(app, id, empty, noBody, never);
  assert.equal(blobs.blobs.get(empty)?.length, 0);
});

test('sha512 is hashed as it comes when it was announced or comes at once, and again otherwise', async (t) => {
  const { uploads, blobs, hashes } = hostedRig(t);
  const long = digestOf(bytes, 'sha512');
  const announced = await uploads.begin(app, { algorithm: 'sha512' }, never);
  await uploads.append(app, announced.id, bodyOf(bytes), never);
  await uploads.finish(app, announced.id, long, noBody, never);
  const atOnce = await uploads.begin(app, {}, never);
  await uploads.finish(app, atOnce.id, long, bodyOf(bytes), never);
  assert.deepEqual(hashes, ['sha512', 'sha512']);
  const late = await uploads.begin(app, {}, never);
  await uploads.append(app, late.id, bodyOf(bytes), never);
  blobs.blobs.clear();
  await uploads.finish(app, late.id, long, noBody, never);
  assert.deepEqual(hashes, ['sha512', 'sha512', 'sha256', 'sha512']);
  assert.deepEqual(blobs.blobs.get(long), bytes);
});

test('a chunk that is not the next is refused with what has arrived, and the upload stays', async (t) => {
  const { uploads } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  const early = bodyOf(bytes.subarray(100), { start: 100 });
  await assert.rejects(uploads.append(app, id, early, never), { code: 'RANGE_INVALID', status: 416 });
  await uploads.append(app, id, bodyOf(bytes.subarray(0, 500), { start: 0 }), never);
  for (const start of [0, 499, 501]) {
    const wrong = bodyOf(bytes.subarray(start), { start });
    await assert.rejects(uploads.append(app, id, wrong, never), {
      code: 'RANGE_INVALID',
      headers: { range: '0-499' },
    });
    await assert.rejects(uploads.finish(app, id, digest, bodyOf(bytes, { start }), never), { code: 'RANGE_INVALID' });
  }
  assert.equal((await uploads.get(app, id, never)).sizeBytes, 500);
  await uploads.finish(app, id, digest, bodyOf(bytes.subarray(500), { start: 500 }), never);
});

test('bytes that have another digest are no blob, and the upload is over', async (t) => {
  const { uploads, blobs, store, index, refusals } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  await uploads.append(app, id, bodyOf(bytes.subarray(1)), never);
  await assert.rejects(uploads.finish(app, id, digest, noBody, never), { code: 'DIGEST_INVALID', status: 400 });
  await assert.rejects(uploads.get(app, id, never), { code: 'BLOB_UPLOAD_UNKNOWN', status: 404 });
  assert.deepEqual([blobs.blobs.size, store.uploads.size, index.calls, refusals], [0, 0, [], ['digest']]);
});

test('what came before a break is kept, and the client goes on after it', async (t) => {
  const { uploads, blobs, hashes } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  const broken = bodyOf(bytes.subarray(0, 1_500_000), { sizeBytes: bytes.length, breaks: new Error('aborted') });
  await assert.rejects(uploads.append(app, id, broken, never), { code: 'BLOB_UPLOAD_INVALID', status: 400 });
  assert.equal((await uploads.get(app, id, never)).sizeBytes, 1_500_000);
  const short = bodyOf(bytes.subarray(1_500_000, 2_000_000), { start: 1_500_000, sizeBytes: 600_000 });
  await assert.rejects(uploads.finish(app, id, digest, short, never), {
    code: 'BLOB_UPLOAD_INVALID',
    headers: { range: '0-1999999' },
  });
  await uploads.finish(app, id, digest, bodyOf(bytes.subarray(2_000_000)), never);
  assert.deepEqual(blobs.blobs.get(digest), bytes);
  assert.deepEqual(hashes, ['sha256']);
});

test('an upload belongs to its repository, and nobody guesses another', async (t) => {
  const { uploads } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  const unknown = { code: 'BLOB_UPLOAD_UNKNOWN', status: 404 };
  await assert.rejects(uploads.get(other, id, never), unknown);
  await assert.rejects(uploads.append(other, id, bodyOf(bytes), never), unknown);
  await assert.rejects(uploads.finish(other, id, digest, bodyOf(bytes), never), unknown);
  await assert.rejects(uploads.cancel(other, id, never), unknown);
  await assert.rejects(uploads.get(app, '../../etc', never), unknown);
  assert.equal((await uploads.get(app, id, never)).sizeBytes, 0);
});

test('an upload that another process has is refused for now, and gone on with when that has died', async (t) => {
  const { uploads, open, store, blobs, clock } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  await uploads.append(app, id, bodyOf(bytes.subarray(0, 1000)), never);
  const other = open();
  store.theirs.add(id);
  const elsewhere = { code: 'UNAVAILABLE', status: 503, headers: { 'retry-after': '5' } };
  await assert.rejects(other.get(app, id, never), elsewhere);
  await assert.rejects(other.append(app, id, bodyOf(bytes.subarray(1000)), never), elsewhere);
  await assert.rejects(other.finish(app, id, digest, bodyOf(bytes), never), elsewhere);
  await assert.rejects(other.cancel(app, id, never), elsewhere);
  other.start();
  await clock.nextSleep(() => true); // it has looked for what was left alone
  assert.deepEqual([other.count, store.uploads.get(id)?.bytes.length], [0, 1000]);
  store.theirs.delete(id);
  assert.equal((await other.get(app, id, never)).sizeBytes, 1000);
  await other.finish(app, id, digest, bodyOf(bytes.subarray(1000)), never);
  assert.deepEqual(blobs.blobs.get(digest), bytes);
});

test('a cancelled upload is gone with its bytes', async (t) => {
  const { uploads, store } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  await uploads.append(app, id, bodyOf(bytes), never);
  await uploads.cancel(app, id, never);
  assert.equal(store.uploads.size, 0);
  await assert.rejects(uploads.cancel(app, id, never), { code: 'BLOB_UPLOAD_UNKNOWN' });
  await assert.rejects(uploads.append(app, id, bodyOf(bytes), never), { code: 'BLOB_UPLOAD_UNKNOWN' });
});

test('a second request for an upload is told that another is under way', async (t) => {
  const { uploads } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  const { body, give, end } = slowBody();
  const first = uploads.append(app, id, body, never);
  await give(bytes.subarray(0, 1000));
  const busy = { code: 'BLOB_UPLOAD_INVALID', status: 409 };
  await assert.rejects(uploads.append(app, id, bodyOf(bytes), never), busy);
  await assert.rejects(uploads.finish(app, id, digest, bodyOf(bytes), never), busy);
  await assert.rejects(uploads.cancel(app, id, never), busy);
  end();
  assert.equal((await first).sizeBytes, 1000);
  await uploads.finish(app, id, digest, bodyOf(bytes.subarray(1000)), never);
});

test('a request whose client has left lets go at once, and the next sees all that it brought', async (t) => {
  const { uploads, store } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  const { body, give } = slowBody();
  const left = new AbortController();
  const first = uploads.append(app, id, body, left.signal);
  await give(bytes.subarray(0, 1000));
  const writing = Promise.withResolvers<void>();
  store.faults.append = () => writing.promise;
  left.abort(new Error('the client has left'));
  const state = uploads.get(app, id, never);
  const next = uploads.append(app, id, bodyOf(bytes.subarray(1000), { start: 1000 }), never);
  store.faults.append = undefined;
  writing.resolve();
  await assert.rejects(first, /the client has left/);
  assert.equal((await state).sizeBytes, 1000);
  assert.equal((await next).sizeBytes, bytes.length);
  await uploads.finish(app, id, digest, noBody, never);
});

test('whoever waits for such a request can leave as well', async (t) => {
  const { uploads, store } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  const { body, give } = slowBody();
  const [left, impatient] = [new AbortController(), new AbortController()];
  const first = uploads.append(app, id, body, left.signal);
  await give(bytes.subarray(0, 1000));
  const writing = Promise.withResolvers<void>();
  store.faults.append = () => writing.promise;
  left.abort(new Error('the client has left'));
  const second = uploads.get(app, id, impatient.signal);
  impatient.abort(new Error('this one, too'));
  await assert.rejects(second, /this one, too/);
  writing.resolve();
  await assert.rejects(first, /the client has left/);
});

test('two uploads of one blob at a time both succeed', async (t) => {
  const { uploads, blobs, index } = hostedRig(t, { maxBytes: bytes.length });
  const ids = await Promise.all([app, other].map((repository) => uploads.begin(repository, {}, never)));
  await Promise.all([
    uploads.finish(app, ids[0]!.id, digest, bodyOf(bytes), never),
    uploads.finish(other, ids[1]!.id, digest, bodyOf(bytes), never),
  ]);
  assert.deepEqual(blobs.blobs.get(digest), bytes);
  assert.equal(index.links.length, 2);
});

test('a blob that is here, and damaged, is replaced', async (t) => {
  const { uploads, blobs, index } = hostedRig(t);
  await index.addBlob(app, digest, bytes.length);
  blobs.blobs.set(digest, Buffer.alloc(bytes.length));
  const { id } = await uploads.begin(app, {}, never);
  await uploads.finish(app, id, digest, bodyOf(bytes), never);
  assert.deepEqual(blobs.blobs.get(digest), bytes);
});

test('an upload goes on after a restart, and all of its bytes are verified', async (t) => {
  const { uploads, open, blobs, hashes } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  await uploads.append(app, id, bodyOf(bytes.subarray(0, 2_000_000)), never);
  await uploads.close();
  const next = open();
  assert.equal((await next.get(app, id, never)).sizeBytes, 2_000_000);
  await next.append(app, id, bodyOf(bytes.subarray(2_000_000), { start: 2_000_000 }), never);
  await next.finish(app, id, digest, noBody, never);
  assert.deepEqual(blobs.blobs.get(digest), bytes);
  assert.deepEqual(hashes, ['sha256', 'sha256']);
});

test('an upload whose bytes changed during a restart is no blob', async (t) => {
  const { uploads, open, store, blobs } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  await uploads.append(app, id, bodyOf(bytes), never);
  await uploads.close();
  store.uploads.get(id)!.bytes[1_000_000]! ^= 1;
  await assert.rejects(open().finish(app, id, digest, noBody, never), { code: 'DIGEST_INVALID' });
  assert.equal(blobs.blobs.size, 0);
});

test('a disk that cannot be written keeps what it has, and the client goes on when it can', async (t) => {
  const { uploads, store, blobs } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  store.faults.append = (position) => (position >= 1_048_576 ? failure('EIO')() : Promise.resolve());
  const changed = Buffer.from(bytes).fill(0, 1_048_576);
  await assert.rejects(uploads.append(app, id, bodyOf(changed), never), { code: 'EIO' });
  assert.equal((await uploads.get(app, id, never)).sizeBytes, 1_048_576);
  store.faults.append = undefined;
  // Other bytes than those that were hashed, and not written: only the file counts.
  await uploads.finish(app, id, digest, bodyOf(bytes.subarray(1_048_576)), never);
  assert.deepEqual(blobs.blobs.get(digest), bytes);
  assert.equal(uploads.bufferedBytes, 0);
});

test('a full disk is said as such, while writing, and when the blob is put in place', async (t) => {
  const { uploads, store, blobs, refusals } = hostedRig(t);
  const full = { code: 'UNAVAILABLE', status: 507, message: /disk/ };
  const { id } = await uploads.begin(app, {}, never);
  store.faults.append = failure('ENOSPC');
  await assert.rejects(uploads.append(app, id, bodyOf(bytes), never), full);
  store.faults.append = undefined;
  store.faults.commit = failure('EDQUOT');
  await assert.rejects(uploads.finish(app, id, digest, bodyOf(bytes), never), full);
  store.faults.commit = undefined;
  await uploads.finish(app, id, digest, noBody, never);
  assert.deepEqual(blobs.blobs.get(digest), bytes);
  assert.deepEqual(refusals, ['disk', 'disk']);
});

test('a push that fails by a full disk leaves no link to what is not here, and keeps one to what is', async (t) => {
  const { uploads, store, index, hosted, log } = hostedRig(t);
  const key = { registry: hostedRegistryName, repository: app };
  for (const isStored of [false, true]) {
    if (isStored) await index.addBlob(app, digest, bytes.length);
    store.faults.commit = failure('ENOSPC');
    const { id } = await uploads.begin(app, {}, never);
    await assert.rejects(uploads.finish(app, id, digest, bodyOf(bytes), never), { status: 507 });
    assert.equal((await index.getLink(key, digest)) !== undefined, isStored);
    if (!isStored)
      await assert.rejects(hosted.stat(app, digest, never), { code: 'BLOB_UNKNOWN', message: /has no blob/ });
    assert.deepEqual(log.named('hosted blob lost'), []);
  }
});

test('who asks for a blob while it is put in place waits, and is told of it', async (t) => {
  const { uploads, store, hosted, log } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  const held = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  store.faults.commit = async () => {
    held.resolve();
    await go.promise;
  };
  const pushed = uploads.finish(app, id, digest, bodyOf(bytes), never);
  await held.promise;
  const asked = [hosted.stat(app, digest, never), hosted.get(app, digest, undefined, never)] as const;
  go.resolve();
  await pushed;
  assert.equal((await asked[0]).sizeBytes, bytes.length);
  (await asked[1]).close();
  assert.deepEqual(log.named('hosted blob lost'), []);
});

test('a blob is acknowledged only when the index is on the disk, and can be pushed again when it is not', async (t) => {
  const { uploads, index } = hostedRig(t);
  for (const fault of ['addBlob', 'sync'] as const) {
    const { id } = await uploads.begin(app, {}, never);
    index.faults[fault] = failure('EIO');
    await assert.rejects(uploads.finish(app, id, digest, bodyOf(bytes), never), { code: 'EIO' });
    delete index.faults[fault];
    assert.equal(index.links.length, fault === 'addBlob' ? 0 : 1, 'what nothing followed is not held');
  }
  const { id } = await uploads.begin(app, {}, never);
  await uploads.finish(app, id, digest, bodyOf(bytes), never);
  assert.equal(uploads.count, 0);
});

test('content is in use while it is put in place, so that it is not removed', async (t) => {
  const { uploads, store, inUse } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  let seen: boolean | undefined;
  store.faults.commit = async (committed: Digest) => {
    seen = inUse.has(committed);
  };
  await uploads.finish(app, id, digest, bodyOf(bytes), never);
  assert.deepEqual([seen, inUse.has(digest)], [true, false]);
});

test('slow clients take bounded memory together', async (t) => {
  const { uploads } = hostedRig(t);
  const count = 500;
  const bodies = Array.from({ length: count }, () => slowBody());
  const pushing = bodies.map(async ({ body }) => {
    const { id } = await uploads.begin(app, {}, never);
    return uploads.append(app, id, body, never);
  });
  await Promise.all(bodies.map(({ give }) => give(bytes.subarray(0, 1000))));
  assert.ok(uploads.bufferedBytes <= 32 * 1024 * 1024 + count * 64 * 1024, `${uploads.bufferedBytes} bytes`);
  for (const { end } of bodies) end();
  for (const { sizeBytes } of await Promise.all(pushing)) assert.equal(sizeBytes, 1000);
  assert.equal(uploads.bufferedBytes, 0);
});

test('a client is not read from while two buffers wait for the disk', async (t) => {
  const { uploads, store } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  const writing = Promise.withResolvers<void>();
  const waiting = Promise.withResolvers<void>();
  store.faults.append = () => {
    waiting.resolve();
    return writing.promise;
  };
  let takenBytes = 0;
  async function* endless() {
    for (; takenBytes < 10_000_000; takenBytes += 60_000) yield bytes.subarray(0, 60_000);
  }
  const pushed = uploads.append(app, id, { bytes: endless(), sizeBytes: undefined, start: undefined }, never);
  await waiting.promise;
  for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
  assert.ok(takenBytes < 2.2 * 1024 * 1024, `${takenBytes} bytes`);
  store.faults.append = undefined;
  writing.resolve();
  assert.equal((await pushed).sizeBytes % 60_000, 0);
});

test('what is wrong with a push is told though the upload cannot be kept, and it can be cancelled all the same', async (t) => {
  const { uploads, store } = hostedRig(t);
  const { id } = await uploads.begin(app, {}, never);
  const unwanted = await uploads.begin(app, {}, never);
  store.faults.keep = failure('EIO');
  const body = bodyOf(Buffer.from('other bytes'), { sizeBytes: 11 });
  await assert.rejects(uploads.finish(app, id, digest, body, never), { code: 'DIGEST_INVALID' });
  await uploads.cancel(app, unwanted.id, never);
  assert.deepEqual([store.uploads.size, store.open, uploads.count], [0, 0, 0]);
});
