import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage } from '../../../test/support/content/images.ts';
import { collectOf } from '../../../test/support/hosted/garbage-rig.ts';
import { HostedStage } from '../../../test/support/stages/hosted-stage.ts';
import type { ManualClock } from '../../../test/support/time/clock.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import { parseTag } from '../../oci/reference.ts';
import { silentLog } from '../../util/log/log.ts';
import { checkRecords, checkRows } from './check-records.ts';
import { rebuildHosted } from './rebuild.ts';
import type { RecordFinding } from './record-finding.ts';
import { tendRecords } from './tend-records.ts';

const never = new AbortController().signal;
const first = makeImage({ seed: 'first', layers: [100] });
const second = makeImage({ seed: 'second', layers: [100] });
const latest = parseTag('latest');

/** Does something that is killed before its n-th change, for every n; `after` says what has to be true each time. */
async function killAtEachStep(
  t: ConstructorParameters<typeof HostedStage>[0],
  work: (stage: HostedStage) => Promise<unknown>,
  after: (stage: HostedStage, isAcknowledged: boolean) => Promise<void>,
  prepare: (stage: HostedStage) => Promise<unknown> = async () => {},
  beforeRestart: (stage: HostedStage) => Promise<unknown> = async () => {},
): Promise<number> {
  for (const loses of [undefined, 'index'] as const) {
    for (let steps = 0; ; steps++) {
      const stage = new HostedStage(t);
      const clock = stage.clock as ManualClock;
      await stage.push(first, 'latest');
      for (const { bytes } of second.blobs) await stage.putBlob(bytes);
      await prepare(stage);
      await rebuildHosted(stage.tools, never);
      let left = steps;
      // Whoever was killed does nothing any more, not even put right what it began.
      stage.beforeChange = () => {
        if (left-- <= 0) throw new Error('killed');
      };
      const isAcknowledged = await work(stage).then(
        () => true,
        () => false,
      );
      stage.beforeChange = () => {};
      await beforeRestart(stage);
      // Whatever is shown would be there with a new index, too: it may be pushed next what needs it.
      await checkRows(stage.tools, { repair: false, beforeMs: Number.POSITIVE_INFINITY, signal: never, found: fail });
      await stage.restart(loses);
      await rebuildHosted(stage.tools, never);
      clock.advance(1); // what was written before is older than the start
      await tendRecords({ ...stage.tools, clock, log: silentLog }, never);
      await assertAgreed(stage);
      await after(stage, isAcknowledged);
      if (isAcknowledged && loses) return steps;
      if (isAcknowledged) break;
    }
  }
  return 0;
}

function fail({ record, reason }: RecordFinding): never {
  assert.fail(`${record}: ${reason}`);
}

/** Records and index say the same. */
async function assertAgreed({ tools }: HostedStage): Promise<void> {
  const options = { repair: false, beforeMs: Number.POSITIVE_INFINITY, signal: never, found: fail };
  await checkRecords(tools, options);
  await checkRows(tools, options);
}

/** Whatever a tag stands for is whole, and the record of it says the same as the index. */
async function assertWhole(stage: HostedStage, allowed: readonly (string | undefined)[]): Promise<void> {
  const digest = await stage.resolve('latest');
  assert.ok(allowed.includes(digest), `${digest}`);
  assert.deepEqual(
    stage.logged.filter(({ level }) => level === 'error'),
    [],
  );
  const record = stage.records.records.get('team/app/_tags/latest');
  if (record) assert.deepEqual(JSON.parse(Buffer.from(record.bytes).toString()), { digest });
  else assert.equal(digest, undefined);
}

test('a push that is killed at any step has happened or not, and is not lost when it was acknowledged', async (t) => {
  const { bytes, mediaType, digest } = second.manifest;
  const steps = await killAtEachStep(
    t,
    (stage) => stage.put(bytes, mediaType, 'latest'),
    async (stage, isAcknowledged) => {
      await assertWhole(stage, isAcknowledged ? [digest] : [first.manifest.digest, digest]);
      assert.equal(await stage.resolve(first.manifest.digest), first.manifest.digest);
    },
  );
  assert.ok(steps >= 6, `${steps}`); // the hold, the bytes, two records, the rows, the sync
});

test('the removal of a tag that is killed at any step leaves it whole or gone, gone when it was acknowledged', async (t) => {
  const steps = await killAtEachStep(
    t,
    (stage) => stage.manifests.deleteTag(stage.repository, latest, never),
    async (stage, isAcknowledged) => {
      const { digest } = first.manifest;
      assert.equal(await stage.resolve(digest), digest);
      const found = await stage.resolve('latest');
      assert.ok(isAcknowledged ? found === undefined : [digest, undefined].includes(found), `${found}`);
    },
  );
  assert.ok(steps >= 3, `${steps}`);
});

test('the removal of a manifest that is killed at any step leaves nothing by half', async (t) => {
  const { digest } = first.manifest;
  const steps = await killAtEachStep(
    t,
    (stage) => stage.manifests.deleteManifest(stage.repository, digest, never),
    async (stage, isAcknowledged) => {
      const [tagged, found] = [await stage.resolve('latest'), await stage.resolve(digest)];
      if (isAcknowledged) assert.deepEqual([tagged, found], [undefined, undefined]);
      else assert.ok(tagged === undefined || found === digest, 'a tag that stands for nothing');
    },
  );
  assert.ok(steps >= 4, `${steps}`);
});

/** What other processes may do between a kill and the next start: make room, and collect garbage when all is old. */
const others: Readonly<Record<string, (stage: HostedStage) => Promise<unknown>>> = {
  async 'makes room'({ index, blobs }) {
    const going = (await index.listLeastRecentlyUsed({ count: 100 })).map(({ digest }) => digest);
    for (const digest of await index.removeContents(going)) blobs.blobs.delete(digest);
  },
  'collects garbage': (stage) => collectOf(stage, { untagged: false }),
  'collects garbage, and what has no tag': (stage) => collectOf(stage),
};

/** What is shown has all its bytes, and nothing is told to be lost. */
async function assertNothingLost(stage: HostedStage, image: typeof first): Promise<void> {
  const key = { registry: hostedRegistryName, repository: stage.repository };
  if ((await stage.resolve(image.manifest.digest)) === undefined) return;
  for (const { digest } of image.blobs) {
    const isThere = (await stage.index.getLink(key, digest))?.sizeBytes !== undefined;
    assert.ok(isThere && stage.blobs.blobs.has(digest), 'a manifest without its blobs');
  }
}

for (const [what, doIt] of Object.entries(others)) {
  test(`the removal of a manifest that is killed at any step leaves nothing by half, though another process ${what}`, async (t) => {
    await killAtEachStep(
      t,
      (stage) => stage.manifests.deleteManifest(stage.repository, second.manifest.digest, never),
      async (stage, isAcknowledged) => {
        await assertNothingLost(stage, second);
        if (isAcknowledged) assert.equal(await stage.resolve(second.manifest.digest), undefined);
      },
      (stage) => stage.put(second.manifest.bytes, second.manifest.mediaType, second.manifest.digest),
      doIt,
    );
  });
}

test('a collection of garbage that is killed at any step leaves what goes whole or gone, and all that stays', async (t) => {
  const { bytes, mediaType, digest } = second.manifest;
  const steps = await killAtEachStep(
    t,
    (stage) => collectOf(stage),
    async (stage, isAcknowledged) => {
      await assertWhole(stage, [first.manifest.digest]);
      const found = await stage.resolve(digest);
      if (isAcknowledged) assert.equal(found, undefined);
      const key = { registry: hostedRegistryName, repository: stage.repository };
      for (const blob of second.blobs) {
        const isThere = (await stage.index.getLink(key, blob.digest))?.sizeBytes !== undefined;
        if (found) assert.ok(isThere && stage.blobs.blobs.has(blob.digest), 'a manifest without its blobs');
      }
    },
    (stage) => stage.put(bytes, mediaType, digest),
  );
  assert.ok(steps >= 5, `${steps}`); // the row, the sync, the record, two blobs
});

test('a removal that failed half-way and is tried again is not undone at the next start', async (t) => {
  for (const what of ['latest', first.manifest.digest]) {
    const stage = new HostedStage(t);
    await stage.push(first, 'latest');
    await rebuildHosted(stage.tools, never);
    stage.beforeChange = (change) => {
      if (change.startsWith('removeRecord')) throw new Error('the disk is away');
    };
    const remove = () =>
      what === 'latest'
        ? stage.manifests.deleteTag(stage.repository, latest, never)
        : stage.manifests.deleteManifest(stage.repository, first.manifest.digest, never);
    await assert.rejects(remove(), /the disk is away/);
    stage.beforeChange = () => {};
    await remove().catch((error: unknown) => assert.equal((error as { status?: number }).status, 404));
    await stage.restart('index');
    await rebuildHosted(stage.tools, never);
    assert.equal(await stage.resolve(what), undefined);
  }
});

test('a push that fails leaves no link to a manifest that is not here', async (t) => {
  const stage = new HostedStage(t);
  for (const { bytes } of first.blobs) await stage.putBlob(bytes);
  const { bytes, mediaType, digest } = first.manifest;
  const key = { registry: hostedRegistryName, repository: stage.repository };
  for (const failing of ['putRecord', 'commit', 'putManifest']) {
    stage.beforeChange = (what) => {
      if (what.startsWith(failing)) throw Object.assign(new Error('the disk is full'), { code: 'ENOSPC' });
    };
    await assert.rejects(stage.put(bytes, mediaType, 'latest'), { code: 'ENOSPC' });
    assert.equal(await stage.index.getLink(key, digest), undefined, failing);
  }
  stage.beforeChange = () => {};
  await stage.put(bytes, mediaType, 'latest');
  assert.equal(await stage.resolve('latest'), digest);
});
