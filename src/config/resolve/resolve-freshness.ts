import type { FreshnessConfig, FreshnessRuleConfig, UpstreamConfig } from '../config.ts';
import type { ParsedConfig, ParsedUpstream } from '../schema/schema.ts';

type ParsedRule = NonNullable<ParsedUpstream['rules']>[number];

/** How long the tags of an upstream are believed: what holds for all, unless it says otherwise, and its rules. */
export function resolveFreshness(cache: ParsedConfig['cache'], upstream: ParsedUpstream): UpstreamConfig['freshness'] {
  const own = namesOf(upstream);
  return {
    tagTtlMs: own.tagTtlMs ?? cache.tagTtl,
    staleForMs: own.staleForMs ?? cache.staleFor,
    onDenied: own.onDenied ?? cache.onDenied,
    onMissing: own.onMissing ?? cache.onMissing,
    revalidate: own.revalidate ?? cache.revalidate,
    immutableTags: own.immutableTags ?? cache.immutableTags ?? [],
    rules: (upstream.rules ?? []).map(resolveRule),
  };
}

function resolveRule(rule: ParsedRule): FreshnessRuleConfig {
  return { repository: rule.repository, tag: rule.tag, ...namesOf(rule) };
}

function namesOf({ tagTtl, staleFor, onDenied, onMissing, revalidate, immutableTags }: ParsedUpstream | ParsedRule): {
  readonly [key in keyof FreshnessConfig]: FreshnessConfig[key] | undefined;
} {
  return { tagTtlMs: tagTtl, staleForMs: staleFor, onDenied, onMissing, revalidate, immutableTags };
}
