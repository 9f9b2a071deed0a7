import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Finding } from '../../../src/cache/scrub/check/finding.ts';
import { verifyStore } from '../../../src/cache/scrub/verification.ts';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import type { Repository, Tag } from '../../../src/oci/reference.ts';
import type { BlobStore, StoredBlob } from '../../../src/store/blob-store.ts';
import { makeImage, seededBytes } from '../../support/content/images.ts';
import { type KeptStore, openKeptStore, writeBlob } from '../../support/disk/kept-store.ts';
import { storedPath } from '../../support/disk/store-files.ts';

const good = seededBytes('good', 5000);
const other = seededBytes('other', 70_000);

interface Outcome {
  readonly findings: (Finding & { readonly repaired: boolean })[];
  /** How many contents were right. */
  readonly right: number;
  readonly readBytes: number;
}

async function verify(kept: KeptStore, repair: boolean, store: BlobStore = kept.store): Promise<Outcome> {
  const findings: Outcome['findings'] = [];
  let [right, readBytes] = [0, 0];
  await verifyStore(
    { ...kept.tools, store },
    {
      repair,
      signal: new AbortController().signal,
      read(bytes) {
        readBytes += bytes;
      },
      checked() {
        right++;
      },
      found: (finding, repaired) => findings.push({ ...finding, repaired }),
    },
  );
  findings.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)); // those of the store come in any order
  return { findings, right, readBytes };
}

function nameOf(finding: Finding): string {
  return finding.kind === 'leftover' ? finding.path : finding.digest;
}

/** Reports, then repairs, and expects the same of both; a third time nothing is left to find. */
async function verifyThrice(kept: KeptStore, expected: Finding[], right: number): Promise<void> {
  const changes = () => [kept.log.events.length, existsSync(join(kept.data, 'blobs-v1'))];
  const before = await kept.index.totals();
  const reported = await verify(kept, false);
  assert.deepEqual(
    reported.findings,
    expected.map((finding) => ({ ...finding, repaired: false })),
  );
  assert.deepEqual([await kept.index.totals(), ...changes()], [before, 0, true], 'looking changes nothing');
  const repaired = await verify(kept, true);
  assert.deepEqual(
    repaired.findings,
    expected.map((finding) => ({ ...finding, repaired: true })),
  );
  const last = await verify(kept, true);
  assert.deepEqual([last.findings, last.right], [[], right]);
}

function flip(path: string): Buffer {
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
  return bytes;
}

test('a store in which all is right is read whole, once, and left as it is', async (t) => {
  const kept = await openKeptStore(t);
  await kept.keep(good);
  await kept.keep(other);
  await kept.keep(Buffer.alloc(0));
  await kept.keep(good, { digest: digestOf(good, 'sha512') });
  const readBytes = good.length * 2 + other.length;
  for (const repair of [false, true]) {
    assert.deepEqual(await verify(kept, repair), { findings: [], right: 4, readBytes });
  }
  assert.deepEqual(await kept.index.totals(), { contents: 4, sizeBytes: readBytes });
});

test('an empty store has nothing wrong', async (t) => {
  assert.deepEqual(await verify(await openKeptStore(t), true), { findings: [], right: 0, readBytes: 0 });
});

const damages: Readonly<Record<string, (path: string) => void>> = {
  'has a wrong bit': flip,
  'was cut': (path) => truncateSync(path, 100),
  'is empty': (path) => truncateSync(path, 0),
  'is too long': (path) => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('x')])),
};

for (const [what, damage] of Object.entries(damages)) {
  test(`content that ${what} is found, and dropped from store and index`, async (t) => {
    const kept = await openKeptStore(t);
    const digest = await kept.keep(good);
    await kept.keep(other);
    const path = storedPath(kept.data, digest);
    damage(path);
    const now = readFileSync(path);
    const found = digestOf(now);
    await verifyThrice(kept, [{ kind: 'damaged', digest, sizeBytes: now.length, found }], 1);
    assert.equal(await kept.store.size(digest), undefined);
    assert.equal(await kept.index.getContent(digest), undefined);
    assert.deepEqual(
      kept.log.events.map(({ level, event, facts }) => [level, event, facts]),
      [['error', 'stored content is damaged, removed', { digest, sizeBytes: now.length, found }]],
    );
  });
}

test('content that the index has and the store does not is forgotten', async (t) => {
  const kept = await openKeptStore(t);
  const digest = await kept.keep(good);
  rmSync(storedPath(kept.data, digest));
  await verifyThrice(kept, [{ kind: 'missing', digest, sizeBytes: good.length }], 0);
  assert.deepEqual(await kept.index.totals(), { contents: 0, sizeBytes: 0 });
});

test('content whose size the index has wrong stays, and the index is corrected', async (t) => {
  const kept = await openKeptStore(t);
  const digest = await kept.keep(good, { notedBytes: 4999 });
  const { usedAtMs } = (await kept.index.getContent(digest))!;
  await verifyThrice(kept, [{ kind: 'wrong size', digest, sizeBytes: 5000, notedBytes: 4999 }], 1);
  assert.deepEqual(await kept.index.totals(), { contents: 1, sizeBytes: 5000 });
  assert.equal((await kept.index.getContent(digest))!.usedAtMs, usedAtMs);
});

test('content that the index does not have is noted when its bytes are right, with what it references', async (t) => {
  const kept = await openKeptStore(t);
  const { manifest, blobs } = makeImage({ seed: 'stray', layers: [3000] });
  for (const { bytes } of [manifest, ...blobs]) await kept.keep(bytes, { unnoted: true });
  const strays = [manifest, ...blobs].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  const expected = strays.map(({ digest, bytes }) => ({ kind: 'unindexed' as const, digest, sizeBytes: bytes.length }));
  await verifyThrice(kept, expected, 3);
  assert.equal((await kept.index.getContent(manifest.digest))!.isManifest, true);
  assert.deepEqual(
    (await kept.index.referencesOf(manifest.digest)).map(({ digest }) => digest).sort(),
    blobs.map(({ digest }) => digest).sort(),
  );
});

test('content that the index does not have is removed when its bytes are wrong', async (t) => {
  const kept = await openKeptStore(t);
  const digest = await kept.keep(other, { digest: digestOf(good), unnoted: true });
  const finding: Finding = { kind: 'damaged', digest, sizeBytes: other.length, found: digestOf(other) };
  await verifyThrice(kept, [finding], 0);
  assert.equal(await kept.store.size(digest), undefined);
});

test('links of long ago to what is not stored are removed; new ones may be for a download, and tags need no content', async (t) => {
  const kept = await openKeptStore(t);
  const here = await kept.keep(good);
  const gone = digestOf(other);
  const key = { registry: 'docker.io', repository: 'library/alpine' as Repository };
  const coming = { ...key, repository: 'library/coming' as Repository };
  const [longAgoMs, nowMs] = [kept.clock.now() - 2 * 24 * 3_600_000, kept.clock.now()];
  for (const digest of [here, gone]) await kept.index.link(key, digest, undefined, longAgoMs);
  await kept.index.link(coming, gone, undefined, nowMs);
  const tag = { digest: gone, mediaType: 'application/json', sizeBytes: 5, checkedAtMs: longAgoMs };
  await kept.index.putTag(key, 'latest' as Tag, tag);
  await verifyThrice(kept, [{ kind: 'dead link', digest: gone, ...key }], 1);
  assert.equal(await kept.index.getLink(key, gone), undefined);
  assert.ok(await kept.index.getLink(key, here));
  assert.ok(await kept.index.getLink(coming, gone));
  assert.deepEqual(await kept.index.getTag(key, 'latest' as Tag), tag);
});

test('files that belong to no layout are removed', async (t) => {
  const kept = await openKeptStore(t);
  await kept.keep(good);
  const path = join(kept.data, 'blobs-v1', 'sha256', 'notes.txt');
  writeFileSync(path, 'left');
  await verifyThrice(kept, [{ kind: 'leftover', path, sizeBytes: 4 }], 1);
  assert.equal(existsSync(path), false);
});

test('content that cannot be read is told, and stays: nobody knows what it is', async (t) => {
  const kept = await openKeptStore(t);
  const digest = await kept.keep(good);
  const failing = withReads(kept.store, async () => {
    throw new Error('the disk fails');
  });
  const { findings } = await verify(kept, true, failing);
  assert.deepEqual(findings, [{ kind: 'unreadable', digest, reason: 'the disk fails', repaired: false }]);
  assert.equal(await kept.store.size(digest), good.length);
  assert.deepEqual(await kept.index.totals(), { contents: 1, sizeBytes: good.length });
});

/** The store, but something happens before each read of it. */
function withReads(store: BlobStore, before: () => Promise<void>): BlobStore {
  return new Proxy(store, {
    get(target, name: keyof BlobStore) {
      if (name !== 'open') return target[name].bind(target);
      return async (digest: Digest): Promise<StoredBlob | undefined> => {
        const blob = await target.open(digest);
        if (blob === undefined) return undefined;
        return {
          sizeBytes: blob.sizeBytes,
          remove: () => blob.remove(),
          close: () => blob.close(),
          async read(into, position) {
            await before();
            return blob.read(into, position);
          },
        };
      };
    },
  });
}

function once(work: () => Promise<void>): () => Promise<void> {
  let isDone = false;
  return async () => {
    if (!isDone) {
      isDone = true;
      await work();
    }
  };
}

for (const state of ['right', 'damaged'] as const) {
  test(`${state} content that is removed while it is read is nothing to tell of`, async (t) => {
    const kept = await openKeptStore(t);
    const digest = await kept.keep(state === 'right' ? good : other, { digest: digestOf(good) });
    const store = withReads(
      kept.store,
      once(async () => {
        await kept.store.remove(digest);
        await kept.index.removeContents([digest]);
      }),
    );
    assert.deepEqual((await verify(kept, true, store)).findings, []);
    assert.deepEqual(await kept.index.totals(), { contents: 0, sizeBytes: 0 });
  });
}

test('damaged content that is replaced by a good one while it is read is not dropped', async (t) => {
  const kept = await openKeptStore(t);
  const digest = await kept.keep(other, { digest: digestOf(good), notedBytes: good.length });
  const store = withReads(
    kept.store,
    once(async () => {
      await kept.store.remove(digest);
      await writeBlob(kept.store, digest, good);
    }),
  );
  const { findings, right } = await verify(kept, true, store);
  assert.deepEqual([findings, right], [[], 1]);
  assert.equal(await kept.store.size(digest), good.length);
  assert.deepEqual(await kept.index.totals(), { contents: 1, sizeBytes: good.length });
});

test('content that a download noted while it was read is nothing to tell of', async (t) => {
  const kept = await openKeptStore(t);
  const digest = await kept.keep(good, { unnoted: true });
  const store = withReads(kept.store, () => kept.index.putContent(digest, good.length, kept.clock.now()));
  assert.deepEqual((await verify(kept, true, store)).findings, []);
  assert.deepEqual(await kept.index.totals(), { contents: 1, sizeBytes: good.length });
});

test('what came since the beginning is left alone, and what comes from the future is not', async (t) => {
  const kept = await openKeptStore(t);
  const digest = digestOf(good);
  await kept.keep(other, { digest, unnoted: true });
  for (const [aheadMs, count] of [
    [0, 0],
    [60_000, 1],
  ] as const) {
    await kept.index.removeContent(digest);
    await kept.index.putContent(digest, other.length, kept.clock.now() + aheadMs);
    assert.equal((await verify(kept, false)).findings.length, count);
  }
});

test('a signal ends it, and its reason is what is thrown', async (t) => {
  const kept = await openKeptStore(t);
  for (let i = 0; i < 20; i++) await kept.keep(seededBytes(`${i}`, 1000));
  const stop = new AbortController();
  let read = 0;
  const verifying = verifyStore(kept.tools, {
    repair: false,
    signal: stop.signal,
    read() {
      if (++read === 3) stop.abort(new Error('enough'));
    },
    checked() {},
    found: (finding) => assert.fail(finding.kind),
  });
  await assert.rejects(verifying, { message: 'enough' });
  assert.ok(read < 10, `${read} reads`);
});
