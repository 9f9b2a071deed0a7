import { join } from 'node:path';
import { readStored } from '../../../src/cache/content/reading/read-stored.ts';
import { Placing } from '../../../src/hosted/blobs/placing.ts';
import { Quota } from '../../../src/hosted/limits/quota.ts';
import {
  HostedManifests,
  type ManifestLimits,
  type ManifestTools,
} from '../../../src/hosted/manifests/hosted-manifests.ts';
import type { RecordCheckTools } from '../../../src/hosted/records/check-records.ts';
import type { HostedLimits } from '../../../src/hosted/tools.ts';
import type { HostedIndex } from '../../../src/index/hosted-index.ts';
import type { MetadataIndex } from '../../../src/index/metadata-index.ts';
import { openSqliteIndex } from '../../../src/index/sqlite/sqlite.ts';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { parseReference, parseRepository, parseTag, type Repository } from '../../../src/oci/reference.ts';
import type { PushedManifest } from '../../../src/oci/registry.ts';
import { SharedLocks } from '../../../src/util/locks/shared-locks.ts';
import type { TestImage } from '../content/images.ts';
import { tmpDir, type WithAfter } from '../disk/tmp.ts';
import { MemoryBlobStore } from '../memory/memory-blob-store.ts';
import { MemoryRecordStore } from '../memory/memory-record-store.ts';
import { ManualClock } from '../time/clock.ts';

const never = new AbortController().signal;

/** What may be pushed: what is left out is as in the configuration. */
export type StageLimits = Partial<ManifestLimits & Pick<HostedLimits, 'maxBytes'>>;

/** What a hosted registry is made of, but for the wire: blobs and records in memory, the index in a file. */
export class HostedStage {
  readonly repository = parseRepository('team/app');
  readonly clock = new ManualClock();
  readonly blobs = new MemoryBlobStore();
  readonly records = new MemoryRecordStore(() => this.clock.now());
  readonly placing = new Placing();
  readonly logged: { readonly level: string; readonly event: string; readonly facts: object }[] = [];
  /** Is asked before each change of index, store or records; a test lets it fail. */
  beforeChange: (what: string) => void = () => {};
  index: MetadataIndex & HostedIndex;
  manifests: HostedManifests;
  readonly #folder: string;
  readonly #limits: StageLimits;
  #opened = 0;

  constructor(t: WithAfter, limits: StageLimits = {}) {
    this.#folder = tmpDir(t);
    this.#limits = limits;
    t.after(() => void this.index.close());
    this.index = this.#openIndex();
    this.manifests = this.#openManifests();
    this.records.faults.put = async (name) => this.beforeChange(`putRecord ${name}`);
    this.records.faults.remove = async (name) => this.beforeChange(`removeRecord ${name}`);
    this.blobs.faults.commit = async () => this.beforeChange('commit');
  }

  /** Begins anew with what is durable, as after a crash; `without` an index, or with the one that there is. */
  async restart(without?: 'index'): Promise<void> {
    await this.index.close();
    if (without) this.#opened++;
    this.index = this.#openIndex();
    this.manifests = this.#openManifests();
  }

  get tools(): ManifestTools & RecordCheckTools {
    const write = (level: string) => (facts: object, event: string) => void this.logged.push({ level, event, facts });
    const { blobs, records, clock } = this;
    const readManifest = (digest: Digest) => readStored(digest, { store: blobs });
    return {
      ...{ blobs, records, clock, readManifest, index: this.#failing(this.index), locks: new SharedLocks() },
      quota: new Quota(this.#limits.maxBytes, this.index),
      placing: this.placing,
      log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
      content: {
        open: () => Promise.reject(new Error('nobody opens blobs here')),
        readWhole: readManifest,
        store: async (digest, bytes) => {
          const writer = await blobs.create(digest);
          await writer.write(bytes, 0);
          await writer.commit();
          await writer.close();
        },
      },
    };
  }

  /** Gives the repository a blob, as an upload does. */
  async putBlob(bytes: Uint8Array, repository = this.repository): Promise<Digest> {
    const digest = digestOf(bytes);
    this.blobs.blobs.set(digest, Buffer.from(bytes));
    await this.index.addBlob(repository, digest, bytes.length, this.clock.now());
    return digest;
  }

  /** Pushes a manifest as it is. */
  put(bytes: Uint8Array, mediaType: string, reference: string, tags: readonly string[] = []): Promise<PushedManifest> {
    const push = { reference: parseReference(reference), tags: tags.map(parseTag), mediaType, bytes };
    return this.manifests.put(this.repository, push, never);
  }

  /** Pushes an image with everything below it. */
  async push(image: TestImage, reference?: string): Promise<PushedManifest> {
    for (const child of image.children) await this.push(child);
    for (const { bytes } of image.blobs) await this.putBlob(bytes);
    const { bytes, mediaType, digest } = image.manifest;
    return this.put(bytes, mediaType, reference ?? digest);
  }

  /** What a reference stands for; undefined when it stands for nothing. */
  async resolve(reference: string, repository: Repository = this.repository): Promise<Digest | undefined> {
    try {
      return (await this.manifests.get(repository, parseReference(reference))).digest;
    } catch (error) {
      if ((error as { status?: unknown }).status === 404) return undefined;
      throw error;
    }
  }

  #openIndex(): MetadataIndex & HostedIndex {
    return openSqliteIndex(join(this.#folder, `index-${this.#opened}.sqlite`));
  }

  #openManifests(): HostedManifests {
    return new HostedManifests(this.tools, { maxManifestBytes: 4 * 1024 * 1024, immutableTags: [], ...this.#limits });
  }

  #failing(index: MetadataIndex & HostedIndex): MetadataIndex & HostedIndex {
    const changes = /^(?:put|remove|untag|hold|letGo|add|mark|sync)/;
    return new Proxy(index, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function') return value;
        return async (...given: unknown[]) => {
          if (changes.test(String(name))) this.beforeChange(String(name));
          return (value as (...args: unknown[]) => unknown).apply(target, given);
        };
      },
    });
  }
}
