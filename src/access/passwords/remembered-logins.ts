import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Clock, isWithin } from '../../util/time/clock.ts';
import type { Login } from './basic-login.ts';
import type { Users } from './htpasswd.ts';

interface Remembered {
  readonly mac: Buffer;
  /** The hash that the password was compared with. */
  readonly hash: string;
  readonly provenAtMs: number;
}

/**
 * The passwords that were proven lately: one of each user, as a keyed hash. The key is of this process and never leaves
 * it, so what is remembered is of no use to whoever sees it.
 */
export class RememberedLogins {
  readonly #key = randomBytes(32);
  readonly #byName = new Map<string, Remembered>();
  readonly #lengthMs: number;
  readonly #clock: Clock;
  #users: Users | undefined;

  constructor(lengthMs: number, clock: Clock) {
    this.#lengthMs = lengthMs;
    this.#clock = clock;
  }

  /** The keyed hash of a login; no other has the same. */
  macOf({ name, password }: Login): Buffer {
    // JSON tells where the name ends: a name in the file has no colon, but who knows what is sent.
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([name, password]))
      .digest();
  }

  /** The hash that the login was proven against lately; undefined when it was not, or the user's line is another since. */
  find(name: string, mac: Buffer, users: Users): string | undefined {
    if (users !== this.#users) this.#forgetChanged(users);
    const known = this.#byName.get(name);
    if (known === undefined || !isWithin(known.provenAtMs, this.#lengthMs, this.#clock.now())) return undefined;
    return timingSafeEqual(known.mac, mac) ? known.hash : undefined;
  }

  /** Remembers a login that was proven against this hash. */
  add(name: string, mac: Buffer, hash: string): void {
    if (this.#users?.get(name) !== hash) return; // the line changed meanwhile, or went
    this.#byName.set(name, { mac, hash, provenAtMs: this.#clock.now() });
  }

  #forgetChanged(users: Users): void {
    this.#users = users;
    for (const [name, { hash }] of this.#byName) if (users.get(name) !== hash) this.#byName.delete(name);
  }
}
