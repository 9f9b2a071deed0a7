import type { MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { configOfManifest, platformOfConfig, platformsOfIndex } from '../../oci/manifest/platform.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import { readStored } from '../content/reading/read-stored.ts';
import type { StoredImage } from './inventory.ts';

/** A platform of an image. */
export interface ImagePlatform {
  readonly platform: string;
  /** Whether its manifest is here, and all that this references. */
  readonly stored: boolean;
}

/** What is read of an image to tell its platforms. */
export interface PlatformTools {
  readonly store: Pick<BlobStore, 'open'>;
  readonly index: Pick<MetadataIndex, 'referencesOf'>;
}

/** The platforms of an image, by its index or its configuration; none when these say none, or are not here. */
export async function platformsOf(image: StoredImage, tools: PlatformTools): Promise<ImagePlatform[]> {
  const bytes = await readStored(image.digest, tools);
  if (bytes === undefined) return [];
  const platforms: ImagePlatform[] = [];
  for (const { digest, platform } of platformsOfIndex(bytes)) {
    platforms.push({ platform, stored: image.contents.has(digest) && (await isWhole(digest, tools)) });
  }
  if (platforms.length > 0) return platforms;
  const config = configOfManifest(bytes);
  const configBytes = config && (await readStored(config, tools));
  const platform = configBytes && platformOfConfig(configBytes);
  return platform === undefined ? [] : [{ platform, stored: await isWhole(image.digest, tools) }];
}

async function isWhole(digest: Digest, { index }: PlatformTools): Promise<boolean> {
  const references = await index.referencesOf(digest);
  return references.length > 0 && references.every(({ sizeBytes }) => sizeBytes !== undefined);
}
