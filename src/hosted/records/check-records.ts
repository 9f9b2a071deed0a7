import { hostedRegistryName } from '../../oci/hosted.ts';
import type { StoredRecord } from '../../store/record-store.ts';
import { eachTogether } from '../../util/each-together.ts';
import type { SharedLocks } from '../../util/locks/shared-locks.ts';
import { locksOf } from '../hosted-locks.ts';
import { type NoteTools, noteRecord, recordName } from './note-record.ts';
import { type HostedRecord, isTagRecordName, readRecord } from './record.ts';
import type { RecordFinding } from './record-finding.ts';
import { settleManifest, settleTag } from './settle.ts';

const pageCount = 200; // a query of some milliseconds

/** What records are checked with. */
export interface RecordCheckTools extends NoteTools {
  readonly locks: SharedLocks;
}

/** How records are checked, and who is told. */
export interface RecordCheckOptions {
  /** Whether what the records say is noted where the index lacks it, and records are made to say what the index does. */
  readonly repair: boolean;
  /** Records that were written since are left alone: whoever wrote them is about to note them. Milliseconds since the epoch. */
  readonly beforeMs: number;
  readonly signal: AbortSignal;
  /** How many are checked at a time; one, unless given. */
  readonly together?: number;
  /** Is waited for after each record: others may be waiting, too. */
  checked?(): Promise<void> | void;
  found(finding: RecordFinding, repaired: boolean): void;
}

/**
 * Compares the records of the hosted repositories with the index, as they are listed, so that memory does not grow with
 * them. Where the index lacks what a record says, the record is noted: in an index that was lost, that brings everything
 * back; in another, it completes what was being pushed when the process died. Where both say something, the index is
 * right, as it was written last. What is broken or lost is told, and left as it is.
 */
export async function checkRecords(tools: RecordCheckTools, options: RecordCheckOptions): Promise<void> {
  // Manifests first: a tag is noted when what it stands for is.
  for (const isWanted of [(name: string) => !isTagRecordName(name), isTagRecordName]) {
    await eachTogether(tools.records.listRecords(isWanted), options.together ?? 1, async (stored) => {
      options.signal.throwIfAborted();
      if (stored.writtenAtMs >= options.beforeMs) return;
      await checkRecord(tools, options, stored);
      await options.checked?.();
    });
  }
}

async function checkRecord(
  tools: RecordCheckTools,
  options: RecordCheckOptions,
  { name, bytes }: StoredRecord,
): Promise<void> {
  const record = readRecord(name, bytes);
  if (record === undefined) {
    return options.found({ kind: 'broken record', record: name, reason: 'it cannot be read' }, false);
  }
  if ((await readRow(tools, record)) === 'same') return;
  const tags = record.kind === 'tag' ? [record.tag] : [];
  await tools.locks.run(locksOf(record.repository, record.digest, tags), options.signal, async () => {
    const now = await tools.records.getRecord(name);
    const again = now && readRecord(name, now);
    if (again === undefined) return; // it was removed meanwhile
    const row = await readRow(tools, again);
    if (row === 'missing') await note(tools, options, again);
    else if (row === 'other') await settle(tools, options, again);
  });
}

async function note(tools: RecordCheckTools, { repair, found }: RecordCheckOptions, record: HostedRecord) {
  const name = recordName(record);
  const reason = repair ? await noteRecord(tools, record) : undefined;
  if (reason !== undefined) found({ kind: 'lost manifest', record: name, reason }, false);
  else found({ kind: 'unnoted record', record: name, reason: 'the index does not have it' }, repair);
}

async function settle(tools: RecordCheckTools, { repair, found }: RecordCheckOptions, record: HostedRecord) {
  if (repair) await settleRecord(tools, record);
  found({ kind: 'wrong record', record: recordName(record), reason: 'the index says something else' }, repair);
}

/** What the index says of what a record says. */
async function readRow({ index }: NoteTools, record: HostedRecord): Promise<'same' | 'other' | 'missing'> {
  const key = { registry: hostedRegistryName, repository: record.repository };
  if (record.kind === 'tag') {
    const entry = await index.getTag(key, record.tag);
    if (entry === undefined) return 'missing';
    return entry.digest === record.digest ? 'same' : 'other';
  }
  const link = await index.getLink(key, record.digest);
  if (link?.mediaType === undefined) return 'missing';
  return link.mediaType === record.mediaType ? 'same' : 'other';
}

/** Looks for tags and manifests of the index that have no record: they would be lost with it. */
export async function checkRows(tools: RecordCheckTools, options: RecordCheckOptions): Promise<void> {
  for await (const { repository, digest, mediaType, tags } of hostedManifests(tools.index)) {
    options.signal.throwIfAborted();
    await checkRow(tools, options, { kind: 'manifest', repository, digest, mediaType, held: [] });
    for (const tag of tags) await checkRow(tools, options, { kind: 'tag', repository, digest, tag });
    await options.checked?.();
  }
}

async function checkRow(tools: RecordCheckTools, options: RecordCheckOptions, row: HostedRecord): Promise<void> {
  const { repository, digest } = row;
  const record = recordName(row);
  const isUnrecorded = async () =>
    (await tools.records.getRecord(record)) === undefined && (await readRow(tools, row)) !== 'missing';
  if (!(await isUnrecorded())) return;
  await tools.locks.run(locksOf(repository, digest, row.kind === 'tag' ? [row.tag] : []), options.signal, async () => {
    if (!(await isUnrecorded())) return; // it was written, or removed, meanwhile
    if (options.repair) await settleRecord(tools, row);
    options.found({ kind: 'wrong record', record, reason: 'there is none, and the index has it' }, options.repair);
  });
}

function settleRecord(tools: RecordCheckTools, record: HostedRecord): Promise<void> {
  const { repository } = record;
  return record.kind === 'tag'
    ? settleTag(tools, repository, record.tag)
    : settleManifest(tools, repository, record.digest);
}

async function* hostedManifests(index: NoteTools['index']) {
  let page = await index.listManifests({ registry: hostedRegistryName, count: pageCount });
  for (;;) {
    yield* page;
    if (page.length < pageCount) return;
    page = await index.listManifests({ registry: hostedRegistryName, count: pageCount, after: page.at(-1) });
  }
}
