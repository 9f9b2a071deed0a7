import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { readStored } from '../../../src/cache/content/reading/read-stored.ts';
import { checkRecords, checkRows } from '../../../src/hosted/records/check-records.ts';
import { rebuildHosted } from '../../../src/hosted/records/rebuild.ts';
import { openSqliteIndex } from '../../../src/index/sqlite/sqlite.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { RegistryError } from '../../../src/oci/errors.ts';
import { hostedRegistryName } from '../../../src/oci/hosted.ts';
import { parseRepository, parseTag } from '../../../src/oci/reference.ts';
import { SharedLocks } from '../../../src/util/locks/shared-locks.ts';
import { silentLog } from '../../../src/util/log/log.ts';
import { makeImage, type TestImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import {
  emptyFolder,
  type HostedProcess,
  openHostedProcess,
  type SharedFolder,
} from '../../support/hosted/hosted-process.ts';
import { pushBlob } from '../../support/hosted/push.ts';
import { ManualClock } from '../../support/time/clock.ts';

// A push is held up before each of its steps while others do all that they can. The clock stands still, so that nothing
// is told apart by its time, and garbage is collected without a grace time.

const never = new AbortController().signal;
const repository = parseRepository('team/app');
const key = { registry: hostedRegistryName, repository };
const image = makeImage({ seed: 'base', layers: [40] });
const similar = makeImage({ seed: 'base', layers: [40], annotations: { of: 'others' } });
const [config] = image.blobs;
const maxIdleTurns = 12; // whoever does nothing for so long waits for a lock

type Deed = (server: HostedProcess) => Promise<unknown>;

/** Pushes as clients do: what is there is not sent. */
const push =
  (of: TestImage, tag: string): Deed =>
  async ({ registry }) => {
    for (const { bytes, digest } of of.blobs) {
      const found = registry.statBlob(repository, digest, never);
      if ((await unlessRefused(found)) === undefined) await pushBlob(registry, repository, bytes);
    }
    const { bytes, mediaType } = of.manifest;
    await registry.putManifest(repository, { reference: parseTag(tag), tags: [], mediaType, bytes }, never);
  };
const deleteManifest: Deed = ({ registry }) => registry.deleteManifest(repository, image.manifest.digest, never);
const deleteBlob =
  (digest: Digest): Deed =>
  ({ registry }) =>
    registry.deleteBlob(repository, digest, never);
const collect: Deed = (server) => server.collect(never);

/** What was there before. */
const beginnings: Readonly<Record<string, readonly Deed[]>> = {
  'that is there already': [push(similar, 'other'), push(image, 'v1')],
  'that was deleted, whose blobs another has': [push(similar, 'other'), push(image, 'v1'), deleteManifest],
  'of which a blob was deleted': [push(image, 'v1'), deleteManifest, deleteBlob(config!.digest)],
};

/** What others do, and whether what was pushed may be gone afterwards, though it was acknowledged. */
const others: readonly { readonly deeds: readonly Deed[]; readonly mayGo: boolean }[] = [
  { deeds: [collect], mayGo: false },
  { deeds: [deleteBlob(image.manifest.digest), collect], mayGo: false },
  { deeds: [deleteBlob(config!.digest), collect], mayGo: false },
  { deeds: [deleteManifest, collect], mayGo: true },
];

async function unlessRefused<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}

/** Pushes an image while others do something before its step of that number; whether it was acknowledged, and had one. */
async function pushBeside(
  folder: SharedFolder,
  processes: number,
  before: readonly Deed[],
  deeds: readonly Deed[],
  at: number,
) {
  let left = Number.POSITIVE_INFINITY;
  let steps = 0;
  let between: Promise<void> | undefined;
  const step = async () => {
    steps++;
    if (left-- !== 0) return;
    let isOver = false;
    between = (async () => {
      for (const deed of deeds) await unlessRefused(deed(other));
    })().finally(() => {
      isOver = true;
    });
    for (let idle = 0; idle < maxIdleTurns && !isOver; idle++) {
      const seen = steps;
      await turn();
      if (steps !== seen) idle = 0;
    }
  };
  const server = openHostedProcess(folder, step);
  const other = processes === 1 ? server : openHostedProcess(folder, step);
  try {
    for (const deed of before) await deed(server);
    left = at;
    const pushed = push(image, 'v1')(server).then(() => true as const);
    const isAcknowledged = (await unlessRefused(pushed)) ?? false;
    await between;
    return { isAcknowledged, hadStep: between !== undefined };
  } finally {
    await server.close();
    if (other !== server) await other.close();
  }
}

/** What is shown is whole, and records and rows say the same; gives which tag stands for what. */
async function assertWhole({ blobs, records, clock }: SharedFolder, file: string): Promise<Record<string, Digest>> {
  const index = openSqliteIndex(file);
  try {
    const readManifest = (digest: Digest) => readStored(digest, { store: blobs });
    const tools = { blobs, records, index, readManifest, locks: new SharedLocks(), clock, log: silentLog };
    await rebuildHosted(tools, never);
    const found = ({ record, reason }: { record: string; reason: string }) => assert.fail(`${record}: ${reason}`);
    const options = { repair: false, beforeMs: Number.POSITIVE_INFINITY, signal: never, found };
    await checkRecords(tools, options);
    await checkRows(tools, options);
    const tagged: Record<string, Digest> = {};
    for (const { digest, tags } of await index.listManifests({ ...key, count: 10 })) {
      for (const tag of tags) tagged[tag] = digest;
      const { manifest, blobs: parts } = [image, similar].find((one) => one.manifest.digest === digest)!;
      for (const part of [manifest, ...parts]) {
        assert.equal((await index.getLink(key, part.digest))?.sizeBytes, part.bytes.length, part.digest);
        assert.ok(blobs.blobs.has(part.digest), `the file of ${part.digest}`);
      }
    }
    return tagged;
  } finally {
    await index.close();
  }
}

for (const [what, before] of Object.entries(beginnings)) {
  for (const processes of [1, 2]) {
    const whose = processes === 1 ? 'the same' : 'another';
    test(`an image ${what} is whole when its push was acknowledged, whatever ${whose} process removes at any step`, async (t) => {
      const root = tmpDir(t);
      let acknowledged = 0;
      for (const [number, { deeds, mayGo }] of others.entries()) {
        for (let at = 0, hadStep = true; hadStep; at++) {
          const name = join(root, `${number}-${at}`);
          const folder = emptyFolder(`${name}.sqlite`, new ManualClock());
          const pushed = await pushBeside(folder, processes, before, deeds, at);
          hadStep = pushed.hadStep;
          const tagged = await assertWhole(folder, folder.indexFile);
          if (pushed.isAcknowledged && !mayGo) assert.equal(tagged['v1'], image.manifest.digest);
          assert.deepEqual(await assertWhole(folder, `${name}-new.sqlite`), tagged, 'a new index shows the same');
          if (pushed.isAcknowledged) acknowledged++;
        }
      }
      assert.ok(acknowledged > others.length, `${acknowledged}`);
    });
  }
}
