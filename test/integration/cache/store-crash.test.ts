import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Digest, digestOf, parseDigest } from '../../../src/oci/digest.ts';
import { type FileStores, openFileStores } from '../../../src/store/files/fs.ts';
import { collect } from '../../support/content/collect.ts';
import { tmpDir } from '../../support/disk/tmp.ts';

const writer = fileURLToPath(new URL('../../support/disk/store-writer.ts', import.meta.url));
const rounds = 6;
const numbersOfRound = 1_000_000; // more than a round writes, so that each number is written once
const maxLines = 400; // of a round: a second or so

/** What a process acknowledged before it was killed. */
interface Acknowledged {
  /** For each record, the number that it was written with last; undefined when it was removed, or may have been. */
  readonly records: Map<string, number | undefined>;
  readonly blobs: Set<Digest>;
}

/** Writes in a process that is killed when it has acknowledged so many things, in the middle of the next. */
async function writeUntilKilled(folder: string, first: number, acknowledged: Acknowledged): Promise<void> {
  const child = spawn(process.execPath, [writer, folder, `${first}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const linesToKill = randomInt(1, maxLines);
  let lines = 0;
  for await (const line of createInterface(child.stdout)) {
    note(line, acknowledged); // also those that come after the kill was sent
    if (++lines === linesToKill) child.kill('SIGKILL');
  }
  assert.deepEqual(await exited, [null, 'SIGKILL']);
}

function note(line: string, { records, blobs }: Acknowledged): void {
  const [what, name = '', number] = line.split(' ');
  if (what === 'blob') blobs.add(parseDigest(name));
  else records.set(name, what === 'record' ? Number(number) : undefined);
}

async function assertWholeAndThere(stores: FileStores, first: number, acknowledged: Acknowledged): Promise<void> {
  const { records, store, uploads } = stores;
  const found = new Map<string, number>();
  for await (const { name, bytes } of records.listRecords()) {
    const number = Number.parseInt(Buffer.from(bytes).toString(), 10);
    assert.deepEqual(bytes, Buffer.alloc(9000, `${number};`), `${name} is whole`);
    found.set(name, number);
  }
  for (const [name, number] of acknowledged.records) {
    if (number === undefined) continue;
    const there = found.get(name);
    const next = number < first ? first : number + 1; // may have been written, and not yet acknowledged
    assert(there === number || there === next, `${name} is ${there}, acknowledged was ${number}`);
  }
  for await (const { digest } of store.list()) assert.equal(digestOf(await readBlob(store, digest)), digest);
  for (const digest of acknowledged.blobs) assert((await store.size(digest)) !== undefined, digest);
  for (const { id, sizeBytes } of await collect(uploads.listUploads())) {
    const upload = await uploads.openUpload(id);
    assert.equal(upload?.sizeBytes, sizeBytes);
    await upload?.close();
    assert.equal(await uploads.removeUpload(id), true);
  }
}

async function readBlob(store: FileStores['store'], digest: Digest): Promise<Uint8Array> {
  const blob = await store.open(digest);
  assert(blob);
  const bytes = Buffer.alloc(blob.sizeBytes);
  await blob.read(bytes, 0).finally(() => blob.close());
  return bytes;
}

test('whenever a process is killed, what it acknowledged is there, and every record and blob is whole', async (t) => {
  const folder = tmpDir(t, { assertClosed: true });
  const acknowledged: Acknowledged = { records: new Map(), blobs: new Set() };
  for (let round = 0; round < rounds; round++) {
    const first = round * numbersOfRound;
    await writeUntilKilled(folder, first, acknowledged);
    const stores = await openFileStores(folder);
    await assertWholeAndThere(stores, first, acknowledged);
    assert.deepEqual(await collect(stores.store.listLeftovers()), []);
    await stores.uploads.close();
    assert.deepEqual(readdirSync(join(folder, 'uploads-v1')), []);
  }
  assert(acknowledged.blobs.size > 0 && acknowledged.records.size > 0);
});
