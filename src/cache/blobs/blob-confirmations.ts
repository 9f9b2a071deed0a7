import type { RepositoryKey } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { isTemporary } from '../../oci/errors.ts';
import type { BlobStat, CacheOutcome, Registry } from '../../oci/registry.ts';
import { singleFlight } from '../../util/locks/single-flight.ts';
import { proveStored } from '../content/prove-stored.ts';
import type { CacheTools } from '../tools.ts';
import { type CacheView, isOpenBlob, originOf } from './blob-origins.ts';
import { noteBlob } from './note-blob.ts';

const hit: CacheOutcome = { kind: 'hit' };
const revalidated: CacheOutcome = { kind: 'revalidated' };
const passedOn: CacheOutcome = { kind: 'miss', stored: false, collapsed: false };

/** What upstream says of a blob whose bytes are here: how it is served, and its size, when that is known. */
export interface Confirmed {
  readonly outcome: CacheOutcome;
  readonly sizeBytes: number | undefined;
}

/** Asks an upstream whether its repositories have blobs whose bytes are here already, or on their way, for others. */
export class BlobConfirmations {
  readonly #upstream: Registry;
  readonly #tools: CacheTools;
  readonly #view: CacheView;
  readonly #confirmations = singleFlight<Confirmed | undefined>();

  constructor(upstream: Registry, tools: CacheTools, view: CacheView) {
    this.#upstream = upstream;
    this.#tools = tools;
    this.#view = view;
  }

  /** Resolves when nothing is being confirmed any more. */
  settled(): Promise<void> {
    return this.#confirmations.settled();
  }

  /** What a client is told of a blob that the repository is not known to have. */
  async stat(key: RepositoryKey, digest: Digest, signal: AbortSignal): Promise<BlobStat> {
    const { local } = this.#tools;
    const letGo = await local.hold(digest);
    try {
      const sizeBytes = await local.size(digest);
      try {
        const stat = await this.#upstream.statBlob(key.repository, digest, signal);
        if (stat.sizeBytes !== sizeBytes) return { ...stat, outcome: passedOn };
        await noteBlob(this.#tools, key, digest, sizeBytes);
        return { ...stat, outcome: revalidated };
      } catch (error) {
        if (sizeBytes === undefined || !isTemporary(error) || !(await isOpenBlob(this.#tools, digest))) throw error;
        return { sizeBytes, outcome: staleBecause(error) };
      }
    } finally {
      letGo();
    }
  }

  /** Asks upstream, when the bytes of a blob are here or on their way for others, whether the repository has it. */
  async confirm(key: RepositoryKey, digest: Digest, signal: AbortSignal): Promise<Confirmed | undefined> {
    const { local, downloads } = this.#tools;
    const running = downloads.get(digest);
    if (running?.origin === originOf(this.#view, key)) return undefined;
    if (!running && (await local.size(digest)) === undefined) return undefined;
    return this.#confirmations
      .run(`${key.repository}@${digest}`, signal, (shared) => this.#ask(key, digest, shared))
      .catch((error: unknown) => this.#unlessTemporary(digest, error)); // as when the client's patience ends
  }

  /**
   * Asks upstream whether the repository has a blob whose bytes are here, or on their way. Undefined when nobody knows
   * whether the bytes that are here are right.
   */
  async #ask(key: RepositoryKey, digest: Digest, signal: AbortSignal): Promise<Confirmed | undefined> {
    const { index, local } = this.#tools;
    // Another request may have been told since this one looked for the link.
    const link = await index.getLink(key, digest);
    if (link) return { outcome: hit, sizeBytes: link.sizeBytes };
    const letGo = await local.hold(digest);
    try {
      const sizeBytes = await local.size(digest);
      const stat = await this.#upstream.statBlob(key.repository, digest, signal);
      if (sizeBytes === undefined || stat.sizeBytes === sizeBytes) {
        await noteBlob(this.#tools, key, digest, sizeBytes);
        return { outcome: revalidated, sizeBytes: stat.sizeBytes };
      }
      return await this.#settleSize(key, digest, { sizeBytes, toldBytes: stat.sizeBytes }, signal);
    } catch (error) {
      return this.#unlessTemporary(digest, error);
    } finally {
      letGo();
    }
  }

  /**
   * The bytes that are here are damaged, or upstream tells a wrong size: the digest decides, as all repositories share
   * them. What is damaged is dropped when it is opened, by the size that upstream tells.
   */
  async #settleSize(
    key: RepositoryKey,
    digest: Digest,
    { sizeBytes, toldBytes }: { readonly sizeBytes: number; readonly toldBytes: number },
    signal: AbortSignal,
  ): Promise<Confirmed | undefined> {
    const { log } = this.#tools;
    const facts = { ...key, digest, sizeBytes, toldBytes };
    try {
      const isRight = await proveStored(this.#tools, digest, signal);
      if (isRight) log.warn(facts, 'upstream tells a wrong size');
      await noteBlob(this.#tools, key, digest, isRight ? sizeBytes : undefined);
      return { outcome: revalidated, sizeBytes: isRight ? sizeBytes : toldBytes };
    } catch (error) {
      signal.throwIfAborted();
      log.debug({ ...facts, reason: (error as Error).message }, 'stored content cannot be read');
      return undefined; // it is fetched again, and takes the place of what is here
    }
  }

  /**
   * What is served when upstream cannot say now: what one repository gives to everybody is no secret in another. It
   * throws what upstream said otherwise.
   */
  async #unlessTemporary(digest: Digest, error: unknown): Promise<Confirmed> {
    if (!isTemporary(error) || !(await isOpenBlob(this.#tools, digest))) throw error;
    return { outcome: staleBecause(error), sizeBytes: undefined };
  }
}

function staleBecause(error: unknown): CacheOutcome {
  return { kind: 'stale', reason: (error as Error).message };
}
