import type { HostedIndex, HostedLink, HostedPage } from '../../index/hosted-index.ts';
import type { MetadataIndex } from '../../index/metadata-index.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { Hasher } from '../download/hasher.ts';
import { type CheckOptions, type CheckTools, ContentCheck } from './check/content-check.ts';
import { StoredHash } from './check/stored-hash.ts';
import { inLanes } from './lanes.ts';
import { contentsFrom } from './walk.ts';

const bufferBytes = 1024 * 1024; // what the disk gives at a time; two for each lane
const laneCount = 4; // small files cost more to open than to read

const pageCount = 500;

// A link may come before its content, which is downloaded meanwhile: for longer than this hardly ever.
const maxDownloadMs = 24 * 60 * 60_000;

/** What the whole store is verified with. */
export interface VerificationTools extends CheckTools {
  readonly hasher: Hasher;
}

/** How it is verified, and who is told. */
export interface VerificationOptions extends Omit<CheckOptions, 'sinceMs'> {
  /** Is told of bytes that are about to be read. */
  read(bytes: number): void;
}

/**
 * Verifies everything that is stored, as fast as the machine can: each content that the index has, those that it does
 * not have, and what belongs to no layout. Safe beside whoever serves from the same store and index.
 */
export async function verifyStore(tools: VerificationTools, options: VerificationOptions): Promise<void> {
  const { store, index, hasher, clock } = tools;
  const { repair, signal } = options;
  const sinceMs = clock.now();
  const makeCheck = () => {
    const hash = new StoredHash(hasher, bufferBytes, async (bytes) => options.read(bytes));
    return new ContentCheck(tools, hash, { ...options, found, sinceMs });
  };
  const lost = new Set<string>();
  const found: CheckOptions['found'] = (finding, repaired) => {
    if (finding.kind === 'lost') lost.add(nameOf(finding));
    options.found(finding, repaired);
  };
  const lanes = Array.from({ length: laneCount }, makeCheck);
  await inLanes(contentsFrom(index, undefined), lanes, (entry, check) => check.indexed(entry));
  await inLanes(store.list(), lanes, (blob, check) => check.stored(blob));
  await checkLinks(index, { ...options, sinceMs });
  await checkHosted(index, lost, options);
  for await (const leftover of store.listLeftovers()) {
    signal.throwIfAborted();
    if (leftover.writtenAtMs >= sinceMs && leftover.writtenAtMs <= clock.now()) continue; // somebody is at work there
    if (repair) await leftover.remove();
    options.found({ kind: 'leftover', path: leftover.path, sizeBytes: leftover.sizeBytes }, repair);
  }
}

/** A page at a time when they are removed, as the next page then begins with others; the first one only when not. */
async function checkLinks(index: MetadataIndex, { repair, sinceMs, signal, found }: CheckOptions): Promise<void> {
  for (;;) {
    const links = await index.listDeadLinks(sinceMs - maxDownloadMs, pageCount);
    for (const { digest, ...key } of links) {
      signal.throwIfAborted();
      if (repair) await index.unlink(key, digest);
      found({ kind: 'dead link', digest, ...key }, repair);
    }
    if (!repair || links.length < pageCount) return;
  }
}

/** Tells what hosted repositories have lost, but for what was told already. */
async function checkHosted(
  index: Pick<HostedIndex, 'listLost'>,
  told: ReadonlySet<string>,
  { signal, found }: VerificationOptions,
): Promise<void> {
  for (let after: HostedPage['after']; ; ) {
    signal.throwIfAborted();
    const page = await index.listLost({ count: pageCount, after });
    for (const { repository, digest } of page.found) {
      const finding = { kind: 'lost', digest, registry: hostedRegistryName, repository } as const;
      if (!told.has(nameOf(finding))) found(finding, false);
    }
    if (page.next === undefined) return;
    after = page.next;
  }
}

function nameOf({ repository, digest }: Pick<HostedLink, 'repository' | 'digest'>): string {
  return `${repository}@${digest}`;
}
