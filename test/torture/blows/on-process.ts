import { open, readdir, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HandTools } from './blow.ts';

/** Kills it, starts it, and sometimes kills it again in the midst of starting. */
export async function kill({ entrepot, judge, random }: HandTools): Promise<void> {
  judge.figures.kills++;
  await entrepot.kill();
  await delay(random.whole(0, 200));
  if (random.chance(0.3)) {
    judge.figures.kills++;
    await entrepot.startAndKill(random.whole(50, 1_000));
  }
  await entrepot.start();
}

/** Stops it as an operator does. */
export async function restart({ entrepot, judge }: HandTools): Promise<void> {
  judge.figures.restarts++;
  const how = await entrepot.stop();
  if (how !== 0) judge.blame(`Entrepot ended with ${how} when it was asked to stop`);
  await entrepot.start();
}

/** Takes its index from it, or makes nonsense of that. */
export async function breakIndex({ entrepot, judge, random }: HandTools): Promise<void> {
  judge.figures.brokenIndexes++;
  judge.figures.kills++;
  await entrepot.kill();
  const index = join(entrepot.data, 'index-v1.sqlite');
  if (random.chance(0.5)) for (const end of ['', '-wal', '-shm']) await rm(`${index}${end}`, { force: true });
  else await overwriteStart(index, 'this is no database');
  await entrepot.start();
  await removeOldIndexes(entrepot.data);
}

/** Takes all that it keeps from it. */
export async function wipe({ entrepot, judge, ledger }: HandTools): Promise<void> {
  judge.figures.wipes++;
  judge.figures.kills++;
  await entrepot.kill();
  ledger.forget();
  await rm(entrepot.data, { recursive: true, force: true });
  await entrepot.start();
}

/** Has the index made anew from the files. */
export async function rebuild({ entrepot, judge }: HandTools): Promise<void> {
  judge.figures.rebuilds++;
  const how = await entrepot.stop();
  if (how !== 0) judge.blame(`Entrepot ended with ${how} when it was asked to stop`);
  const { code, output } = await entrepot.run('verify', '--rebuild');
  if (code !== 0) judge.blame(`verify --rebuild ended with ${code}: ${output.slice(-500)}`);
  await removeOldIndexes(entrepot.data);
  await entrepot.start();
}

async function removeOldIndexes(data: string): Promise<void> {
  const aside = (await readdir(data)).filter((name) => /^index-v1\.sqlite\.(?:broken|old|replaced)/.test(name));
  for (const name of aside) await unlink(join(data, name)); // the disk is small
}

async function overwriteStart(path: string, text: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(text, 0);
  } finally {
    await file.close();
  }
}
