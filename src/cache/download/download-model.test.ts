import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { type Random, randomNumbers } from '../../../test/support/content/random.ts';
import {
  downloadTools,
  endlessSpace,
  makeObserver,
  makeSource,
  type SourceAct,
  unavailable,
} from '../../../test/support/download-rig.ts';
import { digestOf } from '../../oci/digest.ts';
import type { BlobContent, Chunk } from '../../oci/registry.ts';
import { systemClock } from '../../util/time/clock.ts';
import { BufferPool } from '../content/reading/buffers.ts';
import { Download } from './download.ts';
import { Hasher } from './hasher.ts';

// Random downloads: what an earlier one left is right or wrong, upstream breaks off, the disk is slow and fails, readers
// come at any time, read all or a part, slowly, hold on to what they have, and leave amid a read. Whatever happens in
// which order, nobody gets a whole answer with a wrong byte, nothing changes while somebody has it, and nothing is left
// over. `FIRST=… node --test` begins with another story; only the hashing thread is not in the hand of its number.

const firstStory = Number(process.env['FIRST'] ?? 1);
const storyCount = 80;

const miss = { kind: 'miss', stored: true, collapsed: false } as const;
const patient = new AbortController().signal;
const hasher = new Hasher(1);
after(() => hasher.close());

/** A pool whose buffers are spoilt when they are given back; it notes what is given back twice. */
class SpoilingPool extends BufferPool {
  readonly out = new Set<Buffer>();
  givenTwice = 0;

  override take(): Buffer {
    const buffer = super.take();
    this.out.add(buffer);
    return buffer;
  }

  override give(buffer: Buffer): void {
    if (!this.out.delete(buffer)) this.givenTwice++;
    buffer.fill(0xee, 0, 64 * 1024);
    super.give(buffer);
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

function spoilt(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  copy[random.below(copy.length)]! ^= 1;
  return copy;
}

/** Upstream's answers, one after the other: some break off, some end short, some do not say how long the blob is. */
function makeActs(random: Random, sizeBytes: number): SourceAct[] {
  return Array.from({ length: random.below(4) }, () => ({
    ...(random.chance(0.7) ? { endsAt: random.below(sizeBytes + 1) } : {}),
    ...(random.chance(0.5) ? { breaks: unavailable() } : {}),
    ...(random.chance(0.3) ? { says: 'unknown' as const } : {}),
    holds: () => (random.chance(0.3) ? turns(random.below(5)) : undefined),
  }));
}

function setUp(t: TestContext, random: Random) {
  const blob = seededBytes('blob', 1 + random.below(4_000_000));
  const isWrongUpstream = random.chance(0.1);
  const [source, state] = makeSource(isWrongUpstream ? spoilt(blob, random) : blob, makeActs(random, blob.length));
  const buffers = new SpoilingPool();
  const policy = { maxFruitlessTries: 3, firstDelayMs: 1, maxDelayMs: 2, laggardMs: 30 };
  const maxBytes = random.chance(0.1) ? random.below(blob.length) : endlessSpace.maxBytes;
  const space = { ...endlessSpace, maxBytes };
  const tools = { ...downloadTools(t, { policy, space }), hasher, buffers, clock: systemClock };
  const { store } = tools;
  const digest = digestOf(blob);
  const left = blob.subarray(0, 1 + random.below(blob.length));
  if (random.chance(0.8)) store.kept.set(digest, random.chance(0.7) ? spoilt(left, random) : Buffer.from(left));
  const [readTurns, writeTurns] = [1 + random.below(6), 1 + random.below(6)];
  const firstLostByte = random.chance(0.2) ? random.below(blob.length) : Number.POSITIVE_INFINITY;
  let goodReads = random.chance(0.1) ? random.below(40) : Number.POSITIVE_INFINITY;
  store.faults.read = async () => {
    await turns(random.below(readTurns));
    if (goodReads-- === 0) throw new Error('I/O error');
  };
  store.faults.write = async (position) => {
    await turns(random.below(writeTurns));
    if (position >= firstLostByte) throw new Error('disk full');
  };
  const [observer] = makeObserver();
  const download = new Download(digest, source, tools, observer);
  return { blob, digest, isWrongUpstream, download, store, buffers, state };
}

/** Reads until the end, or until the reader leaves, which may be amid a read; gives back each chunk once, at any time. */
async function readOn(random: Random, content: BlobContent, problems: string[]) {
  const leavesAt = random.chance(0.25) ? random.below(4_000_000) : Number.POSITIVE_INFINITY;
  const [pace, keeps] = [1 + random.below(6), random.chance(0.3) ? 3 : 0];
  const pieces: Buffer[] = [];
  const had: (() => void)[] = [];
  const take = async (chunk: Chunk) => {
    const copy = Buffer.from(chunk.bytes);
    pieces.push(copy);
    had.push(() => {
      if (!copy.equals(chunk.bytes)) problems.push('bytes changed while a reader had them');
      chunk.release();
    });
    await turns(random.below(pace));
    if (had.length > keeps) had.pop()!();
  };
  let isWhole = false;
  try {
    for (let position = content.start; position < leavesAt; position += pieces.at(-1)!.length) {
      const chunk = await content.next();
      isWhole = chunk === undefined;
      if (chunk === undefined) break;
      await take(chunk);
    }
    const last = isWhole ? undefined : content.next();
    content.close();
    const chunk = await last;
    if (chunk) await take(chunk);
  } catch {
    // It was cut off: what came is no whole answer.
  } finally {
    content.close();
  }
  await turns(random.below(200));
  for (const give of had) give();
  return isWhole ? Buffer.concat(pieces) : undefined;
}

for (let story = firstStory; story < firstStory + storyCount; story++) {
  test(`nobody gets a wrong byte, and nothing is left over: story ${story}`, { timeout: 20_000 }, async (t) => {
    const random = randomNumbers(story);
    const { blob, digest, isWrongUpstream, download, store, buffers, state } = setUp(t, random);
    const problems: string[] = [];
    const read = async () => {
      await turns(random.below(60));
      if (!download.joinable) return;
      const start = random.below(blob.length);
      const range = random.chance(0.4) ? { start, end: start + random.below(blob.length - start) } : undefined;
      const content = await download.read(range, miss, patient).catch(() => undefined);
      if (content === undefined) return;
      const bytes = await readOn(random, content, problems);
      if (bytes === undefined) return;
      const end = content.end ?? blob.length;
      // The digest is of the whole: nobody can tell of a part whether upstream sends it right.
      if (range && isWrongUpstream) assert.equal(bytes.length, end - content.start);
      else assert.ok(bytes.equals(blob.subarray(content.start, end)), 'a whole answer with wrong bytes');
    };
    await Promise.all([...Array.from({ length: 1 + random.below(10) }, read), download.closed]);
    assert.deepEqual(problems, []);
    assert.deepEqual([buffers.out.size, buffers.givenTwice, state.bytesOut, store.openWriters], [0, 0, 0, 0]);
    assert.equal(state.closed, state.opened);
    assert.ok(store.blobs.get(digest)?.equals(blob) ?? true, 'a wrong blob is stored');
  });
}
