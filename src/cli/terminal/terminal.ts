import type { Environment } from '../../config/sources/environment.ts';

/** Text of somebody else, in one line and without what would command a terminal. */
export function plainText(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

/** What a command knows of the world around it. */
export interface Terminal {
  readonly env: Environment;
  /** Whether a person watches what is said, on a terminal that can write a line anew. */
  readonly isWatched?: boolean;
  /** Whether what was asked for is read on a terminal, and not saved or passed on. */
  readonly isRead?: boolean;
  /** Writes what was asked for. */
  writeOut(text: string): void;
  /** Writes what is said beside it. */
  writeError(text: string): void;
}
