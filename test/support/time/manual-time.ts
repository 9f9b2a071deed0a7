/** A time that goes on when a test says so. */
export interface ManualTime {
  nowMs: number;
}
