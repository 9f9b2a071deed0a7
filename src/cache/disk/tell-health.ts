import type { DiskHealth } from './disk-health.ts';

const reading = { part: 'store', action: 'read' } as const;
const writing = { part: 'store', action: 'write' } as const;

/** How the health of the disk is told what became of an operation, whose result or error is the same. */
export interface HealthTeller {
  reading<T>(operation: Promise<T>): Promise<T>;
  /** Says little of a disk that is full when it succeeds: a file could be made, or a few bytes written. */
  writing<T>(operation: Promise<T>): Promise<T>;
  /** Something was stored as a whole: the disk can be written. */
  stored<T>(operation: Promise<T>): Promise<T>;
}

/** Tells the health of the disk. */
export function tellHealth(disk: DiskHealth): HealthTeller {
  const tell = async <T>(attempt: typeof reading | typeof writing, isProof: boolean, operation: Promise<T>) => {
    try {
      const result = await operation;
      if (isProof) disk.worked(attempt);
      return result;
    } catch (error) {
      disk.failed(attempt, error);
      throw error;
    }
  };
  return {
    reading: (operation) => tell(reading, true, operation),
    writing: (operation) => tell(writing, false, operation),
    stored: (operation) => tell(writing, true, operation),
  };
}
