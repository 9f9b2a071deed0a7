import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostedIndex } from '../../src/index/hosted-index.ts';
import type { MetadataIndex } from '../../src/index/metadata-index.ts';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { hostedRegistryName } from '../../src/oci/hosted.ts';
import { parseRepository, parseTag } from '../../src/oci/reference.ts';
import type { MakeHostedIndex } from '../support/index-under-test.ts';

const app = parseRepository('team/app');
const appKey = { registry: hostedRegistryName, repository: app };
const alpine = { registry: 'docker.io', repository: parseRepository('library/alpine') };
const [layer, cached] = ['layer', 'cached'].map((text) => digestOf(Buffer.from(text))) as [Digest, Digest];

const evictable = async (index: MetadataIndex) =>
  (await index.listLeastRecentlyUsed({ count: 9 })).map(({ digest }) => digest);

/** The tests of how what is held keeps out of the cache's way, in whatever order it came. */
export function heldContent(make: MakeHostedIndex): void {
  const orders: Record<string, (index: MetadataIndex & HostedIndex) => Promise<unknown>> = {
    'was pushed': (index) => index.addBlob(app, layer, 20, 1),
    async 'was cached, and then mounted'(index) {
      await index.putContent(layer, 20, 1);
      await index.mountBlob(app, layer, 1);
    },
    async 'was held before it was stored'(index) {
      await index.hold(app, layer, 1);
      await index.putContent(layer, 20, 1);
    },
    async 'was lost, and stored again'(index) {
      await index.addBlob(app, layer, 7, 1);
      await index.removeContent(layer);
      await index.putContent(layer, 20, 1);
    },
    async 'was noted with another size'(index) {
      await index.addBlob(app, layer, 7, 1);
      await index.putContent(layer, 20, 1);
    },
  };
  for (const [how, hold] of Object.entries(orders)) {
    test(`content that ${how} is not of the cache, and comes back to it when it is let go`, async (t) => {
      const index = await make(t);
      await hold(index);
      await index.putContent(cached, 3, 1);
      assert.equal((await index.getContent(layer))?.hosted, true);
      assert.deepEqual(await index.totals(), { contents: 1, sizeBytes: 3 });
      assert.deepEqual(await index.hostedTotals(), { repositories: 1, contents: 1, sizeBytes: 20 });
      assert.deepEqual(await evictable(index), [cached]);
      assert.equal(await index.removeBlob(app, layer), 'removed');
      assert.equal((await index.getContent(layer))?.hosted, false);
      assert.deepEqual(await index.totals(), { contents: 2, sizeBytes: 23 });
      assert.deepEqual(await index.hostedTotals(), { repositories: 0, contents: 0, sizeBytes: 0 });
      assert.deepEqual(new Set(await evictable(index)), new Set([cached, layer]));
    });
  }

  test('content of two repositories is held until both let go', async (t) => {
    const index = await make(t);
    const other = parseRepository('team/other');
    for (const repository of [app, other]) await index.addBlob(repository, layer, 20, 1);
    await index.removeBlob(app, layer);
    assert.equal((await index.getContent(layer))?.hosted, true);
    await index.removeBlob(other, layer);
    assert.equal((await index.getContent(layer))?.hosted, false);
  });

  test('making room passes over what is held, with all that is known of it', async (t) => {
    const index = await make(t);
    const tag = parseTag('latest');
    await index.addBlob(app, layer, 20, 1);
    await index.link(alpine, layer, undefined, 1);
    await index.putContent(cached, 3, 1);
    await index.putTag(alpine, tag, { digest: layer, mediaType: 'type', sizeBytes: 20, checkedAtMs: 1 });
    assert.deepEqual(await index.removeContents([layer, cached]), [cached]);
    assert.equal((await index.getTag(alpine, tag))?.digest, layer);
    assert.equal((await index.getLink(alpine, layer))?.sizeBytes, 20);
    assert.equal((await index.getLink(appKey, layer))?.sizeBytes, 20);
    assert.equal(await index.getContent(cached), undefined);
  });

  test('what is only held yet is not removed either: its bytes may be in place', async (t) => {
    const index = await make(t);
    await index.hold(app, layer, 1);
    assert.deepEqual(await index.removeContents([layer, cached]), [cached]);
  });

  test('a held content that is lost keeps its hosted links, and no dead link is told of', async (t) => {
    const index = await make(t);
    await index.addBlob(app, layer, 20, 1);
    await index.link(alpine, layer, undefined, 1);
    await index.removeContent(layer);
    assert.equal(await index.getLink(alpine, layer), undefined);
    assert.deepEqual(await index.getLink(appKey, layer), { mediaType: undefined, sizeBytes: undefined });
    assert.deepEqual(await index.listDeadLinks(99, 9), []);
    assert.deepEqual(await index.hostedTotals(), { repositories: 1, contents: 0, sizeBytes: 0 });
  });

  test('hosted and cached repositories of one name are two', async (t) => {
    const index = await make(t);
    await index.addBlob(app, layer, 20, 1);
    await index.link({ registry: 'docker.io', repository: app }, cached, undefined, 1);
    assert.equal(await index.getLink({ registry: 'docker.io', repository: app }, layer), undefined);
    assert.deepEqual(await index.listRepositories(hostedRegistryName, {}), [appKey]);
    assert.deepEqual(await index.listRepositories(undefined, {}), [{ registry: 'docker.io', repository: app }, appKey]);
  });
}
