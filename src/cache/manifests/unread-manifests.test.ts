import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage } from '../../../test/support/content/images.ts';
import type { UnreadManifest } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { readUnreadManifests } from './unread-manifests.ts';

test('what cannot be read stays unread, all others are read, and at the next start it has its turn', async () => {
  const images = Array.from({ length: 45 }, (_, number) => makeImage({ seed: `image ${number}`, layers: [10] }));
  const bytesOf = new Map(images.map(({ manifest }) => [manifest.digest, manifest.bytes]));
  const mediaType = images[0]!.manifest.mediaType;
  const unread = new Set([...bytesOf.keys()].sort());
  const all = [...unread];
  const noted: Digest[] = [];
  const index = {
    async listUnreadManifests({ count, after }: { count: number; after?: UnreadManifest | undefined }) {
      const rest = [...unread].filter((digest) => digest > (after?.digest ?? ''));
      return rest.slice(0, count).map((digest) => ({ digest, mediaType }));
    },
    async putReferences(digest: Digest, references: readonly Digest[]) {
      assert.equal(references.length, 2); // configuration and layer
      noted.push(digest);
      unread.delete(digest);
    },
  };
  let isAway = true;
  // A whole page, and the last of all.
  const away = new Set([...all.slice(0, 20), all[44]]);
  const local = { readWhole: async (digest: Digest) => (isAway && away.has(digest) ? undefined : bytesOf.get(digest)) };
  await readUnreadManifests(index, local, new AbortController().signal);
  assert.deepEqual(noted, all.slice(20, 44));
  assert.deepEqual(unread, away);
  isAway = false;
  await readUnreadManifests(index, local, new AbortController().signal);
  assert.equal(unread.size, 0);
});
