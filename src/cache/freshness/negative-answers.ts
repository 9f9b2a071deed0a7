import { isNotFound, isRefused, RegistryError } from '../../oci/errors.ts';
import type { Registry } from '../../oci/registry.ts';
import { type Clock, isWithin } from '../../util/time/clock.ts';

/** How negative answers are remembered. */
export interface NegativeAnswersOptions {
  /** For how long, in milliseconds; 0 for not at all. */
  readonly ttlMs: number;
  readonly clock: Clock;
  /** How many at most; the oldest goes first. */
  readonly maxCount?: number;
}

interface Negative {
  readonly error: RegistryError;
  readonly sinceMs: number;
}

/** About 2 MiB of errors for one upstream: clients that look for what is nowhere (signatures) ask for a few names. */
const defaultMaxCount = 5_000;

/**
 * The same registry, but what it does not have, or refuses, is not asked for again for a while. HEAD and GET count as
 * one. It stands between the cache and its upstream, so it never hides what is here; and as only "it is not there" and
 * "it is refused" are remembered, an upstream that fails is asked again by the next request.
 */
export function rememberNegativeAnswers(
  registry: Registry,
  { ttlMs, clock, maxCount = defaultMaxCount }: NegativeAnswersOptions,
): Registry {
  if (ttlMs === 0) return registry;
  const known = new Map<string, Negative>();

  async function ask<T>(name: string, work: () => Promise<T>): Promise<T> {
    const negative = known.get(name);
    if (negative) {
      if (isWithin(negative.sinceMs, ttlMs, clock.now())) throw negative.error;
      known.delete(name);
    }
    try {
      return await work();
    } catch (error) {
      if (error instanceof RegistryError && (isNotFound(error) || isRefused(error))) remember(name, error);
      throw error;
    }
  }

  function remember(name: string, { code, message, status, detail, headers }: RegistryError): void {
    known.delete(name); // so that it stands at the end, as the youngest
    // Not the error itself: its cause may hold on to whatever it likes.
    known.set(name, { error: new RegistryError(code, message, { status, detail, headers }), sinceMs: clock.now() });
    if (known.size > maxCount) known.delete(known.keys().next().value!);
  }

  return {
    resolveManifest: (repository, reference, signal) =>
      ask(`manifest ${repository} ${reference}`, () => registry.resolveManifest(repository, reference, signal)),
    getManifest: (repository, reference, signal) =>
      ask(`manifest ${repository} ${reference}`, () => registry.getManifest(repository, reference, signal)),
    statBlob: (repository, digest, signal) =>
      ask(`blob ${repository} ${digest}`, () => registry.statBlob(repository, digest, signal)),
    getBlob: (repository, digest, range, signal) =>
      ask(`blob ${repository} ${digest}`, () => registry.getBlob(repository, digest, range, signal)),
    listTags: (repository, page, signal) =>
      ask(`tags ${repository}`, () => registry.listTags(repository, page, signal)),
    listReferrers: (repository, digest, query, signal) => registry.listReferrers(repository, digest, query, signal),
    listRepositories: (page, signal) => registry.listRepositories(page, signal),
  };
}
