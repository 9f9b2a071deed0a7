import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { hostedRegistryName } from '../../src/oci/hosted.ts';
import { parseRepository, parseTag, type Reference, type Repository } from '../../src/oci/reference.ts';
import type { PushableRegistry, UploadBody } from '../../src/oci/registry.ts';
import type { Content } from '../support/content/content.ts';
import { makeImage, makeIndex, seededBytes, type TestImage } from '../support/content/images.ts';
import { absentDigest, type RegistryCapabilities, rejectsWith, signal } from '../support/contract-suite.ts';
import { anyone, bodyOf, nothing, pushBlob, pushContent, pushImage } from '../support/hosted/push.ts';
import { readAll } from '../support/http/read.ts';
import { registryContract } from './registry-contract.ts';

/** Makes an empty registry, which is removed when the test ends. */
export type MakePushable = (t: Pick<TestContext, 'after'>) => Promise<PushableRegistry>;

const app = parseRepository('team/app');
const other = parseRepository('team/other');
const latest = parseTag('latest');
const blob = seededBytes('blob', 100_000);
const digest = digestOf(blob);

/** Checks that a registry keeps the contract of `PushableRegistry`, and with what was pushed that of `Registry`. */
export function pushContract(name: string, make: MakePushable, capabilities: RegistryCapabilities = {}): void {
  registryContract(
    `${name}, filled by pushing,`,
    async (content: Content) => {
      const ends: (() => Promise<void> | void)[] = [];
      const registry = await make({ after: (end) => void ends.push(end as () => Promise<void>) });
      await pushContent(registry, content);
      return {
        registry,
        async close() {
          for (const end of ends.toReversed()) await end();
        },
      };
    },
    capabilities,
  );
  describe(`${name} keeps the contract of a registry that is pushed to`, () => {
    describe('an upload', () => checkUploads(make));
    describe('the end of an upload', () => checkFinish(make));
    describe('an upload that is over', () => checkOver(make));
    describe('a mount', () => checkMounts(make));
    describe('a manifest', () => checkManifests(make));
    describe('a subject', () => checkSubjects(make));
    describe('a removal', () => checkRemovals(make));
  });
}

async function read(registry: PushableRegistry, repository: Repository, of: Digest): Promise<Buffer> {
  return readAll(await registry.getBlob(repository, of, undefined, signal));
}

function checkUploads(make: MakePushable): void {
  test('begins with nothing, and grows by what is added', async (t) => {
    const registry = await make(t);
    const { id, sizeBytes } = await registry.beginUpload(app, {}, signal);
    assert.match(id, /^[A-Za-z0-9-]{1,128}$/);
    assert.equal(sizeBytes, 0);
    assert.deepEqual(await registry.getUpload(app, id, signal), { id, sizeBytes: 0 });
    for (const [start, end] of [
      [0, 40_000],
      [40_000, 40_001],
      [40_001, 100_000],
    ] as const) {
      const state = await registry.appendUpload(app, id, bodyOf(blob.subarray(start, end), { start }), signal);
      assert.deepEqual(state, { id, sizeBytes: end });
      assert.deepEqual(await registry.getUpload(app, id, signal), state);
    }
    await registry.finishUpload(app, id, digest, nothing, signal);
    assert.ok((await read(registry, app, digest)).equals(blob));
  });

  test('takes a stream whose size and place nobody tells', async (t) => {
    const registry = await make(t);
    const { id } = await registry.beginUpload(app, {}, signal);
    await registry.appendUpload(app, id, bodyOf(blob.subarray(0, 70_000), { sizeBytes: undefined }), signal);
    await registry.appendUpload(app, id, bodyOf(blob.subarray(70_000), { sizeBytes: undefined }), signal);
    await registry.finishUpload(app, id, digest, nothing, signal);
    assert.ok((await read(registry, app, digest)).equals(blob));
  });

  for (const start of [0, 9_999, 10_001]) {
    test(`of 10000 bytes takes none from ${start} on, and goes on where it was`, async (t) => {
      const registry = await make(t);
      const { id } = await registry.beginUpload(app, {}, signal);
      await registry.appendUpload(app, id, bodyOf(blob.subarray(0, 10_000)), signal);
      const wrong = () => bodyOf(blob.subarray(0, 10_000), { start });
      await rejectsWith(registry.appendUpload(app, id, wrong(), signal), ['RANGE_INVALID']);
      await rejectsWith(registry.finishUpload(app, id, digest, wrong(), signal), ['RANGE_INVALID']);
      assert.deepEqual(await registry.getUpload(app, id, signal), { id, sizeBytes: 10_000 });
      await registry.finishUpload(app, id, digest, bodyOf(blob.subarray(10_000), { start: 10_000 }), signal);
      assert.ok((await read(registry, app, digest)).equals(blob));
    });
  }

  for (const [how, breakOff] of [
    ['fails', () => Promise.reject(new Error('the connection was reset'))],
    ['ends', () => Promise.resolve()],
  ] as const) {
    test(`keeps what came before a body ${how} early, and goes on after it`, async (t) => {
      const registry = await make(t);
      const { id } = await registry.beginUpload(app, {}, signal);
      async function* bytes() {
        yield blob.subarray(0, 30_000);
        await breakOff();
      }
      const broken: UploadBody = { bytes: bytes(), sizeBytes: blob.length, start: 0 };
      await assert.rejects(registry.appendUpload(app, id, broken, signal));
      const { sizeBytes } = await registry.getUpload(app, id, signal);
      assert.ok(sizeBytes <= 30_000);
      const rest = bodyOf(blob.subarray(sizeBytes), { start: sizeBytes });
      await registry.finishUpload(app, id, digest, rest, signal);
      assert.ok((await read(registry, app, digest)).equals(blob));
    });
  }

  test('is that of its repository, and unknown to others', async (t) => {
    const registry = await make(t);
    const { id } = await registry.beginUpload(app, {}, signal);
    await registry.beginUpload(other, {}, signal);
    await rejectsWith(registry.getUpload(other, id, signal), ['BLOB_UPLOAD_UNKNOWN']);
    await rejectsWith(registry.appendUpload(other, id, bodyOf(blob), signal), ['BLOB_UPLOAD_UNKNOWN']);
    await rejectsWith(registry.finishUpload(other, id, digest, bodyOf(blob), signal), ['BLOB_UPLOAD_UNKNOWN']);
    await rejectsWith(registry.cancelUpload(other, id, signal), ['BLOB_UPLOAD_UNKNOWN']);
    assert.deepEqual(await registry.getUpload(app, id, signal), { id, sizeBytes: 0 });
  });

  test('rejects with the reason of a signal that has fired, and goes on after it', async (t) => {
    const registry = await make(t);
    const reason = new Error('the client has gone');
    const gone = AbortSignal.abort(reason);
    const { id } = await registry.beginUpload(app, {}, signal);
    const push = { reference: latest, tags: [], mediaType: 'application/json', bytes: Buffer.from('{}') };
    for (const call of [
      registry.beginUpload(app, {}, gone),
      registry.getUpload(app, id, gone),
      registry.appendUpload(app, id, bodyOf(blob), gone),
      registry.finishUpload(app, id, digest, bodyOf(blob), gone),
      registry.cancelUpload(app, id, gone),
      registry.mountBlob(app, digest, anyone, gone),
      registry.putManifest(app, push, gone),
      registry.deleteTag(app, latest, gone),
      registry.deleteManifest(app, digest, gone),
      registry.deleteBlob(app, digest, gone),
    ]) {
      await assert.rejects(call, (error) => error === reason);
    }
    await registry.finishUpload(app, id, digest, bodyOf(blob), signal);
    assert.ok((await read(registry, app, digest)).equals(blob));
  });
}

function checkFinish(make: MakePushable): void {
  for (const [what, bytes, algorithm] of [
    ['a blob', blob, 'sha256'],
    ['a blob by sha512', blob, 'sha512'],
    ['an empty blob', Buffer.alloc(0), 'sha256'],
    ['a blob of many pieces', seededBytes('large', 5 * 1024 * 1024 + 1), 'sha256'],
  ] as const) {
    for (const hint of [{}, { algorithm, sizeBytes: bytes.length }]) {
      const told = 'algorithm' in hint ? 'when it was told what comes' : 'when it was told nothing';
      test(`makes ${what} of it at once, ${told}`, async (t) => {
        const registry = await make(t);
        const of = digestOf(bytes, algorithm);
        const { id } = await registry.beginUpload(app, hint, signal);
        await registry.finishUpload(app, id, of, bodyOf(bytes), signal);
        assert.equal((await registry.statBlob(app, of, signal)).sizeBytes, bytes.length);
        assert.ok((await read(registry, app, of)).equals(bytes));
        await rejectsWith(registry.statBlob(other, of, signal), ['BLOB_UNKNOWN', 'NAME_UNKNOWN']);
      });
    }
  }

  test('takes another algorithm than it was told in the beginning', async (t) => {
    const registry = await make(t);
    const of = digestOf(blob, 'sha512');
    const { id } = await registry.beginUpload(app, { algorithm: 'sha256' }, signal);
    await registry.appendUpload(app, id, bodyOf(blob.subarray(0, 50_000)), signal);
    await registry.finishUpload(app, id, of, bodyOf(blob.subarray(50_000)), signal);
    assert.ok((await read(registry, app, of)).equals(blob));
  });

  test('stores nothing that has another digest, and the upload is over', async (t) => {
    const registry = await make(t);
    const { id } = await registry.beginUpload(app, {}, signal);
    await rejectsWith(registry.finishUpload(app, id, absentDigest, bodyOf(blob), signal), ['DIGEST_INVALID']);
    await rejectsWith(registry.getUpload(app, id, signal), ['BLOB_UPLOAD_UNKNOWN']);
    for (const absent of [absentDigest, digest]) {
      await rejectsWith(registry.statBlob(app, absent, signal), ['BLOB_UNKNOWN', 'NAME_UNKNOWN']);
    }
  });

  test('takes what is there already, again', async (t) => {
    const registry = await make(t);
    await pushBlob(registry, app, blob);
    await pushBlob(registry, app, blob);
    assert.ok((await read(registry, app, digest)).equals(blob));
  });

  test('is right for several at a time, of one blob and of others', async (t) => {
    const registry = await make(t);
    const blobs = [blob, blob, ...[1, 2, 3].map((seed) => seededBytes(`blob ${seed}`, 50_000))];
    await Promise.all(blobs.map((bytes, at) => pushBlob(registry, at % 2 === 0 ? app : other, bytes)));
    for (const [at, bytes] of blobs.entries()) {
      assert.ok((await read(registry, at % 2 === 0 ? app : other, digestOf(bytes))).equals(bytes));
    }
  });
}

function checkOver(make: MakePushable): void {
  for (const [how, end] of [
    ['finished', (registry, id) => registry.finishUpload(app, id, digest, bodyOf(blob), signal)],
    ['cancelled', (registry, id) => registry.cancelUpload(app, id, signal)],
  ] as const satisfies [string, (registry: PushableRegistry, id: string) => Promise<void>][]) {
    test(`as it was ${how}, is unknown`, async (t) => {
      const registry = await make(t);
      const { id } = await registry.beginUpload(app, {}, signal);
      await end(registry, id);
      await rejectsWith(registry.getUpload(app, id, signal), ['BLOB_UPLOAD_UNKNOWN']);
      await rejectsWith(registry.appendUpload(app, id, bodyOf(blob), signal), ['BLOB_UPLOAD_UNKNOWN']);
      await rejectsWith(registry.finishUpload(app, id, digest, bodyOf(blob), signal), ['BLOB_UPLOAD_UNKNOWN']);
      await rejectsWith(registry.cancelUpload(app, id, signal), ['BLOB_UPLOAD_UNKNOWN']);
    });
  }

  test('is one that never was', async (t) => {
    const registry = await make(t);
    for (const id of ['never', '00000000-0000-0000-0000-000000000000', 'x'.repeat(128)]) {
      await rejectsWith(registry.getUpload(app, id, signal), ['BLOB_UPLOAD_UNKNOWN']);
      await rejectsWith(registry.cancelUpload(app, id, signal), ['BLOB_UPLOAD_UNKNOWN']);
    }
  });
}

function checkMounts(make: MakePushable): void {
  for (const from of [other, undefined]) {
    test(`gives a blob of ${from === undefined ? 'any repository' : 'the repository that is named'}`, async (t) => {
      const registry = await make(t);
      await pushBlob(registry, other, blob);
      assert.equal(await registry.mountBlob(app, digest, { ...anyone, from }, signal), true);
      assert.ok((await read(registry, app, digest)).equals(blob));
    });
  }

  test('of what is not there gives nothing', async (t) => {
    const registry = await make(t);
    await pushBlob(registry, other, blob);
    assert.equal(await registry.mountBlob(app, absentDigest, anyone, signal), false);
    await rejectsWith(registry.statBlob(app, absentDigest, signal), ['BLOB_UNKNOWN', 'NAME_UNKNOWN']);
  });

  test('gives nothing of a repository that the client may not read', async (t) => {
    const registry = await make(t);
    await pushBlob(registry, other, blob);
    const asked: string[] = [];
    const mayRead = (name: string, repository: Repository) => {
      asked.push(`${name} ${repository}`);
      return false;
    };
    for (const from of [other, undefined]) {
      assert.equal(await registry.mountBlob(app, digest, { from, mayRead }, signal), false);
    }
    assert.deepEqual(new Set(asked), new Set([`${hostedRegistryName} ${other}`]));
    await rejectsWith(registry.statBlob(app, digest, signal), ['BLOB_UNKNOWN', 'NAME_UNKNOWN']);
  });
}

function checkManifests(make: MakePushable): void {
  const image = makeImage({ seed: 'image', layers: [1000, 20] });
  const { bytes, mediaType } = image.manifest;
  const references: readonly (readonly [by: string, reference: Reference, tags: string[], named: string[]])[] = [
    ['by tag', latest, [], ['latest']],
    ['by digest', image.manifest.digest, [], []],
    ['by digest with tags beside it', image.manifest.digest, ['v1', 'v1.2'], ['v1', 'v1.2']],
    ['by tag with tags beside it', latest, ['v1'], ['latest', 'v1']],
  ];
  for (const [by, reference, tags, named] of references) {
    test(`${by} is kept byte for byte, and stands under its digest and its tags`, async (t) => {
      const registry = await make(t);
      for (const one of image.blobs) await pushBlob(registry, app, one.bytes);
      const push = { reference, tags: tags.map(parseTag), mediaType, bytes };
      const pushed = await registry.putManifest(app, push, signal);
      assert.deepEqual([pushed.digest, pushed.subject], [image.manifest.digest, undefined]);
      assert.deepEqual([...pushed.tags].sort(), named);
      for (const at of [pushed.digest, ...named.map(parseTag)]) {
        const got = await registry.getManifest(app, at, signal);
        assert.deepEqual([got.digest, got.mediaType], [pushed.digest, mediaType]);
        assert.ok(Buffer.from(got.bytes).equals(bytes));
      }
      assert.deepEqual((await registry.listTags(app, {}, signal)).tags, named);
    });
  }

  test('by sha512 stands under that digest', async (t) => {
    const registry = await make(t);
    for (const one of image.blobs) await pushBlob(registry, app, one.bytes);
    const reference = digestOf(bytes, 'sha512');
    const pushed = await registry.putManifest(app, { reference, tags: [], mediaType, bytes }, signal);
    assert.equal(pushed.digest, reference);
    assert.ok(Buffer.from((await registry.getManifest(app, reference, signal)).bytes).equals(bytes));
  });

  test('whose digest is not that of its bytes is not taken', async (t) => {
    const registry = await make(t);
    for (const one of image.blobs) await pushBlob(registry, app, one.bytes);
    const push = { reference: absentDigest, tags: [latest], mediaType, bytes };
    await rejectsWith(registry.putManifest(app, push, signal), ['DIGEST_INVALID']);
    await rejectsWith(registry.getManifest(app, latest, signal), ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN']);
  });

  test('whose blobs the repository has not is not taken, though others have them', async (t) => {
    const registry = await make(t);
    await pushImage(registry, other, image, 'latest');
    await pushBlob(registry, app, image.blobs[0]!.bytes);
    const push = { reference: latest, tags: [], mediaType, bytes };
    await rejectsWith(registry.putManifest(app, push, signal), ['MANIFEST_BLOB_UNKNOWN']);
    await rejectsWith(registry.getManifest(app, latest, signal), ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN']);
  });

  test('that is no JSON is not taken', async (t) => {
    const registry = await make(t);
    const push = { reference: latest, tags: [], mediaType, bytes: Buffer.from('{"schemaVersion":2') };
    await rejectsWith(registry.putManifest(app, push, signal), ['MANIFEST_INVALID']);
  });

  test('takes its tag from another, which stays under its digest', async (t) => {
    const registry = await make(t);
    const newer = makeImage({ seed: 'newer', layers: [10] });
    await pushImage(registry, app, image, 'latest');
    await pushImage(registry, app, newer, 'latest');
    assert.equal((await registry.resolveManifest(app, latest, signal)).digest, newer.manifest.digest);
    assert.equal((await registry.resolveManifest(app, image.manifest.digest, signal)).digest, image.manifest.digest);
  });

  test('under one tag with another at the same time is one of the two, whole', async (t) => {
    const registry = await make(t);
    const images = ['one', 'two', 'three'].map((seed) => makeImage({ seed, layers: [100] }));
    await Promise.all(images.map((one) => pushImage(registry, app, one, 'latest')));
    const { digest: found } = await registry.resolveManifest(app, latest, signal);
    const winner = images.find(({ manifest }) => manifest.digest === found);
    assert.ok(winner, 'the tag stands for none of them');
    for (const one of winner.blobs) assert.ok((await read(registry, app, one.digest)).equals(one.bytes));
  });

  test('of an index is kept with what is below it', async (t) => {
    const registry = await make(t);
    const index = makeIndex([image, makeImage({ seed: 'arm', layers: [10], architecture: 'arm64' })]);
    await pushImage(registry, app, index, 'latest');
    assert.ok(Buffer.from((await registry.getManifest(app, latest, signal)).bytes).equals(index.manifest.bytes));
  });
}

function checkSubjects(make: MakePushable): void {
  const image = makeImage({ seed: 'image', layers: [10] });
  const sbom = (seed: string): TestImage =>
    makeImage({ seed, layers: [10], artifactType: 'application/x.sbom', subject: image.manifest });
  const listed = async (registry: PushableRegistry) => {
    const { bytes } = await registry.listReferrers(app, image.manifest.digest, {}, signal);
    const { manifests } = JSON.parse(Buffer.from(bytes).toString()) as { manifests: { digest: string }[] };
    return manifests.map((entry) => entry.digest);
  };

  test('need not be there when what refers to it is pushed', async (t) => {
    const registry = await make(t);
    const referrer = sbom('early');
    const pushed = await pushImage(registry, app, referrer);
    assert.equal(pushed.subject, image.manifest.digest);
    assert.deepEqual(await listed(registry), [referrer.manifest.digest]);
  });

  test('lists who refers to it until that is removed, and is as it was', async (t) => {
    const registry = await make(t);
    await pushImage(registry, app, image, 'latest');
    assert.deepEqual(await listed(registry), []);
    const referrers = ['one', 'two'].map(sbom);
    for (const referrer of referrers) await pushImage(registry, app, referrer);
    const digests = referrers.map(({ manifest }) => manifest.digest);
    assert.deepEqual((await listed(registry)).sort(), [...digests].sort());
    await registry.deleteManifest(app, digests[0]!, signal);
    assert.deepEqual(await listed(registry), [digests[1]]);
    assert.deepEqual((await registry.listTags(app, {}, signal)).tags, ['latest']);
  });
}

function checkRemovals(make: MakePushable): void {
  const image = makeImage({ seed: 'image', layers: [1000] });

  test('of a tag leaves the manifest, and its other tags', async (t) => {
    const registry = await make(t);
    await pushImage(registry, app, image, 'latest');
    await pushImage(registry, app, image, 'v1');
    await registry.deleteTag(app, latest, signal);
    await rejectsWith(registry.getManifest(app, latest, signal), ['MANIFEST_UNKNOWN']);
    assert.deepEqual((await registry.listTags(app, {}, signal)).tags, ['v1']);
    await registry.getManifest(app, image.manifest.digest, signal);
    await rejectsWith(registry.deleteTag(app, latest, signal), ['MANIFEST_UNKNOWN']);
  });

  test('of a manifest takes its tags along, and no blob', async (t) => {
    const registry = await make(t);
    const kept = makeImage({ seed: 'kept', layers: [10] });
    await pushImage(registry, app, image, 'latest');
    await pushImage(registry, app, image, 'v1');
    await pushImage(registry, app, kept, 'kept');
    await registry.deleteManifest(app, image.manifest.digest, signal);
    for (const reference of [latest, parseTag('v1'), image.manifest.digest]) {
      await rejectsWith(registry.getManifest(app, reference, signal), ['MANIFEST_UNKNOWN']);
    }
    assert.deepEqual((await registry.listTags(app, {}, signal)).tags, ['kept']);
    for (const one of image.blobs) await registry.statBlob(app, one.digest, signal);
    await rejectsWith(registry.deleteManifest(app, image.manifest.digest, signal), ['MANIFEST_UNKNOWN']);
  });

  test('of a blob takes it from one repository, and from no other', async (t) => {
    const registry = await make(t);
    await pushBlob(registry, app, blob);
    await pushBlob(registry, other, blob);
    await registry.deleteBlob(app, digest, signal);
    await rejectsWith(registry.statBlob(app, digest, signal), ['BLOB_UNKNOWN', 'NAME_UNKNOWN']);
    await rejectsWith(registry.deleteBlob(app, digest, signal), ['BLOB_UNKNOWN', 'NAME_UNKNOWN']);
    assert.ok((await read(registry, other, digest)).equals(blob));
    await pushBlob(registry, app, blob);
    assert.ok((await read(registry, app, digest)).equals(blob));
  });

  test('of a blob that a manifest references is not to be had until that is removed', async (t) => {
    const registry = await make(t);
    await pushImage(registry, app, image, 'latest');
    const [{ digest: used } = { digest }] = image.blobs;
    await rejectsWith(registry.deleteBlob(app, used, signal), ['UNSUPPORTED']);
    await registry.deleteManifest(app, image.manifest.digest, signal);
    await registry.deleteBlob(app, used, signal);
    await rejectsWith(registry.statBlob(app, used, signal), ['BLOB_UNKNOWN', 'NAME_UNKNOWN']);
  });

  test('of what is not there says so', async (t) => {
    const registry = await make(t);
    await pushImage(registry, app, image, 'latest');
    for (const repository of [app, other]) {
      await rejectsWith(registry.deleteTag(repository, parseTag('absent'), signal), [
        'MANIFEST_UNKNOWN',
        'NAME_UNKNOWN',
      ]);
      await rejectsWith(registry.deleteManifest(repository, absentDigest, signal), [
        'MANIFEST_UNKNOWN',
        'NAME_UNKNOWN',
      ]);
      await rejectsWith(registry.deleteBlob(repository, absentDigest, signal), ['BLOB_UNKNOWN', 'NAME_UNKNOWN']);
    }
  });
}
