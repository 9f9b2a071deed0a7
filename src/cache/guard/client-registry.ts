import type { Repository } from '../../oci/reference.ts';
import type { BlobContent, Page, Registry, RepositoryList } from '../../oci/registry.ts';
import type { Guard, Probe } from './guard.ts';

/** The upstream's cache as one client sees it: what it may read, by what it sent along. */
export function clientRegistry(
  guard: Guard,
  authorization: string | undefined,
  listRepositories: (page: Page, signal: AbortSignal) => Promise<RepositoryList>,
): Registry {
  async function read<T>(
    repository: Repository,
    probe: Probe,
    signal: AbortSignal,
    work: (registry: Registry) => Promise<T>,
  ): Promise<T> {
    const [result, leave] = await begin(repository, probe, signal, work);
    leave();
    return result;
  }

  /** Does what is wanted as whom the client is let in as; what it was let in by is left when its answer is over. */
  async function begin<T>(
    repository: Repository,
    probe: Probe,
    signal: AbortSignal,
    work: (registry: Registry) => Promise<T>,
  ): Promise<[result: T, leave: () => void]> {
    const admission = await guard.admit(repository, authorization, probe, signal);
    try {
      return [await work(admission.registry), () => admission.leave()];
    } catch (error) {
      admission.leave();
      if (!guard.hasChanged(repository, admission, error)) throw error;
    }
    // It turned out to be guarded.
    const again = await guard.admit(repository, authorization, probe, signal);
    try {
      return [await work(again.registry), () => again.leave()];
    } catch (error) {
      again.leave();
      throw error;
    }
  }

  return {
    resolveManifest(repository, reference, signal) {
      const probe: Probe = (registry, soon) => registry.resolveManifest(repository, reference, soon);
      return read(repository, probe, signal, (registry) => registry.resolveManifest(repository, reference, signal));
    },
    getManifest(repository, reference, signal) {
      const probe: Probe = (registry, soon) => registry.resolveManifest(repository, reference, soon);
      return read(repository, probe, signal, (registry) => registry.getManifest(repository, reference, signal));
    },
    statBlob(repository, digest, signal) {
      const probe: Probe = (registry, soon) => registry.statBlob(repository, digest, soon);
      return read(repository, probe, signal, (registry) => registry.statBlob(repository, digest, signal));
    },
    async getBlob(repository, digest, range, signal) {
      const probe: Probe = (registry, soon) => registry.statBlob(repository, digest, soon);
      const open = (registry: Registry) => registry.getBlob(repository, digest, range, signal);
      const [content, leave] = await begin(repository, probe, signal, open);
      return whenClosed(content, leave);
    },
    listTags(repository, page, signal) {
      const probe: Probe = (registry, soon) => registry.listTags(repository, { count: 1 }, soon);
      return read(repository, probe, signal, (registry) => registry.listTags(repository, page, signal));
    },
    listReferrers(repository, digest, query, signal) {
      const probe: Probe = (registry, soon) => registry.listReferrers(repository, digest, query, soon);
      return read(repository, probe, signal, (registry) => registry.listReferrers(repository, digest, query, signal));
    },
    listRepositories,
  };
}

/** The same content, whose reader stays until it is closed: a download may go on with its credentials until then. */
function whenClosed(content: BlobContent, leave: () => void): BlobContent {
  const { sizeBytes, start, end, outcome } = content;
  return {
    ...{ sizeBytes, start, end },
    ...(outcome === undefined ? {} : { outcome }),
    next: () => content.next(),
    close() {
      content.close();
      leave();
    },
  };
}
