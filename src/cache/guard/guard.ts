import { isNotFound, isRefused, isRefusedByRegistry, isTemporary, RegistryError } from '../../oci/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import type { Registry } from '../../oci/registry.ts';
import { singleFlight, unlessAborted } from '../../util/locks/single-flight.ts';
import { withinPatience } from '../freshness/patience.ts';
import { decideGuard, type GuardMode } from './decide.ts';
import type { RepositoryKinds } from './kinds/repository-kinds.ts';
import type { ProofKey, Proofs } from './proofs/proofs.ts';
import type { BorrowingUpstream, Visitors } from './visitors.ts';

/** What happens to a client whose proof ran out while upstream cannot be asked. */
export type WhenUpstreamFails = 'deny' | 'allow-proven';

/** How a check of a client's credentials ended. */
export type ProofResult = 'accepted' | 'refused' | 'failed' | 'allowed';

/** What the guard of one upstream is made of. */
export interface GuardOptions {
  /** The upstream's name. */
  readonly name: string;
  readonly mode: GuardMode;
  readonly whenUpstreamFails: WhenUpstreamFails;
  readonly patienceMs: number;
  readonly kinds: RepositoryKinds;
  readonly proofs: Proofs;
  readonly visitors: Visitors;
  /** The upstream as our own identity asks it, which tells `kinds`. */
  readonly own: Registry;
  readonly upstream: BorrowingUpstream;
  /** The cache in front of `own`. */
  readonly open: Registry;
  /** The cache in front of the upstream as visitors ask it. */
  readonly guarded: Registry;
  /** Is told how checks end. It must not throw. */
  readonly checked: (result: ProofResult) => void;
}

/** Asks a registry for what a client wants, in the way that costs least. */
export type Probe = (registry: Registry, signal: AbortSignal) => Promise<unknown>;

/** What a client was let in to: `leave` is called once, when its answer is over. */
export interface Admission {
  readonly registry: Registry;
  /** Whether that is what everybody gets. */
  readonly isOpen: boolean;
  leave(): void;
}

/** A client that upstream accepted before waits no longer than this for it to be asked again, as with tags. */
const hopeLimitMs = 5_000;

/** For so long it is not asked again then. */
const hopeMs = 10_000;

/** Lets clients in to the repositories of one upstream: to open ones all, to guarded ones whom upstream lets. */
export class Guard {
  readonly #options: GuardOptions;
  readonly #checks = singleFlight<unknown>();

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /**
   * Lets a client in.
   * @throws RegistryError UNAUTHORIZED with upstream's challenge, or what else upstream says to the client's credentials
   */
  async admit(
    repository: Repository,
    authorization: string | undefined,
    probe: Probe,
    signal: AbortSignal,
  ): Promise<Admission> {
    const { name, mode, kinds, proofs, open, patienceMs } = this.#options;
    const kind = await kinds.learn(repository);
    // What is open to all is so whoever asks: that is not even looked at.
    if (mode === 'auto' && kind !== 'guarded') return { registry: open, isOpen: true, leave() {} };
    const key = proofs.keyOf({ upstream: name, repository, authorization });
    const [isProven, wasProven] = [proofs.isProven(key), proofs.wasProven(key)];
    const decision = decideGuard({ mode, kind, isProven, wasProven, isDue: kinds.isDue(repository) });
    if (decision === 'guarded') return this.#enter(repository, authorization);
    const isOpen = await withinPatience(patienceMs, signal, async (soon) => {
      if (decision === 'ask' && (await this.#isOpenNow(repository, probe, soon))) return true;
      await this.#prove(key, { repository, authorization, probe }, soon);
      return false;
    });
    return isOpen ? { registry: open, isOpen, leave() {} } : this.#enter(repository, authorization);
  }

  /** Whether an error means that a repository, to which a client was let in as an open one, is guarded now. */
  hasChanged(repository: Repository, { isOpen }: Admission, error: unknown): boolean {
    return isOpen && isRefused(error) && this.#options.kinds.isGuarded(repository);
  }

  /** Resolves when nobody is being checked any more. */
  settled(): Promise<void> {
    return this.#checks.settled();
  }

  async #enter(repository: Repository, authorization: string | undefined): Promise<Admission> {
    const { kinds, upstream, visitors, guarded } = this.#options;
    // What cannot be kept as guarded is not kept at all.
    if (!(await kinds.keepGuarded(repository))) {
      return { registry: upstream.as(authorization), isOpen: false, leave() {} };
    }
    return { registry: guarded, isOpen: false, leave: visitors.enter(repository, authorization) };
  }

  /** Asks whether our own identity may read a guarded repository by now. */
  async #isOpenNow(repository: Repository, probe: Probe, signal: AbortSignal): Promise<boolean> {
    const { kinds, own } = this.#options;
    try {
      await this.#checks.run(`own ${repository}`, signal, (shared) => probe(own, shared));
    } catch (error) {
      signal.throwIfAborted();
      if (isNotFound(error)) kinds.seenNeither(repository);
    }
    return kinds.isOpen(repository);
  }

  /**
   * Asks upstream, once for any number of waiters, whether a client may read a repository.
   * @throws what upstream says when it may not, or when what is asked for is not there, which proves nothing
   */
  async #prove(key: ProofKey, client: Client, signal: AbortSignal): Promise<void> {
    const { proofs } = this.#options;
    for (;;) {
      const refusal = proofs.refusalOf(key);
      if (refusal) throw refusal;
      let mine = false;
      try {
        await this.#checks.run(key, signal, (shared) => {
          mine = true;
          return this.#check(key, client, shared);
        });
        return;
      } catch (error) {
        // What another one asked for is not there, which says nothing of what this one wants.
        if (mine || signal.aborted || !isNotFound(error)) throw error;
      }
    }
  }

  async #check(key: ProofKey, client: Client, signal: AbortSignal): Promise<void> {
    const { proofs, upstream, checked, whenUpstreamFails } = this.#options;
    const mayHope = whenUpstreamFails === 'allow-proven' && proofs.wasProven(key);
    try {
      const asked = client.probe(upstream.as(client.authorization), signal);
      await (mayHope ? soonOr(asked, signal) : asked);
      this.#assertCredentials(client);
    } catch (given) {
      const error = this.#errorFor(client, given);
      if (isRefusedByRegistry(error)) proofs.noteRefused(key, error);
      if (mayHope && isTemporary(error)) {
        proofs.extend(key, hopeMs);
        return checked('allowed');
      }
      checked(isRefusedByRegistry(error) ? 'refused' : 'failed');
      throw error;
    }
    proofs.noteAccepted(key, client.authorization);
    checked('accepted');
  }

  /** Where our own identity was refused, that upstream answers nobody in particular is no reason to let anybody in. */
  #assertCredentials({ repository, authorization }: Client): void {
    const { mode, name } = this.#options;
    if (authorization !== undefined || mode === 'always') return;
    throw new RegistryError('DENIED', `Cannot read "${repository}": upstream ${name} does not say how to log in`);
  }

  /** What a client is told: who has no credentials, how to log in, or else what our own identity was refused with. */
  #errorFor({ repository, authorization }: Client, error: unknown): unknown {
    const { mode, kinds, name } = this.#options;
    const isChallenge = error instanceof RegistryError && error.code === 'UNAUTHORIZED';
    const refusal = authorization === undefined && mode === 'auto' ? kinds.refusalOf(repository) : undefined;
    if (refusal !== undefined && !isChallenge && error instanceof RegistryError) return refusal;
    return isTemporary(error) ? unchecked(name, repository, error as RegistryError) : error;
  }
}

/** Who asks for what. */
interface Client {
  readonly repository: Repository;
  readonly authorization: string | undefined;
  readonly probe: Probe;
}

async function soonOr(asked: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.timeout(hopeLimitMs);
  try {
    await unlessAborted(asked, AbortSignal.any([signal, limit]));
  } catch (error) {
    if (signal.aborted || !limit.aborted) throw error;
    throw new RegistryError('UNAVAILABLE', `Upstream did not answer within ${hopeLimitMs} ms`);
  }
}

function unchecked(name: string, repository: Repository, error: RegistryError): RegistryError {
  const { code, status, headers, notAskedUntilMs } = error;
  const what = `Cannot check who may read "${repository}" of ${name}: ${error.message}`;
  const until = notAskedUntilMs === undefined ? {} : { notAskedUntilMs };
  return new RegistryError(code, what, { status, headers, cause: error, ...until });
}
