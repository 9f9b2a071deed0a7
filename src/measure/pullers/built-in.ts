import { downloadBlob } from '../download-blob.ts';
import { type ImageBlob, readImage } from '../image-contents.ts';
import type { RegistrySide } from '../registry-side.ts';
import type { Puller, PullSource } from './puller.ts';

const parallelBlobs = 3; // as docker and containerd, unless they are told otherwise

/**
 * Our own client: it pulls as the others do, with new connections and tokens for each image, verifies every byte, and keeps
 * none, so that it measures the way and not the unpacking.
 */
export function builtInPuller(sides: readonly RegistrySide[], platform: string): Puller {
  return {
    name: 'the built-in client',
    keepsImages: false,
    notes: async () => [],
    has: async () => false,
    async pull(source, signal) {
      await pullFrom(sideOf(source, sides), source, platform, signal);
      return { layersHeld: 0 };
    },
    remove: async () => {},
    close: async () => {},
  };
}

function sideOf({ host, repository }: PullSource, sides: readonly RegistrySide[]): RegistrySide {
  const side = sides.find((each) => each.host === host && each.repository === repository);
  if (side) return side;
  throw new Error(`Cannot pull from ${host}: it is none of those that are compared`);
}

async function pullFrom(
  side: RegistrySide,
  { repository, reference }: PullSource,
  platform: string,
  signal: AbortSignal,
): Promise<void> {
  const { registry, close } = side.open();
  const failing = new AbortController();
  const either = AbortSignal.any([signal, failing.signal]);
  try {
    const { blobs } = await readImage(registry, repository, reference, platform, either);
    const waiting = unique(blobs);
    const lane = async () => {
      for (let blob = waiting.shift(); blob; blob = waiting.shift()) {
        await downloadBlob(registry, repository, blob, { isVerified: true }, either);
      }
    };
    await Promise.all(Array.from({ length: parallelBlobs }, lane));
  } finally {
    failing.abort(); // the other lanes of one that failed
    close();
  }
}

// Images have the same layer twice now and then, as an empty one.
function unique(blobs: readonly ImageBlob[]): ImageBlob[] {
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}
