import type { TagEntry } from '../../index/metadata-index.ts';
import { isNotFound, isRefused, isTemporary } from '../../oci/errors.ts';
import type { Repository, Tag } from '../../oci/reference.ts';
import { isWithin } from '../../util/time/clock.ts';

/** How long what upstream said of a tag is believed, and what happens after that. */
export interface FreshnessPolicy {
  /** For so long, in milliseconds, upstream is not asked again; `Infinity` is never, whatever the clock says. */
  readonly tagTtlMs: number;
  /** How much older an entry may be that is served while upstream cannot say; `Infinity` for any age. */
  readonly staleForMs: number;
  /** When upstream refuses a tag that is known: whether it is served all the same. */
  readonly onDenied: 'deny' | 'serve';
  /** When upstream has no such tag any more: whether it is forgotten, or served all the same. */
  readonly onMissing: 'forget' | 'serve';
  /** Whether upstream is asked before the answer, or behind it. */
  readonly revalidate: 'first' | 'background';
}

/** What holds for the tags of one upstream. */
export interface FreshnessPolicies extends FreshnessPolicy {
  /** Tags that never change: once known, upstream is not asked for them again. */
  readonly immutableTags: readonly RegExp[];
  /** What holds for some of its repositories and tags in place of the above. */
  readonly rules: readonly FreshnessRule[];
}

/** What holds for the tags whose repository and name match; without a pattern, every one does. */
export type FreshnessRule = { readonly repository?: RegExp | undefined; readonly tag?: RegExp | undefined } & {
  readonly [key in Exclude<keyof FreshnessPolicies, 'rules'>]?: FreshnessPolicies[key] | undefined;
};

/** Nothing is asked for again: what is here is served, however old it is. */
export const offlinePolicies: FreshnessPolicies = {
  tagTtlMs: Number.POSITIVE_INFINITY,
  staleForMs: Number.POSITIVE_INFINITY,
  onDenied: 'deny',
  onMissing: 'forget',
  revalidate: 'first',
  immutableTags: [],
  rules: [],
};

/** What holds for one tag: for each key, what the first rule says that matches and has it, else the upstream's. */
export function policyFor(policies: FreshnessPolicies, repository: Repository, tag: Tag): FreshnessPolicy {
  const { rules } = policies;
  if (rules.length === 0) return withoutEnd(policies, policies.immutableTags, tag);
  const matching = rules.filter((rule) => matches(rule.repository, repository) && matches(rule.tag, tag));
  const value = <K extends keyof FreshnessPolicies & keyof FreshnessRule>(key: K): FreshnessPolicies[K] =>
    (matching.find((rule) => rule[key] !== undefined)?.[key] as FreshnessPolicies[K] | undefined) ?? policies[key];
  const policy = {
    tagTtlMs: value('tagTtlMs'),
    staleForMs: value('staleForMs'),
    onDenied: value('onDenied'),
    onMissing: value('onMissing'),
    revalidate: value('revalidate'),
  };
  return withoutEnd(policy, value('immutableTags'), tag);
}

function matches(pattern: RegExp | undefined, text: string): boolean {
  return pattern === undefined || pattern.test(text);
}

function withoutEnd(policy: FreshnessPolicy, immutableTags: readonly RegExp[], tag: Tag): FreshnessPolicy {
  return immutableTags.some((pattern) => pattern.test(tag))
    ? { ...policy, tagTtlMs: Number.POSITIVE_INFINITY }
    : policy;
}

/** What to do with what is known of a tag. */
export type Decision =
  /** Nothing is known: upstream has to say. */
  | 'miss'
  /** It is served, and upstream is not asked. */
  | 'fresh'
  /** Upstream is asked first whether it still holds. */
  | 'revalidate'
  /** It is served, and upstream is asked behind the answer. */
  | 'stale';

/** Decides about a tag. What is asked for by digest never changes, and needs no decision. */
export function decide(entry: TagEntry | undefined, policy: FreshnessPolicy, nowMs: number): Decision {
  if (entry === undefined) return 'miss';
  if (policy.tagTtlMs === Number.POSITIVE_INFINITY) return 'fresh';
  if (isWithin(entry.checkedAtMs, policy.tagTtlMs, nowMs)) return 'fresh';
  return policy.revalidate === 'background' && !isTooOld(entry, policy, nowMs) ? 'stale' : 'revalidate';
}

/** What to do with what is known of a tag when upstream answered with an error. */
export type Fallback =
  /** It is served as it is known. */
  | 'serve'
  /** There is no such tag any more: the client gets the error, and nothing is known of the tag from now on. */
  | 'forget'
  /** The client gets the error. */
  | 'fail';

/** Reads upstream's error on revalidation. `staleForMs` is about what upstream cannot say, not about what it says. */
export function fallBack(error: unknown, entry: TagEntry, policy: FreshnessPolicy, nowMs: number): Fallback {
  if (isTemporary(error)) return isTooOld(entry, policy, nowMs) ? 'fail' : 'serve';
  if (isNotFound(error)) return policy.onMissing;
  return isRefused(error) && policy.onDenied === 'serve' ? 'serve' : 'fail';
}

function isTooOld({ checkedAtMs }: TagEntry, { tagTtlMs, staleForMs }: FreshnessPolicy, nowMs: number): boolean {
  return nowMs - checkedAtMs > tagTtlMs + staleForMs;
}
