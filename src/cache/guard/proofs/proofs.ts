import { createHmac, randomBytes } from 'node:crypto';
import { RegistryError } from '../../../oci/errors.ts';
import type { Repository } from '../../../oci/reference.ts';
import { type Clock, isWithin } from '../../../util/time/clock.ts';
import { tokenExpiry } from './token-expiry.ts';

/** What proofs are kept by. */
export interface ProofsOptions {
  readonly clock: Clock;
  /** How long a proof holds, in milliseconds. */
  readonly ttlMs: number;
  /** How long a refusal is remembered, in milliseconds. */
  readonly refusalMs: number;
  /** How many of each at most; the oldest goes first. */
  readonly maxCount?: number;
}

/** Whose credentials are meant, for what. */
export interface ProofSubject {
  readonly upstream: string;
  readonly repository: Repository;
  /** The client's `Authorization`; undefined for none. */
  readonly authorization: string | undefined;
}

/** A subject as it is remembered: it tells nothing to whoever reads this process's memory, and no other has the same. */
export type ProofKey = string & { readonly proofKey: never };

interface Proof {
  readonly sinceMs: number;
  readonly forMs: number;
}

interface Refusal {
  readonly sinceMs: number;
  readonly error: RegistryError;
}

/** About 10 MiB: clients get a new token every few minutes, for each repository. */
const defaultMaxCount = 50_000;

/** Whose credentials upstream accepted, and refused, for which repository, in the last minutes. It is in memory only. */
export class Proofs {
  readonly #options: ProofsOptions;
  readonly #secret = randomBytes(32);
  readonly #proofs = new Map<ProofKey, Proof>();
  readonly #refusals = new Map<ProofKey, Refusal>();

  constructor(options: ProofsOptions) {
    this.#options = options;
  }

  keyOf({ upstream, repository, authorization = '' }: ProofSubject): ProofKey {
    // No part of it can have a line break.
    const text = `${upstream}\n${repository}\n${authorization}`;
    return createHmac('sha256', this.#secret).update(text).digest('base64') as ProofKey;
  }

  /** Whether upstream accepted these credentials a moment ago. */
  isProven(key: ProofKey): boolean {
    const proof = this.#proofs.get(key);
    return proof !== undefined && isWithin(proof.sinceMs, proof.forMs, this.#options.clock.now());
  }

  /** Whether upstream accepted them at all, and did not refuse them since, as far as that is remembered. */
  wasProven(key: ProofKey): boolean {
    return this.#proofs.has(key);
  }

  /** Notes that upstream accepted them. A token's proof ends with it at the latest. */
  noteAccepted(key: ProofKey, authorization: string | undefined): void {
    const { clock, ttlMs } = this.#options;
    const leftMs = (tokenExpiry(authorization ?? '') ?? Number.POSITIVE_INFINITY) - clock.now();
    this.#note(key, Math.min(ttlMs, Math.max(0, leftMs)));
  }

  /** Takes a proof that ran out for one that holds a little longer, as upstream cannot be asked. */
  extend(key: ProofKey, forMs: number): void {
    if (this.#proofs.has(key)) this.#note(key, forMs);
  }

  /** Notes that upstream refused them: whatever was proven before is over. */
  noteRefused(key: ProofKey, { code, message, status, headers }: RegistryError): void {
    this.#proofs.delete(key);
    // Not the error itself: its cause may hold on to whatever it likes.
    const error = new RegistryError(code, message, { status, headers });
    put(this.#refusals, key, { error, sinceMs: this.#options.clock.now() }, this.#maxCount);
  }

  /** What upstream refused them with a moment ago. */
  refusalOf(key: ProofKey): RegistryError | undefined {
    const refusal = this.#refusals.get(key);
    if (!refusal) return undefined;
    if (isWithin(refusal.sinceMs, this.#options.refusalMs, this.#options.clock.now())) return refusal.error;
    this.#refusals.delete(key);
    return undefined;
  }

  #note(key: ProofKey, forMs: number): void {
    this.#refusals.delete(key);
    put(this.#proofs, key, { sinceMs: this.#options.clock.now(), forMs }, this.#maxCount);
  }

  get #maxCount(): number {
    return this.#options.maxCount ?? defaultMaxCount;
  }
}

function put<V>(map: Map<ProofKey, V>, key: ProofKey, value: V, maxCount: number): void {
  map.delete(key); // so that it stands at the end, as the youngest
  map.set(key, value);
  if (map.size > maxCount) map.delete(map.keys().next().value!);
}
