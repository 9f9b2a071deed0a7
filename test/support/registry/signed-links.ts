import type { Clock } from '../../../src/util/time/clock.ts';
import type { RedirectQuirk } from './quirks.ts';

interface SignedLink {
  readonly repository: string;
  readonly digest: string;
  readonly expiresAtMs: number;
  usesLeft: number;
}

/** The signed URLs that blobs are redirected to. */
export class SignedLinks {
  readonly #clock: Clock;
  readonly #links = new Map<string, SignedLink>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Signs a path to a blob, for as many uses and as long as the quirk says. */
  sign(repository: string, digest: string, quirk: RedirectQuirk): string {
    const signature = `signature-${this.#links.size + 1}`;
    this.#links.set(signature, {
      repository,
      digest,
      expiresAtMs: this.#clock.now() + (quirk.lifetimeMs ?? Infinity),
      usesLeft: quirk.maxUses ?? Infinity,
    });
    return `/cdn/${digest}?signature=${signature}`;
  }

  /** Uses a signature once: what it leads to, or undefined when it is used up, too old, or not for this digest. */
  use(signature: string | null, digest: string): { repository: string; digest: string } | undefined {
    const link = this.#links.get(signature ?? '');
    if (link === undefined || link.digest !== digest) return undefined;
    if (link.usesLeft <= 0 || this.#clock.now() >= link.expiresAtMs) return undefined;
    link.usesLeft--;
    return link;
  }
}
