/** Something that cannot be done on the disk. */
export interface DiskTrouble {
  /** Whether it is the bytes, or what is known of them. */
  readonly part: 'store' | 'index';
  readonly action: 'read' | 'write';
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

/** Says a trouble in words. */
export function describeDiskTrouble({ part, action, reason, sinceMs }: DiskTrouble): string {
  const done = action === 'read' ? 'read' : 'written';
  return `the ${part} cannot be ${done} since ${new Date(sinceMs).toISOString()}: ${reason}`;
}
