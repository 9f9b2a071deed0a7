import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SuiteContext, TestContext } from 'node:test';
import { currentLab, type Lab } from './lab.ts';
import { waitFor } from './machine/wait.ts';
import {
  type Entrepot,
  type EntrepotSettings,
  entrepotAddress,
  entrepotLog,
  startEntrepot,
} from './servers/entrepot.ts';
import { type Origin, startOrigin } from './servers/origin.ts';

/** What a group of tests works with: the origin, and an Entrepot that holds nothing yet. */
export interface Bench {
  readonly lab: Lab;
  readonly origin: Origin;
  /** A new folder, gone when the bench is cleared. */
  makeFolder(): Promise<string>;
  /** Stops Entrepot and starts it again over the same data. */
  restartEntrepot(): Promise<void>;
  /** What Entrepot has logged of all that was answered before. */
  entrepotLog(): Promise<string>;
  /** Ends all of it. */
  clear(): Promise<void>;
}

/** Sets up a bench in a folder of that name, with an Entrepot configured so. */
export async function setUpBench(name: string, settings: EntrepotSettings = {}): Promise<Bench> {
  const lab = currentLab();
  const folder = join(lab.scratch, name);
  const entrepotFolder = join(folder, 'entrepot');
  const origin = await startOrigin(join(folder, 'origin'), lab.storage, lab.certificates);
  let entrepot: Entrepot | undefined;
  let folderCount = 0;
  const clear = async () => {
    try {
      await entrepot?.stop();
    } finally {
      await origin.stop();
      await rm(folder, { recursive: true });
    }
  };
  try {
    entrepot = await startEntrepot(entrepotFolder, settings);
  } catch (error) {
    await clear();
    throw error;
  }
  return {
    lab,
    origin,
    async makeFolder() {
      const made = join(folder, `folder-${++folderCount}`);
      await mkdir(made);
      return made;
    },
    async restartEntrepot() {
      await entrepot?.stop();
      entrepot = await startEntrepot(entrepotFolder, settings);
    },
    entrepotLog: () => readEntrepotLog(entrepotLog(entrepotFolder)),
    clear,
  };
}

// Lines are written a little late, so a request of our own, for a registry that cannot be, goes last. When nobody
// answers it, Entrepot has ended, and its log is whole.
async function readEntrepotLog(file: string): Promise<string> {
  const marker = `end-to-end-marker-${randomUUID()}`;
  const read = () => readFile(file, 'utf8');
  const request = fetch(`http://${entrepotAddress}/v2/lab/marker/tags/list?ns=${marker}`);
  const isAnswered = await request.then(
    () => true,
    () => false,
  );
  if (!isAnswered) return read();
  return waitFor('the log of Entrepot being complete', async () => {
    const log = await read();
    return log.includes(marker) ? log : undefined;
  });
}

/** Prints what Entrepot has logged when a test has failed: its folder will be gone. */
export async function showLogAfterFailure(
  bench: Bench | undefined,
  context: TestContext | SuiteContext,
): Promise<void> {
  if (!bench || !('passed' in context) || context.passed) return;
  const shownLength = 8_000; // the last pulls
  context.diagnostic(`Entrepot's log ends with\n${(await bench.entrepotLog()).slice(-shownLength)}`);
}
