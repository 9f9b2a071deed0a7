import type { MetadataIndex } from '../index/metadata-index.ts';
import type { BlobStore } from '../store/blob-store.ts';
import type { Log } from '../util/log/log.ts';
import type { Clock } from '../util/time/clock.ts';
import type { ContentMemory } from './content/content-memory.ts';
import type { Damages } from './content/damages.ts';
import type { LocalContent } from './content/local-content.ts';
import type { BufferPool } from './content/reading/buffers.ts';
import type { Downloads } from './download/downloads.ts';
import type { Hasher } from './download/hasher.ts';
import type { UseRecorder } from './uses.ts';

/** What the caches of all registries share. */
export interface CacheTools {
  readonly store: BlobStore;
  readonly index: MetadataIndex;
  readonly memory: ContentMemory;
  readonly local: LocalContent;
  readonly damages: Damages;
  readonly hasher: Hasher;
  readonly downloads: Downloads;
  readonly buffers: BufferPool;
  readonly uses: UseRecorder;
  /** Whether only what is here is served, and no upstream is asked. */
  readonly offline: boolean;
  /** How long a client waits at most for what is not here, until the head of its answer. */
  readonly patienceMs: number;
  readonly clock: Clock;
  readonly log: Log;
}
