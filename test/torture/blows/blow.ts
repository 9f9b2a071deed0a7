import type { Client } from '../client.ts';
import type { Judge } from '../judge.ts';
import type { Random } from '../random.ts';
import type { Disk } from '../world/disk.ts';
import type { Entrepot } from '../world/entrepot.ts';
import type { KnownImages } from '../world/images.ts';
import type { Wire } from '../world/wire.ts';

/** What the hand can reach. */
export interface HandTools {
  readonly entrepot: Entrepot;
  readonly wire: Wire;
  readonly disk: Disk;
  readonly images: KnownImages;
  readonly random: Random;
  readonly judge: Judge;
  /** The blobs that it has damaged and nobody has made whole yet. */
  readonly rotten: Set<string>;
  /** Asks for whole images after each blow. */
  readonly prober: Client;
}

/** One thing that goes wrong; when it resolves, it is over. */
export type Blow = (tools: HandTools) => Promise<void>;
