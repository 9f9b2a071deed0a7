import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ErrorCode } from '../../src/oci/errors.ts';
import { parseTag } from '../../src/oci/reference.ts';
import type { Page, ReferrersQuery, Registry } from '../../src/oci/registry.ts';
import type { Content } from '../support/content/content.ts';
import { makeContractContent, sbomType } from '../support/content/contract-content.ts';
import { absentDigest, type RegistryCapabilities, rejectsWith, type Suite, signal } from '../support/contract-suite.ts';
import { readAll } from '../support/http/read.ts';
import { checkBlobs, checkClosing, checkRanges } from './registry-contract-blobs.ts';

/** A registry under test, holding the content that it was set up with. */
export interface ContractSubject {
  readonly registry: Registry;
  close(): Promise<void>;
}

/** Checks that a registry keeps the contract of `Registry`, on content that `setup` has it serve. */
export function registryContract(
  name: string,
  setup: (content: Content) => Promise<ContractSubject>,
  capabilities: RegistryCapabilities = {},
): void {
  describe(`${name} keeps the contract of a registry`, () => {
    const truth = makeContractContent();
    let subject: ContractSubject | undefined;
    before(async () => {
      subject = await setup(truth.content);
    });
    after(() => subject?.close());
    const suite: Suite = {
      truth,
      capabilities,
      registry() {
        assert.ok(subject, 'setup failed');
        return subject.registry;
      },
    };
    checkManifests(suite);
    checkUnknown(suite);
    checkBlobs(suite);
    checkRanges(suite);
    checkClosing(suite);
    checkAborts(suite);
    checkTags(suite);
    checkReferrers(suite);
    checkRepositories(suite);
  });
}

function checkManifests({ truth: { main, manifests }, registry }: Suite): void {
  for (const { kind, tag, manifest } of manifests) {
    const { bytes, ...descriptor } = { ...manifest, sizeBytes: manifest.bytes.length };
    for (const [by, reference] of [
      ['tag', tag],
      ['digest', manifest.digest],
    ] as const) {
      test(`resolveManifest() describes an ${kind} by ${by}`, async () => {
        const { digest, mediaType, sizeBytes } = await registry().resolveManifest(main, reference, signal);
        assert.deepEqual({ digest, mediaType, sizeBytes }, descriptor);
      });

      test(`getManifest() gives the bytes of an ${kind} by ${by} as they were pushed`, async () => {
        const got = await registry().getManifest(main, reference, signal);
        const { digest, mediaType, sizeBytes } = got;
        assert.deepEqual({ digest, mediaType, sizeBytes }, descriptor);
        assert.equal(Buffer.from(got.bytes).toString(), bytes.toString());
      });
    }
  }
}

function checkUnknown({ truth: { main, missing, manifests, blobs }, registry }: Suite): void {
  const absentTag = parseTag('absent');
  // HEAD has no body that could tell a missing repository from a missing manifest.
  const noManifest: ErrorCode[] = ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN'];
  const noBlob: ErrorCode[] = ['BLOB_UNKNOWN', 'NAME_UNKNOWN'];
  for (const [what, reference] of [
    ['tag', absentTag],
    ['digest', absentDigest],
  ] as const) {
    test(`a manifest by unknown ${what} is MANIFEST_UNKNOWN`, async () => {
      await rejectsWith(registry().resolveManifest(main, reference, signal), ['MANIFEST_UNKNOWN']);
      await rejectsWith(registry().getManifest(main, reference, signal), ['MANIFEST_UNKNOWN']);
    });
  }

  test('an unknown blob is BLOB_UNKNOWN', async () => {
    await rejectsWith(registry().statBlob(main, absentDigest, signal), ['BLOB_UNKNOWN']);
    await rejectsWith(registry().getBlob(main, absentDigest, undefined, signal), ['BLOB_UNKNOWN']);
    await rejectsWith(registry().getBlob(main, absentDigest, { start: 1 }, signal), ['BLOB_UNKNOWN']);
  });

  test('the blob of another repository is unknown', async () => {
    await rejectsWith(registry().statBlob(main, blobs.elsewhere.digest, signal), ['BLOB_UNKNOWN']);
    await rejectsWith(registry().getBlob(main, blobs.elsewhere.digest, undefined, signal), ['BLOB_UNKNOWN']);
  });

  test('an unknown repository has nothing, though others have it', async () => {
    const { tag, manifest } = manifests[0]!;
    await rejectsWith(registry().resolveManifest(missing, tag, signal), noManifest);
    await rejectsWith(registry().getManifest(missing, tag, signal), noManifest);
    await rejectsWith(registry().getManifest(missing, manifest.digest, signal), noManifest);
    await rejectsWith(registry().statBlob(missing, blobs.small.digest, signal), noBlob);
    await rejectsWith(registry().getBlob(missing, blobs.small.digest, undefined, signal), noBlob);
    await rejectsWith(registry().listTags(missing, {}, signal), ['NAME_UNKNOWN']);
  });
}

function checkAborts({ truth: { main, manifests, blobs, subject }, capabilities, registry }: Suite): void {
  const { abortsBodies = true, listsRepositories = true } = capabilities;
  const { tag } = manifests[0]!;
  const { digest } = blobs.large;
  const calls: Record<string, (gone: AbortSignal) => Promise<unknown>> = {
    resolveManifest: (gone) => registry().resolveManifest(main, tag, gone),
    getManifest: (gone) => registry().getManifest(main, tag, gone),
    statBlob: (gone) => registry().statBlob(main, digest, gone),
    getBlob: (gone) => registry().getBlob(main, digest, undefined, gone),
    listTags: (gone) => registry().listTags(main, {}, gone),
    listReferrers: (gone) => registry().listReferrers(main, subject, {}, gone),
    ...(listsRepositories ? { listRepositories: (gone) => registry().listRepositories({}, gone) } : {}),
  };
  for (const [name, call] of Object.entries(calls)) {
    test(`${name}() rejects with the reason of a signal that has fired`, async () => {
      const reason = new Error('the caller has left');
      await assert.rejects(call(AbortSignal.abort(reason)), (error) => error === reason);
    });
  }

  if (!abortsBodies) return;
  test('next() rejects with the reason when the signal fires in mid-blob', async () => {
    const reason = new Error('the caller has left');
    const caller = new AbortController();
    const content = await registry().getBlob(main, digest, undefined, caller.signal);
    const first = await content.next();
    first?.release();
    caller.abort(reason);
    await assert.rejects(readAll(content), (error) => error === reason);
    const again = await readAll(await registry().getBlob(main, digest, undefined, signal));
    assert.ok(again.equals(blobs.large.bytes), 'the next reader got other bytes');
  });
}

function checkTags({ truth: { main, tags }, capabilities: { maxPageSize = Infinity }, registry }: Suite): void {
  const walk = async (page: Page) => {
    const pages: string[][] = [];
    for (let next: Page | undefined = page; next !== undefined; ) {
      const list = await registry().listTags(main, next, signal);
      pages.push([...list.tags]);
      next = list.next;
    }
    return pages;
  };

  test('listTags() lists all tags in order', async () => {
    assert.deepEqual((await walk({})).flat(), tags);
  });

  test('listTags() gives pages of the count that was asked for, until there are no more', async () => {
    const count = 4;
    assert.deepEqual(await walk({ count }), pagesOf(tags, Math.min(count, maxPageSize)));
  });

  test('listTags() has no next page when the count takes in the last tag', async () => {
    assert.deepEqual(await walk({ count: tags.length }), pagesOf(tags, Math.min(tags.length, maxPageSize)));
  });

  test('listTags() begins after a tag, whether or not there is such a tag', async () => {
    assert.deepEqual((await walk({ last: tags[2]! })).flat(), tags.slice(3));
    assert.deepEqual((await walk({ last: `${tags[2]}-` })).flat(), tags.slice(3));
    assert.deepEqual((await walk({ last: tags.at(-1)! })).flat(), []);
  });

  test('listTags() lists none when none are asked for', async () => {
    assert.deepEqual((await registry().listTags(main, { count: 0 }, signal)).tags, []);
  });
}

interface IndexDocument {
  readonly schemaVersion: number;
  readonly manifests: readonly { readonly digest: string; readonly artifactType?: string }[];
}

function checkReferrers({ truth, capabilities, registry }: Suite): void {
  const { main, subject, referrers, manifests } = truth;
  const { filtersReferrers = true, maxPageSize = Infinity } = capabilities;
  const walk = async (digest: typeof subject, query: ReferrersQuery) => {
    const found: string[] = [];
    for (let page: ReferrersQuery | undefined = query; page !== undefined; ) {
      const { bytes, filtered, next } = await registry().listReferrers(main, digest, page, signal);
      assert.equal(filtered, query.artifactType !== undefined && filtersReferrers);
      const index = JSON.parse(Buffer.from(bytes).toString()) as IndexDocument;
      assert.equal(index.schemaVersion, 2);
      assert.ok(index.manifests.length <= maxPageSize, 'the page is too long');
      assert.ok(next === undefined || index.manifests.length > 0, 'an empty page is followed by another');
      found.push(...index.manifests.map((entry) => `${entry.artifactType} ${entry.digest}`));
      page = next === undefined ? undefined : { ...query, page: next };
    }
    return found.sort();
  };
  const linesOf = (artifactType: string) => referrers[artifactType]!.map((digest) => `${artifactType} ${digest}`);
  const all = Object.keys(referrers).flatMap(linesOf).sort();

  test('listReferrers() lists all that refer to a manifest', async () => {
    assert.deepEqual(await walk(subject, {}), all);
  });

  test('listReferrers() lists those of an artifact type, or says that it did not filter', async () => {
    const expected = filtersReferrers ? linesOf(sbomType).sort() : all;
    assert.deepEqual(await walk(subject, { artifactType: sbomType }), expected);
  });

  test('listReferrers() gives an empty index when nothing refers to a manifest', async () => {
    assert.deepEqual(await walk(manifests.at(-1)!.manifest.digest, {}), []);
    assert.deepEqual(await walk(absentDigest, {}), []);
  });
}

function checkRepositories({ truth: { main, other, content, manifests }, capabilities, registry }: Suite): void {
  if (capabilities.listsRepositories === false) return;

  test('listRepositories() lists the repositories that were pulled from, in order and by pages', async () => {
    await registry().getManifest(main, manifests[0]!.tag, signal);
    await registry().getManifest(other, parseTag('latest'), signal);
    const first = await registry().listRepositories({ count: 1 }, signal);
    assert.deepEqual(first.repositories, [main]);
    assert.ok(first.next);
    const second = await registry().listRepositories(first.next, signal);
    assert.deepEqual(second.repositories, [other]);
    const whole = await registry().listRepositories({}, signal);
    assert.deepEqual(whole.repositories, content.repositories());
    assert.equal(whole.next, undefined);
  });
}

function pagesOf(entries: readonly string[], size: number): string[][] {
  if (entries.length <= size) return [[...entries]];
  return [entries.slice(0, size), ...pagesOf(entries.slice(size), size)];
}
