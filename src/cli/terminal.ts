import type { Environment } from '../config/sources/environment.ts';

/** What a command knows of the world around it. */
export interface Terminal {
  readonly env: Environment;
  /** Writes what was asked for. */
  writeOut(text: string): void;
  /** Writes what is said beside it. */
  writeError(text: string): void;
}
