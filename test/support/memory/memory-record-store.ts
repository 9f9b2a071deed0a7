import type { NamedRecord, RecordStore, StoredRecord } from '../../../src/store/record-store.ts';

/** What goes wrong in memory records, or waits: each is asked at every such call, before it does anything. */
export interface RecordFaults {
  put?: ((name: string) => Promise<void>) | undefined;
  get?: ((name: string) => Promise<void>) | undefined;
  remove?: ((name: string) => Promise<void>) | undefined;
  list?: (() => Promise<void>) | undefined;
}

const namePattern = /^(?!.{1025})(?:(?:[a-z0-9_-][a-z0-9._-]{0,254}|[\w-][\w.-]{0,127})(?:\/(?!$)|$))+$/;

/** Records in memory, for failures that no disk can be made to have at a given moment. */
export class MemoryRecordStore implements RecordStore {
  readonly records = new Map<string, { readonly bytes: Uint8Array; readonly writtenAtMs: number }>();
  readonly faults: RecordFaults = {};
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  putRecord(name: string, bytes: Uint8Array): Promise<void> {
    return this.putRecords([{ name, bytes }]);
  }

  async putRecords(records: readonly NamedRecord[], after?: Promise<void>): Promise<void> {
    after?.catch(() => {});
    for (const { name } of records) assertName(name);
    await after;
    for (const { name, bytes } of records) {
      await this.faults.put?.(name);
      this.#assertFree(name);
      this.records.set(name, { bytes: Uint8Array.from(bytes), writtenAtMs: this.#now() });
    }
  }

  async getRecord(name: string): Promise<Uint8Array | undefined> {
    assertName(name);
    await this.faults.get?.(name);
    return this.records.get(name)?.bytes.slice();
  }

  async removeRecord(name: string): Promise<boolean> {
    assertName(name);
    await this.faults.remove?.(name);
    return this.records.delete(name);
  }

  #assertFree(name: string): void {
    const names = [...this.records.keys()];
    const inTheWay = names.find((other) => name.startsWith(`${other}/`) || other.startsWith(`${name}/`));
    if (inTheWay !== undefined) throw new Error(`Cannot write the record "${name}": there is "${inTheWay}"`);
  }

  async *listRecords(isWanted: (name: string) => boolean = () => true): AsyncIterable<StoredRecord> {
    await this.faults.list?.();
    for (const [name, { bytes, writtenAtMs }] of this.records) {
      if (isWanted(name)) yield { name, bytes: bytes.slice(), writtenAtMs };
    }
  }
}

function assertName(name: string): void {
  if (!namePattern.test(name)) throw new Error(`Cannot name a record "${name}"`);
}
