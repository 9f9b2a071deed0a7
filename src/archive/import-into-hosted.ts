import { algorithmOf } from '../oci/digest.ts';
import { isNotFound } from '../oci/errors.ts';
import type { Repository } from '../oci/reference.ts';
import type { PushableRegistry } from '../oci/registry.ts';
import type { ImportTarget } from './import-image.ts';

/** A repository of the registry that is pushed to, as if a client pushed the image: with its limits and rules. */
export function hostedTarget(registry: PushableRegistry, repository: Repository): ImportTarget {
  return {
    async putBlob(digest, sizeBytes, read, signal) {
      const isThere = await registry.statBlob(repository, digest, signal).then(
        () => true,
        (error: unknown) => {
          if (isNotFound(error)) return false;
          throw error;
        },
      );
      // Whoever may run this may read all that is here.
      if (isThere || (await registry.mountBlob(repository, digest, { from: undefined, mayRead: () => true }, signal))) {
        return false;
      }
      const { id } = await registry.beginUpload(repository, { algorithm: algorithmOf(digest), sizeBytes }, signal);
      await registry.finishUpload(repository, id, digest, { bytes: read(), sizeBytes, start: undefined }, signal);
      return true;
    },
    async putManifest({ digest, mediaType, bytes }, signal) {
      const isThere = await registry.resolveManifest(repository, digest, signal).then(
        () => true,
        () => false,
      );
      await registry.putManifest(repository, { reference: digest, tags: [], mediaType, bytes }, signal);
      return !isThere;
    },
    async finish({ digest, mediaType, bytes }, tag, signal) {
      if (tag !== undefined) {
        await registry.putManifest(repository, { reference: digest, tags: [tag], mediaType, bytes }, signal);
      }
    },
  };
}
