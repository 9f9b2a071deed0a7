import type { MetadataIndex, RepositoryKind } from '../../../index/metadata-index.ts';
import type { RegistryError } from '../../../oci/errors.ts';
import type { Repository } from '../../../oci/reference.ts';
import type { Log } from '../../../util/log/log.ts';
import { type Clock, isWithin } from '../../../util/time/clock.ts';

/** What the kinds of the repositories of one upstream are kept with. */
export interface RepositoryKindsOptions {
  /** The upstream's name. */
  readonly registry: string;
  readonly index: Pick<MetadataIndex, 'getKind' | 'putKind'>;
  readonly clock: Clock;
  readonly log: Log;
  /** How long upstream's refusal is believed before our own identity may ask again, in milliseconds. */
  readonly refusalMs: number;
}

interface Known {
  readonly kind: RepositoryKind;
  /** When upstream said so, counted by `moment`. */
  readonly at: number;
  /** The same on the clock. */
  readonly sinceMs: number;
  /** What upstream refused with. */
  readonly refusal: RegistryError | undefined;
  isNoted: boolean;
}

const maxKnown = 50_000; // names of repositories that are asked for, which clients choose: about 10 MiB

/**
 * Which repositories of an upstream everybody may read, and which only those whom upstream lets: what it said last to
 * our own identity. That a repository is guarded is in the index before anything is that a client's credentials fetched.
 * So whatever is linked to a repository of no known kind was read by our own identity.
 */
export class RepositoryKinds {
  readonly #options: RepositoryKindsOptions;
  readonly #known = new Map<Repository, Known>();
  #moments = 0;

  constructor(options: RepositoryKindsOptions) {
    this.#options = options;
  }

  /** Whether a repository is known to be open: all that a hit asks. */
  isOpen(repository: Repository): boolean {
    return this.#known.get(repository)?.kind === 'open';
  }

  /** Whether a repository is known to be guarded. */
  isGuarded(repository: Repository): boolean {
    return this.#known.get(repository)?.kind === 'guarded';
  }

  /** Of what kind a repository is; undefined when nobody knows. While the index cannot say, it is guarded. */
  async learn(repository: Repository): Promise<RepositoryKind | undefined> {
    const known = this.#known.get(repository);
    if (known) return known.kind;
    let kind: RepositoryKind | undefined;
    try {
      kind = await this.#options.index.getKind(this.#key(repository));
    } catch {
      return this.#known.get(repository)?.kind ?? 'guarded';
    }
    const learnt = this.#known.get(repository);
    if (learnt || kind === undefined) return learnt?.kind;
    // How long ago that was is not noted: long enough to ask again.
    this.#set(repository, { kind, at: 0, sinceMs: Number.NEGATIVE_INFINITY, refusal: undefined, isNoted: true });
    return kind;
  }

  /** Whether our own identity may ask again for a repository that upstream refused it. */
  isDue(repository: Repository): boolean {
    const { clock, refusalMs } = this.#options;
    return !isWithin(this.#known.get(repository)?.sinceMs ?? Number.NEGATIVE_INFINITY, refusalMs, clock.now());
  }

  /** What upstream last refused a repository with. */
  refusalOf(repository: Repository): RegistryError | undefined {
    return this.#known.get(repository)?.refusal;
  }

  /** A moment, for `seenOpen`: taken when upstream is asked. */
  moment(): number {
    return this.#moments;
  }

  /** Upstream answered our own identity, which had asked at a moment: what it refused later counts all the same. */
  async seenOpen(repository: Repository, askedAt: number): Promise<void> {
    const known = this.#known.get(repository);
    if (known?.kind === 'open' && known.isNoted) return;
    if (known?.kind === 'guarded' && known.at > askedAt) return;
    if (known?.kind === 'guarded') this.#options.log.info(this.#key(repository), 'repository open');
    await this.#note(repository, this.#set(repository, { ...this.#now('open'), refusal: undefined }), false);
  }

  /** Upstream refused our own identity. */
  async seenRefused(repository: Repository, refusal: RegistryError): Promise<void> {
    const known = this.#known.get(repository);
    const isNoted = known?.kind === 'guarded' && known.isNoted;
    if (known?.kind === 'open') {
      this.#options.log.warn({ ...this.#key(repository), reason: refusal.message }, 'repository guarded');
    }
    const next = this.#set(repository, { ...this.#now('guarded'), refusal, isNoted });
    // Anybody can ask for names that are none: of those nothing is written.
    if (!isNoted) await this.#note(repository, next, true);
  }

  /** Our own identity was not let in just now, though it was not refused either. */
  seenNeither(repository: Repository): void {
    const known = this.#known.get(repository);
    if (known?.kind === 'guarded') this.#set(repository, { ...known, sinceMs: this.#options.clock.now() });
  }

  /**
   * Sees to it that the index has a repository as guarded, before anything is kept that a client's credentials fetched.
   * False when it cannot be noted: then nothing may be kept.
   */
  async keepGuarded(repository: Repository): Promise<boolean> {
    const known = this.#known.get(repository) ?? this.#set(repository, { ...this.#now('guarded'), refusal: undefined });
    if (known.kind === 'open' || known.isNoted) return true;
    return this.#note(repository, known, false);
  }

  /** Forgets which repositories are open, as another process may have noted otherwise. */
  forgetOpen(): void {
    for (const [repository, { kind }] of this.#known) if (kind === 'open') this.#known.delete(repository);
  }

  async #note(repository: Repository, known: Known, ifKnown: boolean): Promise<boolean> {
    const { index, log } = this.#options;
    try {
      await index.putKind(this.#key(repository), known.kind, { ifKnown });
      if (!ifKnown) known.isNoted = true;
      return true;
    } catch (error) {
      log.debug({ ...this.#key(repository), reason: (error as Error).message }, 'kind of repository cannot be stored');
      return false;
    }
  }

  #now(kind: RepositoryKind): Omit<Known, 'refusal'> {
    return { kind, at: ++this.#moments, sinceMs: this.#options.clock.now(), isNoted: false };
  }

  #set(repository: Repository, known: Known): Known {
    this.#known.delete(repository); // so that it stands at the end, as the youngest
    this.#known.set(repository, known);
    if (this.#known.size > maxKnown) this.#known.delete(this.#known.keys().next().value!);
    return known;
  }

  #key(repository: Repository) {
    return { registry: this.#options.registry, repository };
  }
}
