import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Finding } from '../../../src/cache/scrub/check/finding.ts';
import { verifyStore } from '../../../src/cache/scrub/verification.ts';
import { hostedRegistryName } from '../../../src/oci/hosted.ts';
import { parseRepository, parseTag } from '../../../src/oci/reference.ts';
import { makeImage } from '../../support/content/images.ts';
import { type KeptStore, openKeptStore } from '../../support/disk/kept-store.ts';
import { storedPath } from '../../support/disk/store-files.ts';
import { putHostedImage } from '../../support/hosted/hosted-image.ts';

const image = makeImage({ seed: 'app', layers: [3000, 500] });
const repository = parseRepository('team/app');
const key = { registry: hostedRegistryName, repository };
const layer = image.blobs.at(-1)!;

async function verify(kept: KeptStore, repair: boolean) {
  const findings: (Finding & { readonly repaired: boolean })[] = [];
  await verifyStore(kept.tools, {
    repair,
    signal: new AbortController().signal,
    read() {},
    checked() {},
    found: (finding, repaired) => findings.push({ ...finding, repaired }),
  });
  return findings;
}

test('a hosted image that is whole is right', async (t) => {
  const kept = await openKeptStore(t);
  await putHostedImage(kept, 'team/app', image, { tag: 'v1' });
  assert.deepEqual(await verify(kept, true), []);
});

test('a hosted layer that is gone is lost, is not repaired by forgetting it, and is mended by a push', async (t) => {
  const kept = await openKeptStore(t);
  await putHostedImage(kept, 'team/app', image, { tag: 'v1' });
  rmSync(storedPath(kept.data, layer.digest));
  const lost = [{ kind: 'lost', digest: layer.digest, ...key, repaired: false }];
  assert.deepEqual(await verify(kept, false), lost);
  assert.deepEqual(await verify(kept, true), lost);
  assert.deepEqual(await verify(kept, true), lost, 'it stays lost');
  assert.equal((await kept.index.getTag(key, parseTag('v1')))?.digest, image.manifest.digest);
  assert.deepEqual(await kept.index.getLink(key, layer.digest), { mediaType: undefined, sizeBytes: undefined });
  await putHostedImage(kept, 'team/app', image);
  assert.deepEqual(await verify(kept, true), []);
});

test('a hosted manifest that is damaged is dropped, said to be hosted in the log, and lost with its tag still there', async (t) => {
  const kept = await openKeptStore(t);
  await putHostedImage(kept, 'team/app', image, { tag: 'v1' });
  const { digest, bytes, mediaType } = image.manifest;
  writeFileSync(storedPath(kept.data, digest), Buffer.alloc(bytes.length, 'x'));
  const kinds = (await verify(kept, true)).map(({ kind, repaired }) => [kind, repaired]);
  assert.deepEqual(kinds, [
    ['damaged', true],
    ['lost', false],
  ]);
  assert.equal(kept.log.events.find(({ event }) => /damaged, removed/.test(event))?.facts['hosted'], true);
  assert.deepEqual(await kept.index.getLink(key, digest), { mediaType, sizeBytes: undefined });
  assert.equal(await kept.index.removeBlob(repository, layer.digest), 'referenced', 'what it needs stays');
});

test('content that is cached and hosted stays linked where it is hosted, and is fetched again where it is cached', async (t) => {
  const kept = await openKeptStore(t);
  await putHostedImage(kept, 'team/app', image, { tag: 'v1' });
  const cached = { registry: 'origin.test', repository: parseRepository('lib/app') };
  await kept.index.link(cached, layer.digest, undefined, 1);
  rmSync(storedPath(kept.data, layer.digest));
  await verify(kept, true);
  assert.equal(await kept.index.getLink(cached, layer.digest), undefined);
  assert.ok(await kept.index.getLink(key, layer.digest));
});
