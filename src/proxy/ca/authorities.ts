import type { Clock } from '../../util/time/clock.ts';
import { type Authority, type CertifiedKey, leafLifeMs, makeLeaf, skewMs } from './certificates.ts';

/**
 * For how long after a new authority was made the one before still signs for the hosts that it may: whoever trusts only
 * that one has so long to fetch the new one.
 */
export const overlapMs = 30 * 24 * 60 * 60_000;

const renewBeforeMs = leafLifeMs / 2; // a certificate that was given out keeps half its life

/** Signs for hosts by the authorities that there are. Certificates are made once, and again when they grow old. */
export class Authorities {
  #authorities: readonly Authority[];
  readonly #clock: Pick<Clock, 'now'>;
  readonly #leaves = new Map<string, { readonly leaf: Promise<CertifiedKey>; readonly untilMs: number }>();

  /** @param authorities the newest first */
  constructor(authorities: readonly Authority[], clock: Pick<Clock, 'now'>) {
    this.#authorities = authorities;
    this.#clock = clock;
  }

  /** Signs by these from now on, the newest first; connections that are open keep what they were given. */
  replace(authorities: readonly Authority[]): void {
    this.#authorities = authorities;
    this.#leaves.clear();
  }

  /** The certificates of all authorities that are valid, as PEM, the newest first: what clients have to trust. */
  get bundle(): string {
    return this.#valid()
      .map(({ cert }) => cert)
      .join('');
  }

  /** What can be signed for by any of them, for people to read; undefined for every host. */
  get hosts(): readonly string[] | undefined {
    const lists = this.#valid().map(({ hosts }) => hosts);
    if (lists.includes(undefined)) return undefined;
    return [...new Set(lists.flatMap((hosts) => hosts ?? []))];
  }

  /** Whether a certificate can be signed for a host. */
  permits(host: string): boolean {
    return this.signerFor(host) !== undefined;
  }

  /**
   * Which authority signs for a host now: the oldest that is still in its overlap, as most clients know that one;
   * otherwise the newest.
   */
  signerFor(host: string): Authority | undefined {
    const permitting = this.#valid().filter((authority) => authority.permits(host));
    const nowMs = this.#clock.now();
    return permitting.findLast((authority) => nowMs < this.signsUntilMs(authority)) ?? permitting[0];
  }

  /** Until when an authority comes before those that were made after it: for ever, when there are none. */
  signsUntilMs(authority: Authority): number {
    const valid = this.#valid();
    const next = valid[valid.indexOf(authority) - 1];
    return next === undefined ? authority.notAfterMs : next.notBeforeMs + skewMs + overlapMs;
  }

  /**
   * A certificate for a host, and its key.
   * @throws Error when no authority may sign for it
   */
  leafFor(host: string): Promise<CertifiedKey> {
    const nowMs = this.#clock.now();
    const known = this.#leaves.get(host);
    // A clock that was set back must not keep a certificate that has not begun yet.
    if (known && nowMs < known.untilMs && nowMs > known.untilMs - 2 * leafLifeMs) return known.leaf;
    const signer = this.signerFor(host);
    if (signer === undefined) return Promise.reject(new Error(`No authority may sign for ${host}`));
    const leaf = makeLeaf(signer, host, nowMs);
    this.#leaves.set(host, { leaf, untilMs: Math.min(nowMs + leafLifeMs, signer.notAfterMs) - renewBeforeMs });
    leaf.catch(() => this.#leaves.delete(host));
    return leaf;
  }

  #valid(): Authority[] {
    const nowMs = this.#clock.now();
    return this.#authorities.filter(({ notBeforeMs, notAfterMs }) => notBeforeMs <= nowMs && nowMs < notAfterMs);
  }
}
