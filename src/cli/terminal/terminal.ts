import type { Environment } from '../../config/sources/environment.ts';

/** What a command knows of the world around it. */
export interface Terminal {
  readonly env: Environment;
  /** Whether a person watches what is said, on a terminal that can write a line anew. */
  readonly isWatched?: boolean;
  /** Writes what was asked for. */
  writeOut(text: string): void;
  /** Writes what is said beside it. */
  writeError(text: string): void;
}
