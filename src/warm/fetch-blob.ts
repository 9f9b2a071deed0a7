import type { Digest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Repository } from '../oci/reference.ts';
import type { BlobContent, CacheOutcome } from '../oci/registry.ts';
import type { Clock } from '../util/time/clock.ts';
import { patiently } from './patiently.ts';
import type { WarmRegistry } from './warm-registry.ts';

/** A blob that is to be here. */
export interface WantedBlob {
  readonly repository: Repository;
  readonly digest: Digest;
  /** As the manifest says; undefined when it does not. */
  readonly sizeBytes: number | undefined;
}

/** What fetching is done with. */
export interface FetchTools {
  readonly registry: WarmRegistry;
  readonly clock: Clock;
  /** Resolves when no download of it is under way any more, for whoever can tell; without it, it is looked at until then. */
  readonly whenDownloaded?: ((digest: Digest) => Promise<void>) | undefined;
  /** What of the cache's disk fails now, for whoever can tell: why something is not kept. It does not reject. */
  readonly troubles?: (() => Promise<readonly string[]>) | undefined;
  /** Is told how many bytes have come. */
  progressed(doneBytes: number): void;
}

/** How far apart the bytes are that are asked for: each is a request, which a log may have a line for. */
const leastStepBytes = 4 * 1024 * 1024;
const mostSteps = 50;

/** Until what was verified is stored: the disk syncs, and room may have to be made. */
const storingLookMs = 100;
const mostStoringLooks = 600;
/** That a blob is neither stored nor on its way may be true for a moment, while it is another repository's. */
const mostLostLooks = 5;

/**
 * Sees to it that a blob is in the cache, whole, at the cost of a few of its bytes: its first tells whether it is here,
 * and begins the download if not; some on the way tell how far that is; and the last comes when all is verified.
 * @throws RegistryError, the signal's reason
 */
export async function fetchBlob(
  blob: WantedBlob,
  tools: FetchTools,
  signal: AbortSignal,
): Promise<'present' | 'fetched'> {
  const { clock, progressed } = tools;
  const { sizeBytes } = blob;
  const last = (sizeBytes ?? 0) - 1;
  const stepBytes = Math.max(leastStepBytes, Math.ceil((sizeBytes ?? 0) / mostSteps));
  const isSmall = last < stepBytes; // then its last byte tells all at once
  const begun = await patiently(clock, signal, () => askByte(blob, isSmall ? Math.max(0, last) : 0, tools, signal));
  if (isHere(begun)) return 'present';
  // What nobody keeps would be fetched anew for each of its bytes.
  if (begun?.kind === 'miss' && !begun.stored) throw await notKept(blob.digest, tools);
  for (let position = stepBytes; !isSmall && position < last + stepBytes; position += stepBytes) {
    const at = Math.min(position, last);
    const outcome = await patiently(clock, signal, () => askByte(blob, at, tools, signal));
    progressed(at);
    if (isHere(outcome)) return 'fetched';
  }
  await waitUntilStored(blob, tools, signal);
  return 'fetched';
}

/** Whether the answer came from what is here; what says nothing of a cache is hosted here. */
function isHere(outcome: CacheOutcome | undefined): boolean {
  return outcome?.kind !== 'miss';
}

async function askByte(
  { repository, digest, sizeBytes }: WantedBlob,
  position: number,
  { registry, progressed }: FetchTools,
  signal: AbortSignal,
): Promise<CacheOutcome | undefined> {
  // Of an empty blob no byte can be asked for, and of one of which nobody knows the size not the last.
  const range = sizeBytes === undefined || sizeBytes === 0 ? undefined : { start: position, end: position };
  const content = await registry.getBlob(repository, digest, range, signal);
  try {
    if (range === undefined && isHere(content.outcome)) return content.outcome;
    await readAll(content, progressed);
    return content.outcome;
  } finally {
    content.close();
  }
}

async function readAll(content: BlobContent, progressed: FetchTools['progressed']): Promise<void> {
  let doneBytes = content.start;
  for (let chunk = await content.next(); chunk !== undefined; chunk = await content.next()) {
    doneBytes += chunk.bytes.length;
    chunk.release();
    if (content.start === 0) progressed(doneBytes);
  }
}

async function waitUntilStored(
  { repository, digest }: WantedBlob,
  tools: FetchTools,
  signal: AbortSignal,
): Promise<void> {
  const { registry, clock, whenDownloaded } = tools;
  await whenDownloaded?.(digest);
  let lost = 0;
  for (let looks = 0; looks < mostStoringLooks && lost < mostLostLooks; looks++) {
    const { outcome } = await patiently(clock, signal, () => registry.statBlob(repository, digest, signal));
    if (isHere(outcome)) return;
    if (outcome?.kind === 'miss' && !outcome.collapsed) lost++;
    await clock.sleep(storingLookMs, signal);
  }
  throw await notKept(digest, tools);
}

async function notKept(digest: Digest, { troubles }: FetchTools): Promise<RegistryError> {
  const known = (await troubles?.()) ?? [];
  const why = known.length > 0 ? known.join('; ') : 'there is no room for it (cache.maxBytes), or the disk fails';
  return new RegistryError('INTERNAL', `blob ${digest} is not kept: ${why}`);
}
