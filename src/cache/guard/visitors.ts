import { isRefusedByRegistry, RegistryError } from '../../oci/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import type { Registry } from '../../oci/registry.ts';

/** An upstream that can be asked with credentials that are not our own. */
export interface BorrowingUpstream {
  /** The upstream, asked with this `Authorization`, or with none. */
  as(authorization: string | undefined): Registry;
}

/**
 * The clients of guarded repositories whose requests are under way, each with a proof. Their credentials are here as they
 * came, and gone when their answers are over.
 */
export class Visitors {
  readonly #present = new Map<Repository, Map<string, number>>();

  /** Notes that a client has come; what it returns is called once, when it goes. */
  enter(repository: Repository, authorization: string | undefined): () => void {
    const name = authorization ?? '';
    const present = this.#present.get(repository) ?? new Map<string, number>();
    const count = present.get(name) ?? 0;
    present.delete(name); // so that who came last comes last: its credentials last longest
    this.#present.set(repository, present.set(name, count + 1));
    let isGone = false;
    return () => {
      if (isGone) return;
      isGone = true;
      const left = (present.get(name) ?? 1) - 1;
      if (left > 0) present.set(name, left);
      else present.delete(name);
      if (present.size === 0 && this.#present.get(repository) === present) this.#present.delete(repository);
    };
  }

  /** What those sent along who are there now, the last first; an empty text stands for nothing. */
  authorizations(repository: Repository): string[] {
    return [...(this.#present.get(repository)?.keys() ?? [])].reverse();
  }
}

/**
 * The upstream, asked with the credentials of those who wait for the answer, and never with our own: so that one transfer
 * serves them all, and goes on as long as one of them may have it.
 * @param refused is told when upstream refuses a client that was let in before
 */
export function askAsVisitors(
  name: string,
  upstream: BorrowingUpstream,
  visitors: Visitors,
  refused: (repository: Repository, authorization: string | undefined, refusal: RegistryError) => void,
): Registry {
  async function ask<T>(repository: Repository, work: (registry: Registry) => Promise<T>): Promise<T> {
    const tried = new Set<string>();
    let refusal: RegistryError | undefined;
    for (;;) {
      const next = visitors.authorizations(repository).find((authorization) => !tried.has(authorization));
      if (next === undefined) throw refusal ?? nobodyWaits(name, repository);
      tried.add(next);
      const authorization = next === '' ? undefined : next;
      try {
        return await work(upstream.as(authorization));
      } catch (error) {
        if (!isRefusedByRegistry(error)) throw error;
        refused(repository, authorization, error);
        refusal = error;
      }
    }
  }

  return {
    resolveManifest: (repository, reference, signal) =>
      ask(repository, (registry) => registry.resolveManifest(repository, reference, signal)),
    getManifest: (repository, reference, signal) =>
      ask(repository, (registry) => registry.getManifest(repository, reference, signal)),
    statBlob: (repository, digest, signal) =>
      ask(repository, (registry) => registry.statBlob(repository, digest, signal)),
    getBlob: (repository, digest, range, signal) =>
      ask(repository, (registry) => registry.getBlob(repository, digest, range, signal)),
    listTags: (repository, page, signal) => ask(repository, (registry) => registry.listTags(repository, page, signal)),
    listReferrers: (repository, digest, query, signal) =>
      ask(repository, (registry) => registry.listReferrers(repository, digest, query, signal)),
    listRepositories: (page, signal) => upstream.as(undefined).listRepositories(page, signal),
  };
}

function nobodyWaits(name: string, repository: Repository): RegistryError {
  return new RegistryError(
    'DENIED',
    `Cannot ask ${name} for "${repository}": it is guarded, and nobody whose credentials it accepted waits for it`,
  );
}
