import type { RepositoryKey, TagEntry } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { isDigestReference, type Reference, type Repository, type Tag } from '../../oci/reference.ts';
import type { CacheOutcome, Manifest, ManifestDescriptor, Registry } from '../../oci/registry.ts';
import { singleFlight, unlessAborted } from '../../util/locks/single-flight.ts';
import { withinPatience } from '../freshness/patience.ts';
import type { CacheTools } from '../tools.ts';
import { type KnownTag, TagCache, type TagCacheOptions } from './tags.ts';

/** For work that nobody waits for; it ends by itself. */
const untilDone = new AbortController().signal;

const hit: CacheOutcome = { kind: 'hit' };

/** The manifests and tags of one upstream. */
export class ManifestCache {
  readonly #registry: string;
  readonly #upstream: Registry;
  readonly #tools: CacheTools;
  readonly #manifests = singleFlight<Manifest>();
  readonly #adoptions = singleFlight<boolean>();
  /** Tags whose manifests are known to be noted, as long as the index remembers their entries: not looked up at each hit. */
  readonly #adopted = new WeakSet<TagEntry>();
  readonly #tags: TagCache;

  constructor(options: Omit<TagCacheOptions, 'keep'>) {
    this.#registry = options.registry;
    this.#upstream = options.upstream;
    this.#tools = options.tools;
    this.#tags = new TagCache({ ...options, keep: (key, answer) => this.#keepIfWhole(key, answer) });
  }

  async resolve(repository: Repository, reference: Reference, signal: AbortSignal): Promise<ManifestDescriptor> {
    const key = this.#key(repository);
    if (!isDigestReference(reference)) return this.#resolveTag(key, reference, signal);
    const local = await this.#local(key, reference);
    if (local) return local;
    const descriptor = await this.#soon(signal, (soon) => this.#upstream.resolveManifest(repository, reference, soon));
    return {
      ...descriptor,
      outcome: { kind: 'miss', stored: await this.#keepIfWhole(key, descriptor), collapsed: false },
    };
  }

  async get(repository: Repository, reference: Reference, signal: AbortSignal): Promise<Manifest> {
    const key = this.#key(repository);
    if (isDigestReference(reference)) {
      const local = await this.#local(key, reference);
      return local ?? this.#soon(signal, (soon) => this.#fetch(key, reference, soon));
    }
    const entry = await this.#tags.get(key, reference);
    if (entry === undefined) return this.#soon(signal, (soon) => this.#fetch(key, reference, soon));
    const fresh = this.#tags.fresh(key, reference, entry);
    const local = fresh && (await this.#readTagged(key, entry, fresh));
    return local ?? this.#soon(signal, (soon) => this.#getChecked(key, reference, entry, soon));
  }

  /** Resolves when nothing is being fetched or written any more. */
  async settled(): Promise<void> {
    await Promise.all([this.#manifests.settled(), this.#adoptions.settled(), this.#tags.settled()]);
  }

  async #resolveTag(key: RepositoryKey, tag: Tag, signal: AbortSignal): Promise<ManifestDescriptor> {
    const entry = await this.#tags.get(key, tag);
    const fresh = entry && this.#tags.fresh(key, tag, entry);
    if (fresh) return fresh;
    return this.#soon(signal, async (soon) => {
      if (entry) return this.#tags.check(key, tag, entry, soon);
      const descriptor = await this.#tags.ask(key, tag, soon);
      return { ...descriptor, outcome: { kind: 'miss', stored: false, collapsed: false } };
    });
  }

  async #getChecked(key: RepositoryKey, tag: Tag, entry: TagEntry, signal: AbortSignal): Promise<Manifest> {
    const current = this.#tags.fresh(key, tag, entry) ?? (await this.#tags.check(key, tag, entry, signal));
    const local = await this.#readTagged(key, entry, current);
    if (local) return local;
    try {
      return await this.#fetch(key, current.digest, signal);
    } catch (error) {
      if (current.digest === entry.digest) throw error;
      return await this.#getBefore(key, tag, entry, error);
    }
  }

  /** The manifest that a tag stands for: that upstream named it under a tag of this repository is as good as a link. */
  async #readTagged(key: RepositoryKey, entry: TagEntry, current: KnownTag): Promise<Manifest | undefined> {
    const { digest, mediaType, outcome } = current;
    const local = await this.#read(digest, mediaType, outcome);
    if (local && !this.#adopted.has(entry)) void this.#adoptOnce(key, entry, local);
    return local;
  }

  /** What a tag stood for before it moved to a manifest that cannot be had now: HEAD may be answered where GET is not. */
  async #getBefore(key: RepositoryKey, tag: Tag, entry: TagEntry, error: unknown): Promise<Manifest> {
    const before = await this.#read(entry.digest, entry.mediaType, hit);
    if (before === undefined) throw error;
    const { outcome } = await this.#tags.goBack(key, tag, entry, error);
    return { ...before, outcome };
  }

  async #local(key: RepositoryKey, digest: Digest): Promise<Manifest | undefined> {
    const link = await this.#tools.index.getLink(key, digest);
    return link?.mediaType === undefined ? undefined : this.#read(digest, link.mediaType, hit);
  }

  async #read(digest: Digest, mediaType: string, outcome: CacheOutcome): Promise<Manifest | undefined> {
    const bytes = await this.#tools.local.readWhole(digest);
    if (bytes === undefined) return undefined;
    this.#tools.uses.record(digest);
    return { digest, mediaType, sizeBytes: bytes.length, bytes, outcome };
  }

  async #adoptOnce(key: RepositoryKey, entry: TagEntry, manifest: Manifest): Promise<void> {
    const name = `${key.repository}@${manifest.digest}`;
    const isAdopted = await this.#adoptions.run(name, untilDone, () => this.#adopt(key, manifest));
    // A tag that has moved meanwhile has another entry now.
    if (isAdopted && entry.digest === manifest.digest) this.#adopted.add(entry);
  }

  /**
   * Notes what only a tag has told so far: the index was lost, or the process was killed between file and row. Without
   * it, nobody would be served the manifest by digest when upstream cannot be asked, and it would never make room. False
   * when it cannot be noted now.
   */
  async #adopt(key: RepositoryKey, manifest: Manifest): Promise<boolean> {
    const { index, log } = this.#tools;
    try {
      const link = await index.getLink(key, manifest.digest);
      const isKnown = link?.mediaType !== undefined && link.sizeBytes !== undefined;
      return isKnown || (await this.#keepIfWhole(key, manifest));
    } catch (error) {
      log.debug({ ...key, digest: manifest.digest, reason: (error as Error).message }, 'manifest cannot be stored');
      return false;
    }
  }

  /** A GET that was sent counts, so it goes on when those who wait for it have left: they may come again. */
  async #fetch(key: RepositoryKey, reference: Reference, signal: AbortSignal): Promise<Manifest> {
    signal.throwIfAborted();
    let mine = false;
    const fetching = this.#manifests.run(`${key.repository}@${reference}`, untilDone, async (shared) => {
      mine = true;
      this.#tools.log.debug({ ...key, reference }, 'manifest download initiated');
      const fetched = await this.#upstream.getManifest(key.repository, reference, shared);
      this.#tags.recovered();
      const stored = await this.#keepIfWhole(key, fetched);
      if (!isDigestReference(reference)) await this.#tags.note(key, reference, fetched);
      return { ...fetched, outcome: { kind: 'miss', stored, collapsed: false } };
    });
    fetching.catch(() => {}); // nobody may be waiting any more
    const manifest = await unlessAborted(fetching, signal);
    return mine ? manifest : { ...manifest, outcome: { kind: 'miss', stored: true, collapsed: true } };
  }

  /** Keeps a manifest whose bytes came along; false when there are none, or they could not be kept. */
  async #keepIfWhole(key: RepositoryKey, manifest: ManifestDescriptor | Manifest): Promise<boolean> {
    if (!('bytes' in manifest)) return false;
    try {
      const { digest, bytes, mediaType } = manifest;
      if (!(await this.#tools.local.put(digest, bytes, key, mediaType))) return false;
      this.#tools.uses.record(digest, 0);
      return true;
    } catch (error) {
      // Whoever asked gets it all the same: a full disk is no reason to withhold what upstream gave.
      this.#tools.log.debug(
        { ...key, digest: manifest.digest, reason: (error as Error).message },
        'manifest cannot be stored',
      );
      return false;
    }
  }

  #soon<T>(signal: AbortSignal, work: (soon: AbortSignal) => Promise<T>): Promise<T> {
    return withinPatience(this.#tools.patienceMs, signal, work);
  }

  #key(repository: Repository): RepositoryKey {
    return { registry: this.#registry, repository };
  }
}
