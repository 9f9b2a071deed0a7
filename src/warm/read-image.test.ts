import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage } from '../../test/support/content/images.ts';
import { parseRepository, parseTag } from '../oci/reference.ts';
import type { CacheOutcome, Manifest } from '../oci/registry.ts';
import { systemClock } from '../util/time/clock.ts';
import { readImage } from './read-image.ts';
import type { WarmRegistry } from './warm-registry.ts';

const image = makeImage({ seed: 'read', layers: [10] });
const wanted = { repository: parseRepository('lib/app'), reference: parseTag('1') };
const never = new AbortController().signal;

async function read(outcomes: readonly CacheOutcome[]) {
  let asked = 0;
  const registry: Pick<WarmRegistry, 'getManifest'> = {
    async getManifest(): Promise<Manifest> {
      const { bytes, digest, mediaType } = image.manifest;
      const outcome = outcomes[Math.min(asked++, outcomes.length - 1)]!;
      return { bytes, digest, mediaType, sizeBytes: bytes.length, outcome };
    },
  };
  const clock = { ...systemClock, sleep: async () => {} };
  const result = await readImage(wanted, { registry: registry as WarmRegistry, platforms: 'all', clock }, never);
  return { ...result, asked };
}

test('a tag that is asked for behind the answer is looked at until upstream has said what it stands for', async () => {
  const { asked, stale } = await read([{ kind: 'revalidating' }, { kind: 'revalidating' }, { kind: 'hit' }]);
  assert.deepEqual([asked, stale], [3, undefined]);
});

test('a tag that upstream could not be asked for is told, with the reason', async () => {
  const { stale, presentBytes, fetchedBytes } = await read([{ kind: 'stale', reason: 'down' }]);
  assert.deepEqual([stale, presentBytes, fetchedBytes], ['down', image.manifest.bytes.length, 0]);
});

test('an image consists of its manifest, configuration and layers', async () => {
  const { manifests, blobs, fetchedBytes } = await read([{ kind: 'miss', stored: true, collapsed: false }]);
  assert.equal(manifests, 1);
  assert.deepEqual(
    blobs.map(({ digest }) => digest),
    image.blobs.map(({ digest }) => digest),
  );
  assert.equal(fetchedBytes, image.manifest.bytes.length);
});
