import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { bodyOf, hostedRig, never } from '../../../test/support/hosted/hosted-rig.ts';
import { readAll } from '../../../test/support/http/read.ts';
import { digestOf } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';

const app = 'team/app' as Repository;
const other = 'team/other' as Repository;
const cached = { registry: 'docker.io', repository: 'library/base' as Repository };
const bytes = seededBytes('layer', 200_000);
const digest = digestOf(bytes);
const unknown = { code: 'BLOB_UNKNOWN', status: 404 };
const anyone = { from: undefined, mayRead: () => true };

/** A rig whose index and store have the blob: in a hosted repository, or in the cache alone. */
function withBlob(t: Parameters<typeof hostedRig>[0], where: 'hosted' | 'cached', maxBytes?: number) {
  const rig = hostedRig(t, maxBytes === undefined ? {} : { maxBytes });
  rig.blobs.blobs.set(digest, bytes);
  rig.index.contents.set(digest, bytes.length);
  rig.index.link(where === 'hosted' ? { registry: 'hosted.entrepot', repository: app } : cached, digest);
  return rig;
}

test('a blob is given to whom its repository has, with its size, whole or in part', async (t) => {
  const { hosted } = withBlob(t, 'hosted');
  assert.equal((await hosted.stat(app, digest, never)).sizeBytes, bytes.length);
  assert.deepEqual(await readAll(await hosted.get(app, digest, undefined, never)), bytes);
  const part = await hosted.get(app, digest, { start: 5, end: 9 }, never);
  assert.deepEqual(await readAll(part), bytes.subarray(5, 10));
  await assert.rejects(hosted.get(app, digest, { start: 200_000 }, never), { code: 'RANGE_INVALID' });
});

test('what another repository has, or the cache, is not there', async (t) => {
  const rigs = [withBlob(t, 'hosted'), withBlob(t, 'cached')];
  for (const { hosted } of rigs) {
    await assert.rejects(hosted.stat(other, digest, never), unknown);
    await assert.rejects(hosted.get(other, digest, undefined, never), unknown);
    await assert.rejects(hosted.delete(other, digest, never), unknown);
  }
});

test('a blob whose file is gone is not there, and the log says once which, until it was pushed again', async (t) => {
  const { hosted, uploads, blobs, log } = withBlob(t, 'hosted');
  blobs.blobs.delete(digest);
  await assert.rejects(hosted.stat(app, digest, never), { ...unknown, message: /push it again/ });
  await assert.rejects(hosted.get(app, digest, undefined, never), unknown);
  const [told, ...more] = log.named('hosted blob lost');
  assert.deepEqual([told?.level, told?.facts['repository'], told?.facts['digest'], more], ['error', app, digest, []]);
  const { id } = await uploads.begin(app, {}, never);
  await uploads.finish(app, id, digest, bodyOf(bytes), never);
  assert.deepEqual(await readAll(await hosted.get(app, digest, undefined, never)), bytes);
  blobs.blobs.delete(digest);
  await assert.rejects(hosted.stat(app, digest, never), unknown);
  assert.equal(log.named('hosted blob lost').length, 2);
});

test('a blob of another size than was pushed is dropped, and not there', async (t) => {
  for (const ask of ['stat', 'get'] as const) {
    const { hosted, blobs, index, log } = withBlob(t, 'hosted');
    blobs.blobs.set(digest, bytes.subarray(1));
    const asked = ask === 'stat' ? hosted.stat(app, digest, never) : hosted.get(app, digest, undefined, never);
    await assert.rejects(asked, unknown);
    assert.deepEqual([blobs.blobs.has(digest), index.contents.has(digest)], [false, false]);
    assert.equal(log.named('hosted blob lost').length, 1);
    await assert.rejects(hosted.stat(app, digest, never), unknown);
    assert.equal(await hosted.mount(other, digest, anyone, never), false);
  }
});

test('while the disk cannot say, a blob is not taken for gone', async (t) => {
  const { hosted, blobs, log } = withBlob(t, 'hosted');
  const fails = async () => {
    throw Object.assign(new Error('it fails'), { code: 'EIO' });
  };
  blobs.faults.size = fails;
  blobs.faults.open = fails;
  await assert.rejects(hosted.stat(app, digest, never), { code: 'EIO' });
  await assert.rejects(hosted.get(app, digest, undefined, never), { code: 'EIO' });
  assert.deepEqual(log.named('hosted blob lost'), []);
});

test('a blob is removed from its repository, unless a manifest there references it', async (t) => {
  const { hosted, index } = withBlob(t, 'hosted');
  index.referenced.add(digest);
  await assert.rejects(hosted.delete(app, digest, never), {
    code: 'UNSUPPORTED',
    status: 405,
    message: /references it/,
  });
  assert.equal((await hosted.stat(app, digest, never)).sizeBytes, bytes.length);
  index.referenced.clear();
  await hosted.delete(app, digest, never);
  assert.deepEqual(index.calls, ['sync']);
  await assert.rejects(hosted.stat(app, digest, never), unknown);
  await assert.rejects(hosted.delete(app, digest, never), unknown);
});

test('a blob is mounted from the repository that has it, durably, hosted or cached', async (t) => {
  for (const where of ['hosted', 'cached'] as const) {
    const names = where === 'hosted' ? [app] : [cached.repository, `docker.io/${cached.repository}` as Repository];
    for (const from of [...names, undefined]) {
      const { hosted, index, inUse } = withBlob(t, where);
      let seen: boolean | undefined;
      index.faults.mountBlob = async () => {
        seen = inUse.has(digest);
      };
      assert.equal(await hosted.mount(other, digest, { from, mayRead: () => true }, never), true);
      assert.deepEqual(index.calls, ['mountBlob', 'sync']);
      assert.deepEqual([seen, inUse.has(digest)], [true, false]);
      assert.deepEqual(await readAll(await hosted.get(other, digest, undefined, never)), bytes);
    }
  }
});

test('a blob is not mounted from a repository that has it not', async (t) => {
  const { hosted, index } = withBlob(t, 'hosted');
  assert.equal(
    await hosted.mount(other, digest, { from: 'team/third' as Repository, mayRead: () => true }, never),
    false,
  );
  assert.equal(await hosted.mount(other, digestOf(Buffer.from('none')), anyone, never), false);
  assert.deepEqual(index.calls, []);
});

test('a blob is mounted only from what the client may read', async (t) => {
  const { hosted, index } = withBlob(t, 'cached');
  const asked: unknown[] = [];
  const offer = (allowed: boolean) => ({
    from: undefined,
    mayRead: (registry: string, repository: Repository) => {
      asked.push([registry, repository]);
      return allowed;
    },
  });
  assert.equal(await hosted.mount(other, digest, offer(false), never), false);
  assert.deepEqual([asked, index.calls], [[['docker.io', 'library/base']], []]);
  assert.equal(await hosted.mount(other, digest, offer(true), never), true);
});

test('a blob whose file is not there, or of another size, is not mounted', async (t) => {
  for (const stored of [undefined, bytes.subarray(1)]) {
    const { hosted, blobs, index, inUse } = withBlob(t, 'cached');
    if (stored) blobs.blobs.set(digest, stored);
    else blobs.blobs.delete(digest);
    assert.equal(await hosted.mount(other, digest, anyone, never), false);
    assert.deepEqual([index.calls, inUse.has(digest)], [[], false]);
  }
});

test('a blob of the cache for which the quota has no room is not mounted, one that is held already is', async (t) => {
  const { hosted, index } = withBlob(t, 'cached', 100);
  assert.equal(await hosted.mount(other, digest, anyone, never), false);
  assert.deepEqual(index.calls, []);
  const held = withBlob(t, 'hosted', 100);
  assert.equal(await held.hosted.mount(other, digest, anyone, never), true);
});

test('what a cached repository has that is guarded, or of which nobody knows, is not mounted', async (t) => {
  for (const [kind, isMounted] of [
    ['open', true],
    ['guarded', false],
    [undefined, false],
  ] as const) {
    const { hosted, index } = withBlob(t, 'cached');
    index.kinds.set('docker.io/library/base', kind);
    assert.equal(await hosted.mount(other, digest, anyone, never), isMounted, kind);
  }
});
