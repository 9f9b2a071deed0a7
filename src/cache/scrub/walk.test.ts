import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../oci/digest.ts';
import type { BlobStore, ListedBlob } from '../../store/blob-store.ts';
import type { Clock } from '../../util/time/clock.ts';
import { blobsInSteps } from './walk.ts';

/** The pauses of a walk over 96 blobs, three steps, each blob of which takes so long. */
async function pausesOf(blobMs: number): Promise<number[]> {
  let nowMs = 0;
  const pauses: number[] = [];
  const clock: Clock = {
    now: () => nowMs,
    sleep: async (delayMs) => {
      pauses.push(delayMs);
      nowMs += delayMs;
    },
  };
  const list: BlobStore['list'] = async function* (): AsyncIterable<ListedBlob> {
    for (let at = 0; at < 96; at++) {
      nowMs += blobMs;
      yield { digest: digestOf(Buffer.from(`${at}`)), sizeBytes: 1, writtenAtMs: 0 };
    }
  };
  let count = 0;
  for await (const _ of blobsInSteps({ list } as BlobStore, clock, new AbortController().signal)) count++;
  assert.equal(count, 96);
  return pauses;
}

test('a walk over the store works a tenth of the time, however slow the disk', async () => {
  assert.deepEqual(await pausesOf(0.25), [72, 72, 72]);
  assert.deepEqual(await pausesOf(1), [288, 288, 288]);
});

test('requests have their turn in a walk over the fastest of disks, and a walk goes on after a clock has jumped', async () => {
  assert.deepEqual(await pausesOf(0), [10, 10, 10]);
  assert.deepEqual(await pausesOf(-60_000), [10, 10, 10]);
  assert.deepEqual(await pausesOf(60_000), [1_000, 1_000, 1_000]);
});
