import { inspect } from 'node:util';

const redacted = '[redacted]';

/** A text that must not be printed: only `reveal` gives it out, and every other way to print it says `[redacted]`. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself: called where it is sent, never where it could be logged. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [inspect.custom](): string {
    return redacted;
  }
}
