import type { RepositoryKey, TagEntry } from '../index/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import { isDigestReference, type Reference, type Repository, type Tag } from '../oci/reference.ts';
import type { CacheOutcome, Manifest, ManifestDescriptor, Registry } from '../oci/registry.ts';
import { singleFlight, unlessAborted } from '../util/single-flight.ts';
import type { Allowance } from './allowance.ts';
import { decide, judge } from './freshness.ts';
import type { CacheTools } from './tools.ts';

/**
 * When upstream is in trouble, what is here is served; asking again for every request would make each wait as long as
 * the first.
 */
const troubleMs = 10_000;

/** What is here is not withheld for longer than this while upstream is asked whether it still holds. */
const revalidationMs = 5_000;

/** For work that goes on when nobody waits for it; the upstream client has a limit of its own. */
const untilAnswered = new AbortController().signal;

/** The manifests and tags of one upstream. */
export class ManifestCache {
  readonly #registry: string;
  readonly #upstream: Registry;
  readonly #tools: CacheTools;
  readonly #allowance: Allowance;
  readonly #manifests = singleFlight<Manifest>();
  readonly #tags = singleFlight<ManifestDescriptor>();
  #troubleUntilMs = 0;
  #trouble = '';

  constructor(registry: string, upstream: Registry, tools: CacheTools, allowance: Allowance) {
    this.#registry = registry;
    this.#upstream = upstream;
    this.#tools = tools;
    this.#allowance = allowance;
  }

  async resolve(repository: Repository, reference: Reference, signal: AbortSignal): Promise<ManifestDescriptor> {
    const key = this.#key(repository);
    if (!isDigestReference(reference)) return this.#resolveTag(key, reference, signal);
    const local = await this.#local(key, reference);
    if (local) return local;
    const descriptor = await this.#upstream.resolveManifest(repository, reference, signal);
    return {
      ...descriptor,
      outcome: { kind: 'miss', stored: await this.#keepIfWhole(key, descriptor), collapsed: false },
    };
  }

  async get(repository: Repository, reference: Reference, signal: AbortSignal): Promise<Manifest> {
    const key = this.#key(repository);
    if (isDigestReference(reference)) {
      return (await this.#local(key, reference)) ?? this.#fetch(key, reference, signal);
    }
    const entry = await this.#tools.index.getTag(key, reference);
    if (entry === undefined) return this.#fetch(key, reference, signal);
    const { digest, mediaType, outcome } = await this.#check(key, reference, entry, signal);
    // That upstream named it under a tag of this repository is as good as a link.
    return (await this.#read(digest, mediaType, outcome)) ?? this.#fetch(key, digest, signal);
  }

  /** Resolves when nothing is being fetched or written any more. */
  async settled(): Promise<void> {
    await Promise.all([this.#manifests.settled(), this.#tags.settled()]);
  }

  async #resolveTag(key: RepositoryKey, tag: Tag, signal: AbortSignal): Promise<ManifestDescriptor> {
    const entry = await this.#tools.index.getTag(key, tag);
    if (entry) return this.#check(key, tag, entry, signal);
    const descriptor = await this.#ask(key, tag, signal);
    return { ...descriptor, outcome: { kind: 'miss', stored: false, collapsed: false } };
  }

  /** What a known tag stands for now: what it stood for while that is fresh, else what upstream says. */
  async #check(
    key: RepositoryKey,
    tag: Tag,
    entry: TagEntry,
    signal: AbortSignal,
  ): Promise<ManifestDescriptor & { readonly outcome: CacheOutcome }> {
    const { freshness, clock, log } = this.#tools;
    const { digest, mediaType, sizeBytes } = entry;
    const known = { digest, mediaType, sizeBytes };
    if (decide(entry, freshness, clock.now()) === 'fresh') return { ...known, outcome: { kind: 'hit' } };
    const low = this.#allowance.isLow();
    if (low !== undefined) return { ...known, outcome: { kind: 'stale', reason: low } };
    if (clock.now() < this.#troubleUntilMs) return { ...known, outcome: { kind: 'stale', reason: this.#trouble } };
    try {
      const current = await this.#askSoon(key, tag, signal);
      const same = current.digest === digest;
      return {
        ...current,
        outcome: same ? { kind: 'revalidated' } : { kind: 'miss', stored: false, collapsed: false },
      };
    } catch (error) {
      const verdict = judge(error);
      if (verdict === 'gone') await this.#forgetTag(key, tag);
      if (verdict !== 'stale') throw error;
      this.#trouble = (error as Error).message;
      this.#troubleUntilMs = clock.now() + troubleMs;
      log.warn({ ...key, tag, reason: this.#trouble }, 'tag served stale');
      return { ...known, outcome: { kind: 'stale', reason: this.#trouble } };
    }
  }

  /** Asks, and gives up waiting after a while; what upstream says later is noted all the same. */
  async #askSoon(key: RepositoryKey, tag: Tag, signal: AbortSignal): Promise<ManifestDescriptor> {
    const limit = AbortSignal.timeout(revalidationMs);
    const answer = this.#ask(key, tag, untilAnswered);
    answer.catch(() => {}); // nobody may be waiting any more
    try {
      return await unlessAborted(answer, AbortSignal.any([signal, limit]));
    } catch (error) {
      if (signal.aborted || !limit.aborted) throw error;
      throw new RegistryError('UNAVAILABLE', `Upstream ${this.#registry} did not answer within ${revalidationMs} ms`);
    }
  }

  /** Asks upstream what a tag stands for (HEAD, which Docker Hub does not count), and notes it. */
  #ask(key: RepositoryKey, tag: Tag, signal: AbortSignal): Promise<ManifestDescriptor> {
    return this.#tags.run(`${key.repository}:${tag}`, signal, async (shared) => {
      const descriptor = await this.#upstream.resolveManifest(key.repository, tag, shared);
      this.#troubleUntilMs = 0;
      await this.#keepIfWhole(key, descriptor);
      await this.#noteTag(key, tag, descriptor);
      const { digest, mediaType, sizeBytes } = descriptor;
      return { digest, mediaType, sizeBytes };
    });
  }

  async #local(key: RepositoryKey, digest: Digest): Promise<Manifest | undefined> {
    const link = await this.#tools.index.getLink(key, digest);
    return link?.mediaType === undefined ? undefined : this.#read(digest, link.mediaType, { kind: 'hit' });
  }

  async #read(digest: Digest, mediaType: string, outcome: CacheOutcome): Promise<Manifest | undefined> {
    const bytes = await this.#tools.local.readWhole(digest);
    if (bytes === undefined) return undefined;
    this.#tools.uses.record(digest);
    return { digest, mediaType, sizeBytes: bytes.length, bytes, outcome };
  }

  async #fetch(key: RepositoryKey, reference: Reference, signal: AbortSignal): Promise<Manifest> {
    let mine = false;
    const manifest = await this.#manifests.run(`${key.repository}@${reference}`, signal, async (shared) => {
      mine = true;
      this.#tools.log.debug({ ...key, reference }, 'manifest download initiated');
      const fetched = await this.#upstream.getManifest(key.repository, reference, shared);
      this.#troubleUntilMs = 0;
      const stored = await this.#keepIfWhole(key, fetched);
      if (!isDigestReference(reference)) await this.#noteTag(key, reference, fetched);
      return { ...fetched, outcome: { kind: 'miss', stored, collapsed: false } };
    });
    return mine ? manifest : { ...manifest, outcome: { kind: 'miss', stored: true, collapsed: true } };
  }

  /** Keeps a manifest whose bytes came along; false when there are none, or they could not be kept. */
  async #keepIfWhole(key: RepositoryKey, manifest: ManifestDescriptor | Manifest): Promise<boolean> {
    if (!('bytes' in manifest)) return false;
    try {
      await this.#tools.local.put(manifest.digest, manifest.bytes, key, manifest.mediaType);
      this.#tools.uses.record(manifest.digest, 0);
      return true;
    } catch (error) {
      // Whoever asked gets it all the same: a full disk is no reason to withhold what upstream gave.
      this.#tools.log.error(
        { ...key, digest: manifest.digest, reason: (error as Error).message },
        'manifest cannot be stored',
      );
      return false;
    }
  }

  async #noteTag(key: RepositoryKey, tag: Tag, { digest, mediaType, sizeBytes }: ManifestDescriptor): Promise<void> {
    try {
      await this.#tools.index.putTag(key, tag, { digest, mediaType, sizeBytes, checkedAtMs: this.#tools.clock.now() });
    } catch (error) {
      this.#tools.log.error({ ...key, tag, reason: (error as Error).message }, 'tag cannot be stored');
    }
  }

  async #forgetTag(key: RepositoryKey, tag: Tag): Promise<void> {
    try {
      await this.#tools.index.removeTag(key, tag);
    } catch (error) {
      this.#tools.log.error({ ...key, tag, reason: (error as Error).message }, 'tag cannot be stored');
    }
  }

  #key(repository: Repository): RepositoryKey {
    return { registry: this.#registry, repository };
  }
}
