/** What an upstream lets us ask of it, as far as a cache must know. */
export interface Allowance {
  /**
   * Why what is left of it is to be kept for content that is not here; undefined when it need not be. Then what is here
   * is served without asking, whatever its age.
   */
  isLow(): string | undefined;
}

/** Of an upstream that may be asked without end. */
export const unlimited: Allowance = { isLow: () => undefined };
