import type { Digest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import { type Descriptor, readImageContents } from '../oci/manifest/image-contents.ts';
import { isChildChosen, type PlatformChoice } from '../oci/manifest/platform-choice.ts';
import type { Reference, Repository } from '../oci/reference.ts';
import type { Manifest } from '../oci/registry.ts';
import type { Clock } from '../util/time/clock.ts';
import { patiently } from './patiently.ts';
import type { WarmRegistry } from './warm-registry.ts';

/** What an image consists of, once its manifests are here. */
export interface ReadImage {
  readonly digest: Digest;
  readonly platforms: readonly string[];
  /** How many manifests it has, of the platforms that are wanted. */
  readonly manifests: number;
  readonly fetchedBytes: number;
  readonly presentBytes: number;
  readonly blobs: readonly Descriptor[];
  /** Why its tag may stand for another image by now. */
  readonly stale: string | undefined;
}

/** What an image is read with. */
export interface ReadTools {
  readonly registry: WarmRegistry;
  readonly platforms: PlatformChoice;
  readonly clock: Clock;
}

const maxDepth = 4; // an index in an index is rare already

/** A tag that is asked for behind the answer is looked at again, until upstream has said what it stands for. */
const behindLookMs = 1_000;
const mostBehindLooks = 10;

interface Gathered {
  readonly manifests: Map<Digest, Manifest>;
  readonly blobs: Map<Digest, Descriptor>;
  readonly platforms: Set<string>;
}

/**
 * Gets the manifests of an image into the cache, of its index those of the platforms that are wanted, and tells what
 * else it consists of.
 * @throws RegistryError, the signal's reason
 */
export async function readImage(
  { repository, reference }: { readonly repository: Repository; readonly reference: Reference },
  tools: ReadTools,
  signal: AbortSignal,
): Promise<ReadImage> {
  const root = await getSettled(repository, reference, tools, signal);
  const gathered: Gathered = { manifests: new Map(), blobs: new Map(), platforms: new Set() };
  await gather(root, { repository, depth: 1 }, gathered, tools, signal);
  const all = [...gathered.manifests.values()];
  const present = all.filter(({ outcome }) => outcome?.kind !== 'miss');
  const presentBytes = sizeOf(present);
  return {
    digest: root.digest,
    platforms: [...gathered.platforms],
    manifests: all.length,
    presentBytes,
    fetchedBytes: sizeOf(all) - presentBytes,
    blobs: [...gathered.blobs.values()],
    stale: root.outcome?.kind === 'stale' ? root.outcome.reason : undefined,
  };
}

async function getSettled(
  repository: Repository,
  reference: Reference,
  { registry, clock }: ReadTools,
  signal: AbortSignal,
): Promise<Manifest> {
  const get = () => patiently(clock, signal, () => registry.getManifest(repository, reference, signal));
  let manifest = await get();
  for (let looks = 0; looks < mostBehindLooks && manifest.outcome?.kind === 'revalidating'; looks++) {
    await clock.sleep(behindLookMs, signal);
    manifest = await get();
  }
  return manifest;
}

async function gather(
  manifest: Manifest,
  { repository, depth }: { readonly repository: Repository; readonly depth: number },
  gathered: Gathered,
  tools: ReadTools,
  signal: AbortSignal,
): Promise<void> {
  if (gathered.manifests.has(manifest.digest)) return;
  gathered.manifests.set(manifest.digest, manifest);
  const contents = readImageContents(manifest.bytes, manifest.mediaType);
  if (contents.kind === 'image') {
    for (const blob of contents.blobs) gathered.blobs.set(blob.digest, blob);
    return;
  }
  if (depth === maxDepth) throw new RegistryError('MANIFEST_INVALID', 'Its indexes lead too deep');
  const { platforms, registry, clock } = tools;
  const chosen = contents.children.filter((child) => isChildChosen(platforms, child));
  if (chosen.length === 0 && contents.children.length > 0) {
    const all = contents.children.flatMap(({ platform }) => platform ?? []);
    const wanted = platforms === 'all' ? '' : platforms.join(', ');
    throw new RegistryError('MANIFEST_UNKNOWN', `it is not for ${wanted}, but for ${all.join(', ') || 'none'}`);
  }
  for (const { digest, platform } of chosen) {
    const child = await patiently(clock, signal, () => registry.getManifest(repository, digest, signal));
    await gather(child, { repository, depth: depth + 1 }, gathered, tools, signal);
    if (platform !== undefined) gathered.platforms.add(platform);
  }
}

function sizeOf(manifests: readonly Manifest[]): number {
  return manifests.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
