import { digestOf } from '../../../src/oci/digest.ts';
import { makeImage, seededBytes } from '../content/images.ts';
import { MemoryRegistry } from '../memory/memory-registry.ts';

/** The blob of a small registry. */
export const blob = seededBytes('blob', 100_000);

/** Where a door over a small registry has it. */
export const blobPath = `/v2/team/app/blobs/${digestOf(blob)}`;

/** A registry that has one blob, and an image under the tag `latest`. */
export function smallRegistry(): MemoryRegistry {
  const registry = new MemoryRegistry();
  registry.push('team/app', makeImage({ seed: 'app', layers: [1] }), 'latest');
  registry.content.putBlob('team/app', blob);
  return registry;
}
