import type { ContentEntry, MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobStore, ListedBlob } from '../../store/blob-store.ts';
import type { Clock } from '../../util/time/clock.ts';

const pageCount = 200; // a query of some milliseconds

// Between two steps requests have their turn: a step takes a few milliseconds, and the pause after it nine times as
// many. So the walk takes a tenth of a processor whatever the disk and the machine, and 100,000 blobs a few minutes.
const stepCount = 32;
const pausePerWork = 9;
const minPauseMs = 10;
const maxPauseMs = 1_000; // a clock that jumps, or a machine that slept, is no work

/** Every content of the index: those after a digest first, then those up to it. */
export async function* contentsFrom(index: MetadataIndex, from: Digest | undefined): AsyncIterable<ContentEntry> {
  yield* contentsAfter(index, from);
  if (from === undefined) return;
  for await (const entry of contentsAfter(index, undefined)) {
    if (entry.digest > from) return;
    yield entry;
  }
}

async function* contentsAfter(index: MetadataIndex, from: Digest | undefined): AsyncIterable<ContentEntry> {
  let after: Pick<ContentEntry, 'digest'> | undefined = from === undefined ? undefined : { digest: from };
  for (;;) {
    const page = await index.listContents({ count: pageCount, after });
    yield* page;
    after = page.at(-1);
    if (after === undefined) return;
  }
}

/** Every blob of the store, so slowly that whoever serves hardly notices. */
export async function* blobsInSteps(store: BlobStore, clock: Clock, signal: AbortSignal): AsyncIterable<ListedBlob> {
  let seen = 0;
  let beganMs = clock.now();
  for await (const blob of store.list()) {
    signal.throwIfAborted();
    yield blob;
    if (++seen % stepCount > 0) continue;
    const pauseMs = pausePerWork * (clock.now() - beganMs);
    await clock.sleep(Math.min(Math.max(pauseMs, minPauseMs), maxPauseMs), signal);
    beganMs = clock.now();
  }
}
