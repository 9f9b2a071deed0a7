import { nameOfSource, type Puller, type PullSource } from '../../../src/measure/pullers/puller.ts';
import type { ManualTime } from '../time/manual-time.ts';

/** What a fake client does. */
export interface FakePullerOptions {
  /** How long each pull takes, one after the other, in milliseconds; a text is what it fails with. */
  readonly pulls: (number | string)[];
  readonly time: ManualTime;
  /** Names of images that cannot be removed. */
  readonly stuck?: readonly string[];
  /** Is called while a pull is under way. */
  pulling?(name: string): void;
}

/** A client that keeps images in memory, and notes what it is asked. */
export interface FakePuller extends Puller {
  /** The names of the images that it has. */
  readonly images: Set<string>;
  /** What it did, in order: `pull NAME`, `remove NAME`, `close`. */
  readonly done: string[];
}

/** Makes one. */
export function fakePuller({ pulls, time, stuck = [], pulling }: FakePullerOptions): FakePuller {
  const images = new Set<string>();
  const done: string[] = [];
  return {
    ...{ name: 'fake 1.0', keepsImages: true, images, done },
    notes: async () => [],
    has: async (source: PullSource) => images.has(nameOfSource(source)),
    async pull(source, signal) {
      const name = nameOfSource(source);
      done.push(`pull ${name}`);
      pulling?.(name);
      signal.throwIfAborted();
      const outcome = pulls.shift() ?? 1000;
      if (typeof outcome === 'string') throw new Error(outcome);
      time.nowMs += outcome;
      images.add(name);
      return { layersHeld: 0 };
    },
    async remove(source) {
      const name = nameOfSource(source);
      if (stuck.includes(name)) throw new Error('it is being used');
      done.push(`remove ${name}`);
      images.delete(name);
    },
    async close() {
      done.push('close');
    },
  };
}
