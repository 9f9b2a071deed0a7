import type { Client } from '../client.ts';
import type { Judge } from '../judge.ts';
import type { Auditor } from '../pushes/auditor.ts';
import type { Ledger } from '../pushes/ledger.ts';
import type { Pusher } from '../pushes/pusher.ts';
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
  /** What was pushed. */
  readonly ledger: Ledger;
  /** Looks after each blow whether that is there. */
  readonly auditor: Auditor;
  /** Pushes again what was damaged. */
  readonly mender: Pusher;
}

/** One thing that goes wrong; when it resolves, it is over. */
export type Blow = (tools: HandTools) => Promise<void>;
