import type { RepositoryKey, TagEntry } from '../../index/metadata-index.ts';
import { isTemporary, RegistryError } from '../../oci/errors.ts';
import type { Tag } from '../../oci/reference.ts';
import type { CacheOutcome, ManifestDescriptor, Registry } from '../../oci/registry.ts';
import { singleFlight, unlessAborted } from '../../util/locks/single-flight.ts';
import { isWithin } from '../../util/time/clock.ts';
import type { Allowance } from '../freshness/allowance.ts';
import {
  decide,
  type Fallback,
  type FreshnessPolicies,
  type FreshnessPolicy,
  fallBack,
  policyFor,
} from '../freshness/freshness.ts';
import type { CacheTools } from '../tools.ts';

/**
 * When upstream is in trouble, what is here is served; asking again for every request would make each wait as long as
 * the first.
 */
const troubleMs = 10_000;

/** What is here is not withheld for longer than this while upstream is asked whether it still holds. */
const revalidationMs = 5_000;

/** For work that goes on when nobody waits for it; the upstream client has a limit of its own. */
const untilAnswered = new AbortController().signal;

/** How many tags it is kept of what upstream said behind an answer; those that fail are few, or all. */
const maxFailures = 5_000;

const hit: CacheOutcome = { kind: 'hit' };

/** What a tag stands for, and how that is known. */
export type KnownTag = ManifestDescriptor & { readonly outcome: CacheOutcome };

/** What tags are made of, beside the tools that all share. */
export interface TagCacheOptions {
  /** The upstream's name. */
  readonly registry: string;
  readonly upstream: Registry;
  readonly policies: FreshnessPolicies;
  readonly allowance: Allowance;
  readonly tools: CacheTools;
  /** Keeps the manifest when an answer to HEAD came with it, as there are registries that know only GET. */
  keep(key: RepositoryKey, answer: ManifestDescriptor): Promise<unknown>;
}

/** What the tags of one upstream stand for: what was noted, and how upstream is asked whether it still holds. */
export class TagCache {
  readonly #options: TagCacheOptions;
  readonly #asked = singleFlight<ManifestDescriptor>();
  readonly #behind = singleFlight<void>();
  /** What upstream said last behind an answer, when that was an error. */
  readonly #failures = new Map<string, unknown>();
  /** What holds for a tag, for as long as the index remembers its entry: patterns are not matched at every hit. */
  readonly #policies = new WeakMap<TagEntry, FreshnessPolicy>();
  #trouble: { readonly error: unknown; readonly sinceMs: number } | undefined;

  constructor(options: TagCacheOptions) {
    this.#options = options;
  }

  /** What was noted of a tag. */
  get(key: RepositoryKey, tag: Tag): Promise<TagEntry | undefined> {
    return this.#options.tools.index.getTag(key, tag);
  }

  /** What a known tag stands for while that is fresh; undefined when it is to be checked. Nearly every hit ends here. */
  fresh(key: RepositoryKey, tag: Tag, entry: TagEntry): KnownTag | undefined {
    const isFresh = decide(entry, this.#policyOf(key, tag, entry), this.#options.tools.clock.now()) === 'fresh';
    return isFresh ? known(entry, hit) : undefined;
  }

  /**
   * What a known tag stands for now that it is not fresh: what upstream says, or what it stood for.
   * @throws RegistryError, upstream's, when what is known must not be served
   */
  async check(key: RepositoryKey, tag: Tag, entry: TagEntry, signal: AbortSignal): Promise<KnownTag> {
    const { tools } = this.#options;
    const policy = this.#policyOf(key, tag, entry);
    const decision = decide(entry, policy, tools.clock.now());
    const low = this.#options.allowance.isLow();
    if (low !== undefined) {
      const spared = new RegistryError('TOOMANYREQUESTS', low);
      if (fallBack(spared, entry, policy, tools.clock.now()) === 'serve') return known(entry, staleBecause(spared));
    }
    const failure = this.#failures.get(nameOf(key, tag));
    if (decision === 'stale' && (failure === undefined || this.#fallBack(key, tag, entry, failure) === 'serve')) {
      this.#askBehind(key, tag, entry);
      return known(entry, failure === undefined ? { kind: 'revalidating' } : staleBecause(failure));
    }
    try {
      const current = await this.#askSoon(key, tag, signal);
      const same = current.digest === entry.digest;
      return {
        ...current,
        outcome: same ? { kind: 'revalidated' } : { kind: 'miss', stored: false, collapsed: false },
      };
    } catch (error) {
      if ((await this.#accept(key, tag, entry, error)) !== 'serve') throw error;
      return known(entry, staleBecause(error));
    }
  }

  /**
   * Goes back to what a tag stood for, when upstream says what it stands for now, but cannot give that.
   * @throws the error, when what was known must not be served
   */
  async goBack(key: RepositoryKey, tag: Tag, entry: TagEntry, error: unknown): Promise<KnownTag> {
    if (!isTemporary(error) || this.#fallBack(key, tag, entry, error) !== 'serve') throw error;
    this.#noteTrouble(error);
    await this.#write(key, tag, (index) => index.putTag(key, tag, entry));
    return known(entry, staleBecause(error));
  }

  /** Asks upstream what a tag stands for (HEAD, which Docker Hub does not count), and notes it. */
  ask(key: RepositoryKey, tag: Tag, signal: AbortSignal): Promise<ManifestDescriptor> {
    return this.#asked.run(nameOf(key, tag), signal, async (shared) => {
      const descriptor = await this.#options.upstream.resolveManifest(key.repository, tag, shared);
      await this.#options.keep(key, descriptor);
      await this.note(key, tag, descriptor);
      const { digest, mediaType, sizeBytes } = descriptor;
      return { digest, mediaType, sizeBytes };
    });
  }

  /** Notes what upstream just said that a tag stands for. */
  async note(key: RepositoryKey, tag: Tag, { digest, mediaType, sizeBytes }: ManifestDescriptor): Promise<void> {
    this.#trouble = undefined;
    this.#failures.delete(nameOf(key, tag));
    const checkedAtMs = this.#options.tools.clock.now();
    await this.#write(key, tag, (index) => index.putTag(key, tag, { digest, mediaType, sizeBytes, checkedAtMs }));
  }

  /** Notes that upstream answers again. */
  recovered(): void {
    this.#trouble = undefined;
  }

  /** Resolves when nothing is being asked or written any more. */
  async settled(): Promise<void> {
    await Promise.all([this.#asked.settled(), this.#behind.settled()]);
  }

  /** Asks upstream behind an answer, one question at a time for each tag. */
  #askBehind(key: RepositoryKey, tag: Tag, entry: TagEntry): void {
    const name = nameOf(key, tag);
    void this.#behind.run(name, untilAnswered, async () => {
      try {
        await this.#askSoon(key, tag, untilAnswered);
      } catch (error) {
        if ((await this.#accept(key, tag, entry, error)) !== 'forget') this.#noteFailure(key, tag, error);
      }
    });
  }

  #noteFailure(key: RepositoryKey, tag: Tag, error: unknown): void {
    const name = nameOf(key, tag);
    const reason = messageOf(error);
    const before = this.#failures.get(name);
    if (before === undefined || messageOf(before) !== reason) {
      this.#options.tools.log.warn({ ...key, tag, reason }, 'tag cannot be revalidated');
    }
    if (this.#failures.size >= maxFailures) this.#failures.clear();
    this.#failures.set(name, error);
  }

  /** Asks, and gives up waiting after a while; what upstream says later is noted all the same. */
  async #askSoon(key: RepositoryKey, tag: Tag, signal: AbortSignal): Promise<ManifestDescriptor> {
    const { tools, registry } = this.#options;
    if (this.#trouble && isWithin(this.#trouble.sinceMs, troubleMs, tools.clock.now())) throw this.#trouble.error;
    const limit = AbortSignal.timeout(revalidationMs);
    const answer = this.ask(key, tag, untilAnswered);
    answer.catch(() => {}); // nobody may be waiting any more
    try {
      return await unlessAborted(answer, AbortSignal.any([signal, limit]));
    } catch (error) {
      if (signal.aborted) throw error;
      const failure = limit.aborted
        ? new RegistryError('UNAVAILABLE', `Upstream ${registry} did not answer within ${revalidationMs} ms`)
        : error;
      if (isTemporary(failure)) this.#noteTrouble(failure);
      throw failure;
    }
  }

  #fallBack(key: RepositoryKey, tag: Tag, entry: TagEntry, error: unknown): Fallback {
    return fallBack(error, entry, this.#policyOf(key, tag, entry), this.#options.tools.clock.now());
  }

  #policyOf(key: RepositoryKey, tag: Tag, entry: TagEntry): FreshnessPolicy {
    const known = this.#policies.get(entry);
    if (known) return known;
    const policy = policyFor(this.#options.policies, key.repository, tag);
    this.#policies.set(entry, policy);
    return policy;
  }

  /** What an error of upstream's means for what is known; a tag that is gone is forgotten. */
  async #accept(key: RepositoryKey, tag: Tag, entry: TagEntry, error: unknown): Promise<Fallback> {
    const fallback = this.#fallBack(key, tag, entry, error);
    if (fallback === 'forget') await this.#write(key, tag, (index) => index.removeTag(key, tag));
    return fallback;
  }

  #noteTrouble(error: unknown): void {
    const { tools, registry } = this.#options;
    this.#trouble = { error, sinceMs: tools.clock.now() };
    tools.log.warn({ registry, reason: messageOf(error) }, 'tags served stale');
  }

  async #write(key: RepositoryKey, tag: Tag, write: (index: CacheTools['index']) => Promise<unknown>): Promise<void> {
    const { index, log } = this.#options.tools;
    try {
      await write(index);
    } catch (error) {
      log.debug({ ...key, tag, reason: messageOf(error) }, 'tag cannot be stored');
    }
  }
}

function nameOf({ repository }: RepositoryKey, tag: Tag): string {
  return `${repository}:${tag}`;
}

function known({ digest, mediaType, sizeBytes }: TagEntry, outcome: CacheOutcome): KnownTag {
  return { digest, mediaType, sizeBytes, outcome };
}

function staleBecause(error: unknown): CacheOutcome {
  return { kind: 'stale', reason: messageOf(error) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
