import type { Allowance } from '../../cache/freshness/allowance.ts';
import { offlinePolicies, policyFor } from '../../cache/freshness/freshness.ts';
import { rememberNegativeAnswers } from '../../cache/freshness/negative-answers.ts';
import { offlineRegistry } from '../../cache/freshness/offline.ts';
import { clientRegistry } from '../../cache/guard/client-registry.ts';
import { Guard } from '../../cache/guard/guard.ts';
import { learnKinds, type Refused } from '../../cache/guard/kinds/learn-kinds.ts';
import { RepositoryKinds } from '../../cache/guard/kinds/repository-kinds.ts';
import { rememberChallenge } from '../../cache/guard/ping-challenge.ts';
import { ClientTokens, type LoginUpstream } from '../../cache/guard/proofs/client-tokens.ts';
import { Proofs } from '../../cache/guard/proofs/proofs.ts';
import { askAsVisitors, type BorrowingUpstream, Visitors } from '../../cache/guard/visitors.ts';
import { PullThrough } from '../../cache/pull-through.ts';
import type { Config, UpstreamConfig } from '../../config/config.ts';
import { RegistryError } from '../../oci/errors.ts';
import { isDigestReference, type Tag } from '../../oci/reference.ts';
import type { Registry } from '../../oci/registry.ts';
import type { RegistryGuard } from '../../server/routing/routing.ts';
import type { Basics } from '../app-options.ts';
import type { SharedCache } from './cache.ts';

/** An upstream with its cache in front. */
export interface CachedUpstream {
  readonly registry: Registry;
  readonly guard: RegistryGuard | undefined;
  /** Resolves when nothing goes on for nobody any more. */
  settled(): Promise<void>;
}

/** An upstream that is asked as us, and as its clients. */
export type AskedUpstream = Registry & BorrowingUpstream & LoginUpstream & Pick<RegistryGuard, 'challenge'>;

/** What stands in for an upstream that is not asked. */
export function offlineUpstream(name: string): AskedUpstream {
  const registry = offlineRegistry(name);
  const passOnLogin = async () => {
    throw new RegistryError('UNAVAILABLE', `Cannot log in to ${name}: it is not asked (offline)`);
  };
  const login = { challenge: async () => undefined, renameRealm: () => undefined, passOnLogin };
  return { ...registry, as: () => registry, ...login };
}

/** Makes the memory of proofs, which all upstreams share. */
export function openProofs({ guard, cache }: Config, { clock }: Basics): Proofs {
  return new Proofs({ clock, ttlMs: guard.ttlMs, refusalMs: cache.negativeTtlMs });
}

/** Puts the cache in front of an upstream, and the guard before that. */
export async function cacheUpstream(
  config: Config,
  upstream: UpstreamConfig,
  { asked, allowance }: { readonly asked: AskedUpstream; readonly allowance: Allowance },
  tools: Basics & { readonly cache: SharedCache; readonly proofs: Proofs },
): Promise<CachedUpstream> {
  const { name, guard: mode } = upstream;
  const { clock, log, cache } = tools;
  const freshness = config.offline ? offlinePolicies : upstream.freshness;
  const refusalMs = config.cache.negativeTtlMs;
  const kinds = new RepositoryKinds({ registry: name, index: cache.index, clock, log, refusalMs });
  cache.whenChanged.add(() => kinds.forgetOpen());
  const own = learnKinds(asked, kinds, mode === 'never' ? async () => {} : noteRefusals(kinds, freshness));
  const remembering = config.offline ? own : rememberNegativeAnswers(own, { ttlMs: refusalMs, clock });
  const open = new PullThrough(name, remembering, freshness, cache, allowance);
  if (mode === 'never') return { registry: open, guard: undefined, settled: () => open.settled() };
  // Whoever wrote that they were open did so when our own identity counted.
  if (mode === 'always') await cache.index.guardAll(name);
  const visitors = new Visitors();
  const lent = askAsVisitors(name, asked, visitors, (repository, authorization, refusal) =>
    tools.proofs.noteRefused(tools.proofs.keyOf({ upstream: name, repository, authorization }), refusal),
  );
  const guarded = new PullThrough(name, lent, freshness, cache, undefined, 'guarded');
  const guard = new Guard({
    ...{ name, mode, kinds, visitors, own, open, guarded, upstream: asked, proofs: tools.proofs },
    whenUpstreamFails: config.guard.whenUpstreamFails,
    patienceMs: cache.patienceMs,
    checked: (result) => tools.metrics.guardChecks.inc({ upstream: name, result }),
  });
  const forClient = (authorization: string | undefined) =>
    clientRegistry(guard, authorization || undefined, (page) => open.listRepositories(page));
  const challenge = rememberChallenge({
    ask: (signal) => asked.challenge(signal),
    isAnsweredHere: (challenge) => asked.renameRealm(challenge, 'https:') !== undefined,
    clock,
  });
  return {
    registry: forClient(undefined),
    guard: {
      open,
      isOpen: mode === 'always' ? () => false : (repository) => kinds.isOpen(repository),
      forClient,
      challenge,
      tokens: new ClientTokens({ mode, kinds, upstream: asked, challenge, clock }),
    },
    settled: async () => void (await Promise.all([open.settled(), guarded.settled(), guard.settled()])),
  };
}

/** What upstream refuses is guarded, but for open repositories whose tags are to be served though it refuses them. */
function noteRefusals(
  kinds: RepositoryKinds,
  freshness: UpstreamConfig['freshness'] | typeof offlinePolicies,
): Refused {
  return async (repository, refusal, reference) => {
    const tag = reference === undefined || isDigestReference(reference) ? ('' as Tag) : reference;
    if (kinds.isOpen(repository) && policyFor(freshness, repository, tag).onDenied === 'serve') return;
    await kinds.seenRefused(repository, refusal);
  };
}
