/** Something that cannot be done on the disk. */
export interface DiskTrouble {
  /** Whether it is the bytes, or what is known of them. */
  readonly part: 'store' | 'index';
  /** To find it is to see that it is where it was opened. */
  readonly action: 'read' | 'write' | 'find';
  /** The system's name for it, or the driver's: `ENOSPC`, `EIO`, `SQLITE_FULL`. */
  readonly code: string;
  readonly reason: string;
  /** When it failed first, in milliseconds since the epoch. */
  readonly sinceMs: number;
}

/** How often something could not be done. */
export interface DiskFailures extends Pick<DiskTrouble, 'part' | 'action' | 'code'> {
  readonly count: number;
}

const done = { read: 'read', write: 'written', find: 'found' } as const;

/** Says a trouble in words. */
export function describeDiskTrouble({ part, action, reason, sinceMs }: DiskTrouble): string {
  return `the ${part} cannot be ${done[action]} since ${new Date(sinceMs).toISOString()}: ${reason}`;
}
