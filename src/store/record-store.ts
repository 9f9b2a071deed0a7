/**
 * Small records by name, for what cannot be had again when the index is lost. A name is a path of segments with "/"
 * between them, 1,024 characters at most; a segment begins with no dot, and has 1 to 255 of `a-z0-9._-`, or 1 to 128 of
 * `A-Za-z0-9._-`. Other names are refused, and so is one that begins with the whole name of a record and a "/". Names
 * that differ in case only are of two records. Failures reject with the system's error; "not there" is `undefined` or
 * `false`.
 */
export interface RecordStore {
  /** Writes a record, or replaces it as a whole: durable when it resolves, and a crash leaves the old one or the new. */
  putRecord(name: string, bytes: Uint8Array): Promise<void>;

  /**
   * Writes several, as `putRecord` does: whoever finds one finds those before it, also after the process was killed. None
   * is there before `after` has resolved; when that rejects, so does the writing.
   */
  putRecords(records: readonly NamedRecord[], after?: Promise<void>): Promise<void>;

  /** The bytes of a record. */
  getRecord(name: string): Promise<Uint8Array | undefined>;

  /** Removes a record, durably; false when there is none. */
  removeRecord(name: string): Promise<boolean>;

  /** Every record, or those whose names are wanted, in no order. A few are read ahead, however many there are. */
  listRecords(isWanted?: (name: string) => boolean): AsyncIterable<StoredRecord>;
}

/** A record as it is written. */
export interface NamedRecord {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A record as it is listed. */
export interface StoredRecord extends NamedRecord {
  /** When it was written, in milliseconds since the epoch. */
  readonly writtenAtMs: number;
}
