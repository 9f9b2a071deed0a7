import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { HostedIndex, HostedLink, HostedLinks, HostedManifest, HostedPage } from '../../src/index/hosted-index.ts';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { hostedRegistryName } from '../../src/oci/hosted.ts';
import { parseRepository, parseTag } from '../../src/oci/reference.ts';
import type { MakeHostedIndex } from '../support/index-under-test.ts';
import { heldContent } from './hosted-index-held.ts';

/** The tests that every index with hosted repositories passes. */
export function hostedIndexContract(name: string, make: MakeHostedIndex): void {
  describe(`${name} is a hosted index`, () => {
    describe('blobs', () => blobs(make));
    describe('manifests', () => manifests(make));
    describe('removed manifests and blobs', () => removal(make));
    describe('referrers', () => referrers(make));
    describe('garbage', () => garbage(make));
    describe('lost content', () => lost(make));
    describe('held content', () => heldContent(make));
  });
}

const app = parseRepository('team/app');
const other = parseRepository('team/other');
const appKey = { registry: hostedRegistryName, repository: app };
const alpine = { registry: 'docker.io', repository: parseRepository('library/alpine') };
const [v1, v2] = [parseTag('v1'), parseTag('v2')];
const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const [config, layer, image, second] = ['config', 'layer', 'image', 'second'].map((text) =>
  digestOf(Buffer.from(text)),
) as [Digest, Digest, Digest, Digest];

function manifest(digest: Digest, references: readonly Digest[], more: Partial<HostedManifest> = {}): HostedManifest {
  const about = { subject: undefined, artifactType: undefined, annotations: undefined };
  return { digest, mediaType: manifestType, sizeBytes: 100, references, required: references, ...about, ...more };
}

/** An image of a configuration and a layer, under a tag. */
async function pushImage(index: HostedIndex, nowMs = 10, repository = app): Promise<void> {
  await index.addBlob(repository, config, 1, nowMs);
  await index.addBlob(repository, layer, 20, nowMs);
  assert.deepEqual(await index.putManifest(repository, manifest(image, [config, layer]), [v1], nowMs), []);
}

/** Removes a manifest, and lets go of it. */
async function removeManifest(index: HostedIndex, digest: Digest): Promise<void> {
  const removed = await index.removeManifest(app, digest);
  assert.ok(removed);
  await index.letGo(app, digest, removed);
}

function blobs(make: MakeHostedIndex): void {
  test('a blob that was added is linked, with its size, from its repository alone', async (t) => {
    const index = await make(t);
    await index.addBlob(app, layer, 20, 1);
    assert.deepEqual(await index.getLink(appKey, layer), { mediaType: undefined, sizeBytes: 20 });
    assert.equal(await index.getLink({ ...appKey, repository: other }, layer), undefined);
  });

  test('a blob is mounted when it is stored, whoever brought it, and not otherwise', async (t) => {
    const index = await make(t);
    assert.equal(await index.mountBlob(app, layer, 1), false);
    await index.link(alpine, layer, undefined, 1);
    assert.equal(await index.mountBlob(app, layer, 1), false, 'a link is no content');
    assert.equal(await index.getLink(appKey, layer), undefined);
    await index.putContent(layer, 20, 1);
    assert.equal(await index.mountBlob(app, layer, 1), true);
    assert.deepEqual(await index.getLink(appKey, layer), { mediaType: undefined, sizeBytes: 20 });
    await index.addBlob(app, config, 1, 1);
    assert.equal(await index.mountBlob(other, config, 1), true);
  });

  test('what is only held is not there', async (t) => {
    const index = await make(t);
    await index.hold(app, layer, 1);
    await index.hold(app, layer, 1);
    assert.deepEqual(await index.getLink(appKey, layer), { mediaType: undefined, sizeBytes: undefined });
    assert.equal(await index.mountBlob(other, layer, 1), false);
    assert.deepEqual(await index.putManifest(app, manifest(image, [layer]), [], 1), [layer]);
    assert.deepEqual(await index.listHolders(layer, 9), []);
  });

  test('what must be held is not noted when the hold was taken away', async (t) => {
    const index = await make(t);
    await index.addBlob(app, config, 1, 1);
    const held = { ...manifest(image, [config]), mustBeHeld: true };
    for (const isHeld of [false, true]) {
      for (const digest of [layer, image]) {
        await index.hold(app, digest, 1);
        if (!isHeld) assert.equal(await index.removeBlob(app, digest), 'removed');
      }
      const added = await index.addBlob(app, layer, 20, 2, true);
      assert.deepEqual(added, isHeld ? { digest: layer, storedAtMs: 2 } : 'unheld');
      assert.deepEqual(await index.putManifest(app, held, [v1], 2), isHeld ? [] : [image]);
      for (const digest of [layer, image]) {
        assert.equal((await index.getLink(appKey, digest)) !== undefined, isHeld);
        assert.equal((await index.getContent(digest)) !== undefined, isHeld);
      }
      assert.equal((await index.getTag(appKey, v1)) !== undefined, isHeld);
    }
  });

  test('that content was stored is taken back by who has noted it first, as long as nobody stores it again', async (t) => {
    const index = await make(t);
    const added = await index.addBlob(app, layer, 20, 10);
    assert.ok(added !== undefined && added !== 'unheld');
    await index.link(alpine, layer, undefined, 1);
    await index.takeBack(added);
    assert.deepEqual(await index.getLink(appKey, layer), { mediaType: undefined, sizeBytes: undefined });
    assert.equal(await index.getContent(layer), undefined);
    assert.equal(await index.getLink(alpine, layer), undefined);
    for (const nowMs of [20, 20, 10]) {
      const first = await index.addBlob(app, layer, 20, 20);
      assert.ok(first !== undefined && first !== 'unheld');
      assert.equal(await index.addBlob(other, layer, 20, nowMs), undefined);
      await index.takeBack(first);
      assert.equal((await index.getLink(appKey, layer))?.sizeBytes, 20, `${nowMs}`);
      await index.removeContent(layer);
    }
  });

  test('the holders of stored content are of all registries, hosted ones first', async (t) => {
    const index = await make(t);
    await index.link(alpine, layer, undefined, 1);
    assert.deepEqual(await index.listHolders(layer, 9), []);
    await index.addBlob(app, layer, 20, 1);
    assert.deepEqual(await index.listHolders(layer, 9), [appKey, alpine]);
    assert.deepEqual(await index.listHolders(layer, 1), [appKey]);
  });

  test('the totals count content of several repositories once', async (t) => {
    const index = await make(t);
    assert.deepEqual(await index.hostedTotals(), { repositories: 0, contents: 0, sizeBytes: 0 });
    await index.addBlob(app, layer, 20, 1);
    await index.addBlob(other, layer, 20, 1);
    await index.addBlob(other, config, 1, 1);
    assert.deepEqual(await index.hostedTotals(), { repositories: 2, contents: 2, sizeBytes: 21 });
    assert.equal(await index.removeBlob(app, layer), 'removed');
    assert.deepEqual(await index.hostedTotals(), { repositories: 1, contents: 2, sizeBytes: 21 });
  });

  test('what was written can be synced, also by several at a time', async (t) => {
    const index = await make(t);
    await index.sync();
    await index.addBlob(app, layer, 20, 1);
    await Promise.all([index.sync(), index.sync(), index.sync()]);
  });
}

function manifests(make: MakeHostedIndex): void {
  test('a manifest is linked, tagged, and known with what it references', async (t) => {
    const index = await make(t);
    await pushImage(index, 10);
    const entry = { digest: image, mediaType: manifestType, sizeBytes: 100, checkedAtMs: 10 };
    assert.deepEqual(await index.getTag(appKey, v1), entry);
    assert.deepEqual(await index.getLink(appKey, image), { mediaType: manifestType, sizeBytes: 100 });
    const references = await index.referencesOf(image);
    assert.deepEqual(new Set(references.map(({ digest }) => digest)), new Set([config, layer]));
    assert.deepEqual(await index.listUnreadManifests({ count: 9 }), []);
    const { level, isManifest } = (await index.getContent(image))!;
    assert.deepEqual({ level, isManifest }, { level: 1, isManifest: true });
    assert.deepEqual(
      (await index.listManifests({ count: 9 })).map(({ tags }) => tags),
      [[v1]],
    );
  });

  test('what is required and not of the repository is told, and then nothing is noted', async (t) => {
    const index = await make(t);
    await index.addBlob(app, config, 1, 1);
    await index.addBlob(other, layer, 20, 1);
    assert.deepEqual(await index.putManifest(app, manifest(image, [config, layer, layer]), [v1], 1), [layer]);
    assert.equal(await index.getTag(appKey, v1), undefined);
    assert.equal(await index.getLink(appKey, image), undefined);
    assert.equal(await index.getContent(image), undefined);
    const unrequired = manifest(image, [config, layer], { required: [config] });
    assert.deepEqual(await index.putManifest(app, unrequired, [v1, v2], 1), []);
    assert.deepEqual(await index.listTags(appKey, {}), [v1, v2]);
  });

  test('what is required must be stored, not only linked', async (t) => {
    const index = await make(t);
    await index.addBlob(app, layer, 20, 1);
    await index.removeContent(layer);
    assert.deepEqual(await index.putManifest(app, manifest(image, [layer]), [], 2), [layer]);
    await index.addBlob(app, layer, 20, 3);
    assert.deepEqual(await index.putManifest(app, manifest(image, [layer]), [], 4), []);
  });

  test('a tag that is pushed again stands for the new manifest, and the old one stays', async (t) => {
    const index = await make(t);
    await pushImage(index);
    await index.putManifest(app, manifest(second, [layer]), [v1], 20);
    assert.equal((await index.getTag(appKey, v1))?.digest, second);
    assert.deepEqual(await index.getLink(appKey, image), { mediaType: manifestType, sizeBytes: 100 });
  });

  test('a tag is removed and nothing else', async (t) => {
    const index = await make(t);
    assert.equal(await index.untag(app, v1), false);
    await pushImage(index);
    assert.equal(await index.untag(app, v1, second), false, 'it stands for another');
    assert.equal(await index.untag(app, v1), true);
    assert.equal(await index.untag(app, v1), false);
    assert.equal(await index.getTag(appKey, v1), undefined);
    assert.deepEqual(await index.getLink(appKey, image), { mediaType: manifestType, sizeBytes: 100 });
  });
}

function removal(make: MakeHostedIndex): void {
  test('a manifest goes with its tags, of its repository alone, and lets go of what it referenced', async (t) => {
    const index = await make(t);
    await pushImage(index);
    await pushImage(index, 10, other);
    await index.putManifest(app, manifest(image, [config, layer]), [v2], 11);
    const removed = await index.removeManifest(app, image);
    assert.deepEqual(removed, { tags: [v1, v2], linkedAtMs: 11 });
    assert.equal(await index.removeManifest(app, image), undefined);
    assert.deepEqual(await index.listTags(appKey, {}), []);
    assert.deepEqual(await index.getLink(appKey, image), { mediaType: undefined, sizeBytes: 100 });
    assert.equal(await index.removeBlob(app, layer), 'referenced');
    await index.letGo(app, image, removed);
    assert.equal(await index.getLink(appKey, image), undefined);
    assert.equal((await index.getTag({ ...appKey, repository: other }, v1))?.digest, image);
    assert.equal(await index.removeBlob(app, layer), 'removed');
    assert.equal(await index.removeBlob(other, layer), 'referenced');
  });

  test('what was a manifest is held with all that it references until it is let go of', async (t) => {
    const index = await make(t);
    await pushImage(index, 10);
    await index.putManifest(app, manifest(second, [layer], { subject: image }), [], 10);
    const removed = await index.removeManifest(app, second);
    assert.ok(removed);
    assert.deepEqual(await index.listReferrers(app, image, { count: 9 }), []);
    assert.deepEqual(await index.removeContents([image, second, layer, config]), []);
    const held = (await index.listHeld({ count: 9 })).found.find(({ digest }) => digest === second);
    assert.deepEqual([held?.mediaType, held?.references], [undefined, [layer]]);
    const alsoRemoved = await index.removeManifest(app, image);
    await index.letGo(app, image, alsoRemoved!);
    assert.equal(await index.removeBlob(app, config), 'removed');
    assert.equal(await index.removeBlob(app, layer), 'referenced');
    await index.letGo(app, second, removed);
    assert.equal(await index.removeBlob(app, layer), 'removed');
    assert.deepEqual(await index.listUnlinked([image, second]), [image, second]);
  });

  test('what was a manifest goes as the blob that it looks like, too, and lets go of what it references', async (t) => {
    const index = await make(t);
    await pushImage(index, 10);
    await index.removeManifest(app, image);
    assert.equal(await index.removeBlob(app, image, 10), 'renewed');
    assert.equal(await index.removeBlob(app, image, 11), 'removed');
    assert.equal(await index.removeBlob(app, layer), 'removed');
  });

  test('what somebody pushes again, or is about to, is not let go of', async (t) => {
    const index = await make(t);
    await pushImage(index, 10);
    const removed = await index.removeManifest(app, image);
    await index.hold(app, image, 20);
    await index.letGo(app, image, removed!);
    assert.deepEqual(await index.getLink(appKey, image), { mediaType: undefined, sizeBytes: 100 });
    await pushImage(index, 10);
    const again = await index.removeManifest(app, image);
    assert.equal(again?.linkedAtMs, 20);
    await pushImage(index, 10);
    await index.letGo(app, image, again);
    assert.equal((await index.getLink(appKey, image))?.mediaType, manifestType);
  });

  test('a blob is no manifest, and a manifest no blob', async (t) => {
    const index = await make(t);
    await pushImage(index);
    assert.equal(await index.removeManifest(app, layer), undefined);
    assert.equal(await index.removeBlob(app, image), 'missing');
  });

  test('a blob goes unless a manifest references it, or it was renewed', async (t) => {
    const index = await make(t);
    assert.equal(await index.removeBlob(app, layer), 'missing');
    await pushImage(index, 10);
    assert.equal(await index.removeBlob(app, layer), 'referenced');
    assert.equal(await index.isReferenced(app, layer), true);
    assert.equal(await index.isReferenced(other, layer), false);
    await removeManifest(index, image);
    assert.equal(await index.isReferenced(app, layer), false);
    assert.equal(await index.removeBlob(app, layer, 10), 'renewed');
    await index.mountBlob(app, layer, 20);
    assert.equal(await index.removeBlob(app, layer, 20), 'renewed');
    assert.equal(await index.removeBlob(app, layer, 21), 'removed');
    assert.equal(await index.removeBlob(app, layer), 'missing');
  });

  test('each way to link again renews the link, and an earlier time does not set it back', async (t) => {
    const renewals: ((index: HostedIndex, nowMs: number) => Promise<unknown>)[] = [
      (index, nowMs) => index.hold(app, layer, nowMs),
      (index, nowMs) => index.addBlob(app, layer, 20, nowMs),
      (index, nowMs) => index.mountBlob(app, layer, nowMs),
    ];
    for (const renew of renewals) {
      const index = await make(t);
      await index.addBlob(app, layer, 20, 10);
      await renew(index, 30);
      await renew(index, 20);
      assert.equal(await index.removeBlob(app, layer, 30), 'renewed');
    }
  });

  test('a link that somebody was told of is renewed, unless it is hardly a minute old', async (t) => {
    const index = await make(t);
    await index.renew(app, layer, 1);
    assert.equal(await index.getLink(appKey, layer), undefined);
    await index.addBlob(app, layer, 20, 1_000_000);
    await index.renew(app, layer, 1_060_000);
    assert.equal(await index.removeBlob(app, layer, 1_000_000), 'renewed');
    await index.renew(app, layer, 1_060_001);
    assert.equal(await index.removeBlob(app, layer, 1_060_001), 'renewed');
    assert.equal(await index.removeBlob(app, layer, 1_060_002), 'removed');
  });

  test('what is garbage no more is not removed as garbage', async (t) => {
    const index = await make(t);
    await pushImage(index, 10);
    const remove = (digest: Digest, beforeMs: number, orReferrer = true) =>
      index.removeManifest(app, digest, { beforeMs, orReferrer });
    assert.equal(await remove(image, 99), undefined, 'it has a tag');
    await index.untag(app, v1);
    assert.equal(await remove(image, 10), undefined, 'it is too young');
    await index.putManifest(app, manifest(second, [image]), [v1], 10);
    assert.equal(await remove(image, 99), undefined, 'another references it');
    await index.removeManifest(app, second);
    await index.putManifest(app, manifest(second, [layer], { subject: image }), [], 10);
    assert.equal(await remove(second, 11), undefined, 'its subject is there');
    assert.ok(await remove(second, 11, false), 'unless that is no reason');
    await index.putManifest(app, manifest(second, [layer], { subject: image }), [], 10);
    assert.ok(await remove(image, 11));
    assert.ok(await remove(second, 11));
  });
}

function referrers(make: MakeHostedIndex): void {
  const about = (subject: Digest, artifactType: string | undefined) => ({ subject, artifactType });

  test('they come in the order of their digests, with what is said of them, of one repository', async (t) => {
    const index = await make(t);
    await pushImage(index);
    const [a, b, c] = ['a', 'b', 'c'].map((text) => digestOf(Buffer.from(text))) as [Digest, Digest, Digest];
    const annotations = { by: 'me' };
    await index.putManifest(app, manifest(a, [layer], { ...about(image, 'signature'), annotations }), [], 1);
    await index.putManifest(app, manifest(b, [layer], about(image, undefined)), [], 1);
    await index.putManifest(app, manifest(c, [layer], about(second, 'signature')), [], 1);
    const common = { mediaType: manifestType, sizeBytes: 100 };
    const expected = [
      { ...common, digest: a, artifactType: 'signature', annotations },
      { ...common, digest: b, artifactType: undefined, annotations: undefined },
    ].sort((x, y) => (x.digest < y.digest ? -1 : 1));
    assert.deepEqual(await index.listReferrers(app, image, { count: 9 }), expected);
    assert.deepEqual(await index.listReferrers(app, image, { count: 1 }), expected.slice(0, 1));
    const after = expected[0]!.digest;
    assert.deepEqual(await index.listReferrers(app, image, { count: 9, after }), expected.slice(1));
    const signatures = await index.listReferrers(app, image, { count: 9, artifactType: 'signature' });
    assert.deepEqual(
      signatures.map(({ digest }) => digest),
      [a],
    );
    assert.deepEqual(await index.listReferrers(other, image, { count: 9 }), []);
  });

  test('one that is removed comes no more, and one that is pushed again says what it said last', async (t) => {
    const index = await make(t);
    await index.addBlob(app, layer, 20, 1);
    await index.putManifest(app, manifest(second, [layer], about(image, 'one')), [], 1);
    await index.putManifest(app, manifest(second, [layer], about(image, 'two')), [], 2);
    const found = await index.listReferrers(app, image, { count: 9 });
    assert.deepEqual(
      found.map(({ artifactType }) => artifactType),
      ['two'],
    );
    await index.removeManifest(app, second);
    assert.deepEqual(await index.listReferrers(app, image, { count: 9 }), []);
  });
}

/** What is found on all pages, each of which looks at two links, in the order of names and digests. */
async function collect<Link extends HostedLink>(list: (page: HostedPage) => Promise<HostedLinks<Link>>) {
  const found: Link[] = [];
  for (let after: HostedPage['after']; ; ) {
    const page = await list({ count: 2, after });
    found.push(...page.found);
    if (page.next === undefined) break;
    after = page.next;
  }
  const nameOf = ({ repository, digest }: Link) => `${repository} ${digest}`;
  return found.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

const collectLost = async (index: HostedIndex) =>
  (await collect((page) => index.listLost(page))).map(({ repository, digest }) => `${repository} ${digest}`);

function garbage(make: MakeHostedIndex): void {
  test('what is held comes with all that keeps it, whatever pages it is on', async (t) => {
    const index = await make(t);
    await pushImage(index, 10);
    await index.putManifest(app, manifest(second, [image], { subject: image }), [], 20);
    await index.hold(other, layer, 30);
    await index.hold(other, config, 30);
    await index.removeContent(config);
    await index.link(alpine, layer, undefined, 10);
    const bare = { mediaType: undefined, tagged: false, subject: undefined, references: [] };
    const ofApp = (digest: Digest, sizeBytes: number) => ({
      ...bare,
      repository: app,
      digest,
      sizeBytes,
      linkedAtMs: 10,
    });
    const expected = [
      ofApp(config, 0),
      ofApp(layer, 20),
      { ...ofApp(image, 100), mediaType: manifestType, tagged: true, references: [config, layer].sort() },
      {
        ...ofApp(second, 100),
        ...{ mediaType: manifestType, linkedAtMs: 20, subject: image, references: [image] },
      },
      { ...bare, repository: other, digest: layer, sizeBytes: 20, linkedAtMs: 30 },
      { ...bare, repository: other, digest: config, sizeBytes: 0, linkedAtMs: 30 },
    ];
    const found = await collect((page) => index.listHeld(page));
    assert.equal(found.length, expected.length);
    for (const link of expected) {
      const same = found.find(({ repository, digest }) => repository === link.repository && digest === link.digest);
      assert.deepEqual(same && { ...same, references: [...same.references].sort() }, link);
    }
  });

  test('content that the last repository lets go of is told, until somebody is linked to it again or it is removed', async (t) => {
    const index = await make(t);
    const letGo = async () => (await index.listLetGo({ count: 9 })).map(({ digest }) => digest);
    await index.putContent(second, 5, 1); // of the cache, which no repository is linked to either
    await pushImage(index);
    await index.addBlob(other, layer, 20, 1);
    await index.link(alpine, config, undefined, 1);
    await removeManifest(index, image);
    await index.removeBlob(app, layer);
    await index.removeBlob(app, config);
    assert.deepEqual(await index.listLetGo({ count: 9 }), [{ digest: image, sizeBytes: 100 }]);
    await index.removeBlob(other, layer);
    const both = [image, layer].sort();
    assert.deepEqual(await letGo(), both);
    assert.equal((await index.listLetGo({ count: 1 })).length, 1);
    assert.equal((await index.listLetGo({ count: 9, after: { digest: both[0]!, sizeBytes: 0 } })).length, 1);
    await index.mountBlob(app, layer, 2);
    assert.deepEqual(await letGo(), [image]);
    await index.removeContents([image]);
    assert.deepEqual(await letGo(), []);
  });

  test('content is unlinked when no repository of any registry is linked to it', async (t) => {
    const index = await make(t);
    await index.addBlob(app, layer, 20, 1);
    await index.link(alpine, config, undefined, 1);
    assert.deepEqual(await index.listUnlinked([layer, config, second]), [second]);
    await index.removeBlob(app, layer);
    assert.deepEqual(await index.listUnlinked([layer, config]), [layer]);
  });
}

function lost(make: MakeHostedIndex): void {
  test('a manifest, and what one references, is lost when it is not stored any more; other blobs are not', async (t) => {
    const index = await make(t);
    await pushImage(index);
    await index.addBlob(other, second, 1, 1);
    assert.deepEqual(await collectLost(index), []);
    for (const digest of [layer, image, second]) await index.removeContent(digest);
    assert.deepEqual(await collectLost(index), [`${app} ${layer}`, `${app} ${image}`].sort());
  });

  test('lost content is whole again with a push of its bytes, and until then what it needs stays', async (t) => {
    const index = await make(t);
    await pushImage(index, 10);
    await index.removeContent(image);
    assert.equal((await index.getTag(appKey, v1))?.digest, image);
    assert.deepEqual(await index.getLink(appKey, image), { mediaType: manifestType, sizeBytes: undefined });
    const held = await collect((page) => index.listHeld(page));
    assert.deepEqual(held.find(({ digest }) => digest === image)?.references.toSorted(), [config, layer].sort());
    assert.equal(await index.removeBlob(app, layer), 'referenced');
    await index.putManifest(app, manifest(image, [config, layer]), [], 20);
    assert.deepEqual(await collectLost(index), []);
    assert.deepEqual(await index.getLink(appKey, image), { mediaType: manifestType, sizeBytes: 100 });
  });
}
