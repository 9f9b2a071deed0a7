import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import {
  downloadTools,
  HeldHasher,
  makeObserver,
  makeSource,
  type SourceAct,
  unavailable,
} from '../../../test/support/download-rig.ts';
import { readAll } from '../../../test/support/http/read.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { digestOf } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { BlobContent, RequestedRange } from '../../oci/registry.ts';
import { Download } from './download.ts';

const miss = { kind: 'miss', stored: true, collapsed: false } as const;
const patient = new AbortController().signal;

interface SetUp extends NonNullable<Parameters<typeof downloadTools>[1]> {
  readonly blob?: Buffer;
  /** What comes from upstream, when it is not the blob. */
  readonly sent?: Buffer;
  readonly acts?: readonly SourceAct[];
  readonly random?: () => number;
}

function setUp(t: TestContext, options: SetUp = {}) {
  const { blob = seededBytes('blob', 1_000_000), sent = blob, acts = [], random = () => 1 } = options;
  const tools = { ...downloadTools(t, options), random };
  const [source, state] = makeSource(sent, acts);
  const [observer, observed] = makeObserver();
  const digest = digestOf(blob);
  const begin = () => new Download(digest, source, tools, observer);
  return { blob, digest, begin, tools, state, observed };
}

function read(download: Download, range?: RequestedRange): Promise<BlobContent> {
  return download.read(range, miss, patient);
}

/** Reads until no more can be read now; then resolves with it, and the read that waits. */
async function readWhatCame(content: BlobContent, sizeBytes: number) {
  const pieces: Buffer[] = [];
  for (let missing = sizeBytes; missing > 0; ) {
    const chunk = await content.next();
    assert.ok(chunk, `ended ${missing} bytes early`);
    pieces.push(Buffer.from(chunk.bytes));
    missing -= chunk.bytes.length;
    chunk.release();
  }
  return Buffer.concat(pieces);
}

test('a download brings the whole to its reader, stores it, and gives back every buffer', async (t) => {
  const { blob, digest, begin, tools, state, observed } = setUp(t);
  const download = begin();
  const content = await read(download);
  assert.deepEqual([content.sizeBytes, content.start, content.end], [blob.length, 0, blob.length]);
  assert.deepEqual(await readAll(content), blob);
  await download.closed;
  assert.deepEqual(tools.store.blobs.get(digest), blob);
  assert.deepEqual(observed, {
    resumed: [],
    continued: [],
    begunAnew: [],
    diskFailed: [],
    stored: [blob.length],
    passed: [],
    failed: [],
  });
  assert.deepEqual([state.opened, state.closed, state.bytesOut], [1, 1, 0]);
  assert.deepEqual([tools.buffers.out, tools.store.openWriters], [0, 0]);
  assert.equal(download.joinable, false);
});

for (const says of [undefined, 'unknown'] as const) {
  test(`the last byte waits until the digest is right, with a size that is ${says ?? 'known'}`, async (t) => {
    const verdict = Promise.withResolvers<void>();
    const hasher = new HeldHasher(verdict.promise);
    const { blob, begin } = setUp(t, { hasher, acts: [says === undefined ? {} : { says }] });
    const content = await read(begin());
    const all = await readWhatCame(content, blob.length - 1);
    assert.deepEqual(all, blob.subarray(0, -1));
    let isLastHere = false;
    const last = content.next().finally(() => {
      isLastHere = true;
    });
    await new Promise(setImmediate);
    assert.equal(isLastHere, false);
    verdict.resolve();
    assert.deepEqual(Buffer.from((await last)!.bytes), blob.subarray(-1));
    assert.equal(await content.next(), undefined);
  });
}

for (const says of [undefined, 'unknown'] as const) {
  test(`an empty blob is right at its end, with a size that is ${says ?? 'known'}`, async (t) => {
    const { begin, observed } = setUp(t, { blob: Buffer.alloc(0), acts: [says === undefined ? {} : { says }] });
    const download = begin();
    assert.deepEqual(await readAll(await read(download)), Buffer.alloc(0));
    await download.finished;
    assert.deepEqual(observed.stored, [0]);
  });
}

test('nothing for a blob that is not empty is an error, with a size of 0 before the head goes out', async (t) => {
  const nothing = { blob: Buffer.from('not empty'), sent: Buffer.alloc(0) };
  await assert.rejects(read(setUp(t, nothing).begin()), { code: 'UNAVAILABLE' });
  const content = await read(setUp(t, { ...nothing, acts: [{ says: 'unknown' }] }).begin());
  await assert.rejects(readAll(content), { code: 'UNAVAILABLE' });
});

test('more bytes than upstream said are an error, not a blob', async (t) => {
  const { blob, begin, observed, tools } = setUp(t, { acts: [{ says: 999_999 }], policy: { maxFruitlessTries: 0 } });
  const download = begin();
  const content = await read(download);
  const seen: number[] = [];
  await assert.rejects(async () => {
    for (let chunk = await content.next(); chunk; chunk = await content.next()) {
      seen.push(chunk.bytes.length);
      chunk.release();
    }
  });
  assert.ok(seen.reduce((sum, length) => sum + length, 0) < blob.length - 1);
  content.close();
  await download.closed;
  assert.deepEqual(observed.stored, []);
  assert.equal(tools.store.blobs.size, 0);
});

test('a transfer that breaks after the last byte of a known size is whole', async (t) => {
  const acts: SourceAct[] = [{ endsAt: 600_000 }, { breaks: unavailable() }];
  const { blob, begin, tools, state, observed } = setUp(t, { acts });
  const download = begin();
  const reading = read(download).then(readAll);
  tools.clock.advance((await tools.clock.nextSleep()).delayMs);
  assert.deepEqual(await reading, blob);
  await download.closed;
  assert.deepEqual(state.starts, [0, 600_000]);
  assert.deepEqual(observed.stored, [blob.length]);
});

test('a wrong digest rejects every reader before the last byte, and stores nothing', async (t) => {
  const blob = seededBytes('blob', 1_000_000);
  const sent = Buffer.from(blob);
  sent[10]! ^= 1;
  const { begin, tools, observed, state } = setUp(t, { blob, sent });
  const download = begin();
  const contents = await Promise.all([read(download), read(download), read(download, { start: 900_000 })]);
  for (const content of contents) await assert.rejects(readAll(content), { code: 'UNAVAILABLE' });
  await download.closed;
  assert.deepEqual([tools.store.blobs.size, tools.store.openWriters, tools.buffers.out, state.bytesOut], [0, 0, 0, 0]);
  assert.deepEqual(observed.failed.length, 1);
  assert.deepEqual(state.starts, [0]);
});

test('the waits before it goes on double from 200 ms to 10 s, and begin again after a new byte', async (t) => {
  const refuses = unavailable();
  const acts: SourceAct[] = [
    { endsAt: 1000, breaks: unavailable() },
    ...new Array<SourceAct>(7).fill({ refuses }),
    { endsAt: 1001, breaks: unavailable() },
    { endsAt: 1001, breaks: unavailable() },
  ];
  const { blob, begin, tools, state, observed } = setUp(t, { acts, policy: { maxFruitlessTries: 8 } });
  const reading = read(begin()).then(readAll);
  const waits = [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 200, 400];
  for (const expected of waits) {
    const { delayMs } = await tools.clock.nextSleep();
    assert.equal(delayMs, expected);
    tools.clock.advance(delayMs);
  }
  assert.deepEqual(await reading, blob);
  const resumedAt = [...new Array<number>(8).fill(1000), 1001, 1001];
  assert.deepEqual(observed.resumed, resumedAt);
  assert.deepEqual(state.starts, [0, ...resumedAt]);
});

test('a wait is anywhere in the upper half of its limit', async (t) => {
  const acts = [{ endsAt: 5, breaks: unavailable() }];
  for (const [random, delayMs] of [
    [0, 100],
    [0.5, 150],
  ] as const) {
    const { begin, tools } = setUp(t, { acts, random: () => random });
    const reading = read(begin()).then(readAll);
    assert.equal((await tools.clock.nextSleep()).delayMs, delayMs);
    tools.clock.advance(delayMs);
    await reading;
  }
});

test('it is given up when as many tries as the policy says brought no byte', async (t) => {
  const acts: SourceAct[] = [
    { endsAt: 7, breaks: unavailable() },
    ...new Array<SourceAct>(9).fill({ refuses: unavailable('gone') }),
  ];
  const { begin, tools, state, observed } = setUp(t, { acts, policy: { maxFruitlessTries: 3 } });
  const download = begin();
  const reading = read(download).then(readAll);
  reading.catch(() => {});
  for (let tries = 0; tries < 3; tries++) tools.clock.advance((await tools.clock.nextSleep()).delayMs);
  await assert.rejects(reading, /gone/);
  await download.closed;
  assert.deepEqual(state.starts, [0, 7, 7, 7]);
  assert.deepEqual(observed.failed.map(String), ['RegistryError: gone']);
  assert.equal(tools.clock.sleeping, 0);
});

test('an upstream that is left alone is waited for, and that is no try', async (t) => {
  const { begin, tools, state, blob, observed } = setUp(t, {
    acts: [{ endsAt: 7, breaks: unavailable() }, ...restsUntil(1_000, 2_000, 2_001)],
    policy: { maxFruitlessTries: 1 },
  });
  const reading = read(begin()).then(readAll);
  const waits: number[] = [];
  for (let count = 0; count < 4; count++) {
    const { delayMs } = await tools.clock.nextSleep();
    waits.push(delayMs);
    tools.clock.advance(delayMs);
  }
  assert.deepEqual(await reading, blob);
  // The first is that of the policy; and though it may be asked again at once, a while is waited.
  assert.deepEqual(waits, [200, 800, 1_000, 200]);
  assert.deepEqual(state.starts, [0, 7, 7, 7, 7]);
  assert.deepEqual(observed.resumed, [7]);
});

test('an upstream that is left alone for longer than the policy allows is not waited for', async (t) => {
  const { begin, tools, state } = setUp(t, {
    acts: [{ endsAt: 7, breaks: unavailable() }, ...restsUntil(60_000, 120_000, 180_001)],
  });
  const reading = read(begin()).then(readAll);
  reading.catch(() => {});
  for (let count = 0; count < 3; count++) tools.clock.advance((await tools.clock.nextSleep()).delayMs);
  await assert.rejects(reading, /left alone/);
  assert.deepEqual(state.starts, [0, 7, 7, 7]);
});

/** Refusals without asking, until these times from the start of the clock. */
function restsUntil(...times: number[]): SourceAct[] {
  const startMs = new ManualClock().now();
  return times.map((timeMs) => ({
    refuses: new RegistryError('UNAVAILABLE', 'left alone', { notAskedUntilMs: startMs + timeMs }),
  }));
}

test('an error that no waiting mends ends it at once', async (t) => {
  for (const code of ['BLOB_UNKNOWN', 'DENIED', 'RANGE_INVALID'] as const) {
    const refuses = new RegistryError(code, 'no');
    const { begin, tools, state } = setUp(t, { acts: [{ endsAt: 7, breaks: unavailable() }, { refuses }] });
    const reading = read(begin()).then(readAll);
    reading.catch(() => {});
    tools.clock.advance((await tools.clock.nextSleep()).delayMs);
    await assert.rejects(reading, refuses);
    assert.deepEqual(state.starts, [0, 7]);
  }
});

test('the size that upstream tells when it goes on counts, when it told none before', async (t) => {
  const acts: SourceAct[] = [{ says: 'unknown', endsAt: 500_000, breaks: unavailable() }];
  const { blob, begin, tools } = setUp(t, { acts });
  const download = begin();
  const reading = read(download).then(readAll);
  tools.clock.advance((await tools.clock.nextSleep()).delayMs);
  assert.deepEqual(await reading, blob);
  assert.equal(download.sizeBytes, blob.length);
});

test('another size than before is no way to go on', async (t) => {
  const acts: SourceAct[] = [{ endsAt: 7, breaks: unavailable() }, { says: 1_000_001 }];
  const { begin, tools, state, observed } = setUp(t, { acts, policy: { maxFruitlessTries: 1 } });
  const download = begin();
  const reading = read(download).then(readAll);
  reading.catch(() => {});
  tools.clock.advance((await tools.clock.nextSleep()).delayMs);
  await assert.rejects(reading, /another size/);
  await download.closed;
  assert.deepEqual([state.opened, state.closed], [2, 2]);
  assert.deepEqual(observed.stored, []);
});

test('a hashing thread that dies fails the download, and no reader has the whole', async (t) => {
  const held = Promise.withResolvers<void>();
  const holds = (position: number) => (position > 500_000 ? held.promise : undefined);
  const { begin, tools, observed } = setUp(t, { acts: [{ holds }] });
  const download = begin();
  const content = await read(download);
  await readWhatCame(content, 500_000);
  await tools.hasher.close();
  held.resolve();
  await assert.rejects(readAll(content), /hashing thread ended/);
  await download.closed;
  assert.deepEqual([observed.stored, tools.store.blobs.size, tools.buffers.out], [[], 0, 0]);
});

test('its observer has put the blob in the index before it is finished, and it can be joined until then', async (t) => {
  const { digest, tools, blob } = setUp(t);
  const [source] = makeSource(blob, []);
  const [observer] = makeObserver();
  const indexed = Promise.withResolvers<void>();
  const storing = Promise.withResolvers<void>();
  const stored = () => {
    storing.resolve();
    return indexed.promise;
  };
  const download = new Download(digest, source, tools, { ...observer, stored });
  await storing.promise;
  assert.equal(download.joinable, true);
  const late = await read(download);
  indexed.resolve();
  await download.finished;
  assert.equal(download.joinable, false);
  assert.deepEqual(await readAll(late), blob);
  await download.closed;
});
