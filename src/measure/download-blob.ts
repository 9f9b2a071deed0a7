import { createHash } from 'node:crypto';
import { algorithmOf, hexOf } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Repository } from '../oci/reference.ts';
import type { Registry } from '../oci/registry.ts';
import type { ImageBlob } from './image-contents.ts';

/** Whether the bytes are looked at: a client that pulls does, a plain download does not. */
export interface DownloadOptions {
  readonly isVerified: boolean;
}

/**
 * Downloads a blob to nowhere.
 * @throws RegistryError when it is not whole, or, verified, other bytes than its digest says
 */
export async function downloadBlob(
  registry: Registry,
  repository: Repository,
  { digest, sizeBytes }: ImageBlob,
  { isVerified }: DownloadOptions,
  signal: AbortSignal,
): Promise<void> {
  const hash = isVerified ? createHash(algorithmOf(digest)) : undefined;
  const content = await registry.getBlob(repository, digest, undefined, signal);
  let receivedBytes = 0;
  try {
    for (let chunk = await content.next(); chunk; chunk = await content.next()) {
      receivedBytes += chunk.bytes.length;
      hash?.update(chunk.bytes);
      chunk.release();
    }
  } finally {
    content.close();
  }
  if (receivedBytes !== sizeBytes) {
    throw new RegistryError('SIZE_INVALID', `${digest} came with ${receivedBytes} bytes instead of ${sizeBytes}`);
  }
  if (hash && hash.digest('hex') !== hexOf(digest)) {
    throw new RegistryError('DIGEST_INVALID', `${digest} came with other bytes`);
  }
}
