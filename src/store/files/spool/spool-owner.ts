import { type OwnerLock, takeOwnerLock } from '../../folders/owner-lock.ts';

/**
 * Says that the writers of a store live. While it has any it holds a lock. So nobody takes from a writer that lives what
 * is its own, and everybody from one that died.
 */
export class SpoolOwner {
  readonly #spool: string;
  #lock: OwnerLock | undefined;
  #writers = 0;
  #written = 0;

  /** @param spool the folder that they write in */
  constructor(spool: string) {
    this.#spool = spool;
  }

  /** Counts one more writer, until `leave`; gives the owner's name and the writer's number. */
  enter(): { readonly owner: string; readonly number: number } {
    this.#lock ??= takeOwnerLock(this.#spool);
    this.#writers++;
    this.#written = (this.#written + 1) % 2 ** 32;
    return { owner: this.#lock.owner, number: this.#written };
  }

  /** Ends the count of a writer, whose file has another name by now, or none. */
  leave(): void {
    if (--this.#writers > 0) return;
    this.#lock!.release();
    this.#lock = undefined;
  }
}
