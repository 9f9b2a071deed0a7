/**
 * Small records by name, for what cannot be had again when the index is lost. A name is a path of segments with "/"
 * between them; a segment is not empty, begins with no dot, and has at most 255 of `A-Za-z0-9._-`. Failures reject with
 * the system's error; "not there" is `undefined` or `false`.
 */
export interface RecordStore {
  /** Writes a record, or replaces it as a whole: durable when it resolves, and a crash leaves the old one or the new. */
  putRecord(name: string, bytes: Uint8Array): Promise<void>;

  /** The bytes of a record. */
  getRecord(name: string): Promise<Uint8Array | undefined>;

  /** Removes a record, durably; false when there is none. */
  removeRecord(name: string): Promise<boolean>;

  /** Every record, in no order. */
  listRecords(): AsyncIterable<{ readonly name: string; readonly bytes: Uint8Array; readonly writtenAtMs: number }>;
}
