import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { CheckpointPlan, CheckpointReport } from './sqlite-checkpoints.ts';

// Runs in a thread of its own: a checkpoint copies thousands of pages and syncs two files, which takes a disk long enough
// to hold up every request when it is done on the main thread.
const { file, everyMs, fromBytes, tooLargeBytes } = workerData as CheckpointPlan;
const database = new DatabaseSync(file, { timeout: 0 }); // who is in the way is met again at the next turn
const passive = database.prepare('PRAGMA wal_checkpoint(PASSIVE)');
const truncate = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)');

/** What was written during one pass is little, and takes the next a moment. */
const maxTries = 3;

/** Beside whoever reads and writes: the next writer begins the log anew, if all of it is in the database by then. */
function checkpoint(): void {
  const sizeBytes = logBytes();
  if (sizeBytes < fromBytes) return;
  for (let tries = 1; tries <= maxTries; tries++) {
    const { log, checkpointed } = passive.get() as { log: number; checkpointed: number };
    if (log === checkpointed) break; // nobody wrote meanwhile
  }
  // Writers that never pause never begin it anew. This stops them, but for the little that came since just now.
  if (sizeBytes >= tooLargeBytes) truncate.get();
  parentPort!.postMessage({ logBytes: logBytes() } satisfies CheckpointReport);
}

function logBytes(): number {
  return statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}

const timer = setInterval(() => {
  try {
    checkpoint();
  } catch {
    // The disk fails, or is full. What is in the log stays there, and whoever writes to it meets the same.
  }
}, everyMs);
parentPort!.once('message', () => {
  clearInterval(timer);
  database.close();
  parentPort!.close();
});
