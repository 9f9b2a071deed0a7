import { setTimeout as delay } from 'node:timers/promises';
import type { Blow, HandTools } from './blows/blow.ts';
import { fillDisk, flip, killWhileFull, shorten } from './blows/on-disk.ts';
import { breakIndex, kill, rebuild, restart, wipe } from './blows/on-process.ts';
import { cut, cutShort, spoil, stall } from './blows/on-wire.ts';
import { heldBytes, listBlobFiles } from './stored.ts';
import { eventually } from './world/processes.ts';

/** How often each blow falls. */
const blows: readonly (readonly [blow: Blow, weight: number])[] = [
  [kill, 4],
  [restart, 1],
  [breakIndex, 1],
  [wipe, 1],
  [rebuild, 1],
  [killWhileFull, 1],
  [fillDisk, 2],
  [flip, 2],
  [shorten, 1],
  [cut, 2],
  [cutShort, 2],
  [stall, 1],
  [spoil, 2],
];

/** After a blow, an image must come whole within so long: rests after failures, and stalls that are noticed after 30 s. */
const recoveryLimitMs = 90_000;
/** Room is made every now and then, and nothing goes that is in use; beyond this, it is not made. */
const sizeLimitMs = 20_000;

/** Strikes until it is told to stop; each blow is ended, and recovered from, before the next. */
export async function strike(tools: HandTools, signal: AbortSignal): Promise<void> {
  const bag = blows.flatMap(([blow, weight]) => Array.from({ length: weight }, () => blow));
  for (;;) {
    // All of the bag in turn, so that a short run has every blow, too.
    for (const blow of tools.random.shuffle(bag)) {
      await delay(tools.random.whole(100, 1_000), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      await blow(tools);
      await expectRecovery(tools, blow.name);
    }
  }
}

async function expectRecovery(tools: HandTools, after: string): Promise<void> {
  const { entrepot, prober, images, random, judge, auditor } = tools;
  if (entrepot.hasDied) {
    judge.blame(`Entrepot ended by itself after ${after}`);
    await entrepot.start();
  }
  const signal = AbortSignal.timeout(recoveryLimitMs);
  const repository = random.pick(images.repositories);
  const how = { tries: Infinity, odd: false, signal };
  if (!(await prober.pull(repository, repository.index.children, how)))
    judge.blame(`${repository.name} could not be pulled for ${recoveryLimitMs / 1000} s after ${after}`);
  await auditor.audit(`after ${after}`);
  await expectWithinSize(tools, after);
}

/** What is stored, but for what was pushed, is within the size of the cache, as soon as what was in flight has found its place. */
async function expectWithinSize({ entrepot, judge }: HandTools, after: string): Promise<void> {
  let storedBytes = 0;
  const isWithin = await eventually(sizeLimitMs, async () => {
    const allBytes = (await listBlobFiles(entrepot.data)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    storedBytes = allBytes - heldBytes(entrepot.data);
    judge.figures.mostStoredBytes = Math.max(judge.figures.mostStoredBytes, storedBytes);
    return storedBytes <= entrepot.maxBytes;
  });
  if (!isWithin) judge.blame(`${storedBytes} bytes are stored after ${after}, for ${sizeLimitMs / 1000} s`);
}
