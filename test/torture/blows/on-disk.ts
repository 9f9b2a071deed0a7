import { open, truncate } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type BlobFile, isWhole, listBlobFiles } from '../stored.ts';
import { eventually } from '../world/processes.ts';
import type { HandTools } from './blow.ts';

/** Content up to this size is hashed whenever it is read from disk, so it is never served damaged. */
const alwaysHashedBytes = 64 * 1024;

const mendLimitMs = 20_000;

/** Leaves no room on the disk for a while. */
export async function fillDisk({ disk, judge, random }: HandTools): Promise<void> {
  if (disk.kind === 'none') return;
  judge.figures.diskFullRounds++;
  await disk.fill();
  await delay(random.whole(500, 4_000));
  await disk.free();
}

/** Kills it while there is no room on its disk. */
export async function killWhileFull({ disk, entrepot, judge, random }: HandTools): Promise<void> {
  if (disk.kind === 'none') return;
  judge.figures.diskFullRounds++;
  judge.figures.kills++;
  await disk.fill();
  await delay(random.whole(100, 1_500));
  await entrepot.kill();
  await disk.free();
  await entrepot.start();
}

/** Changes one byte of one stored blob or manifest. */
export async function flip(tools: HandTools): Promise<void> {
  const struck = await chooseFile(tools);
  if (struck === undefined) return;
  tools.judge.figures.flips++;
  await damage(tools, struck, struck.sizeBytes > alwaysHashedBytes, async () => {
    await flipByte(struck.path, tools.random.whole(0, struck.sizeBytes - 1));
  });
}

/** Cuts the end off one stored blob or manifest: that is seen at the next hit, so nobody is ever given what is left. */
export async function shorten(tools: HandTools): Promise<void> {
  const struck = await chooseFile(tools);
  if (struck === undefined) return;
  tools.judge.figures.shortenings++;
  await damage(tools, struck, false, () => truncate(struck.path, tools.random.whole(0, struck.sizeBytes - 1)));
}

/** Damages a file, has it found after a while, and looks whether it was; what nobody can fetch is pushed again. */
async function damage(
  tools: HandTools,
  { digest, path }: BlobFile,
  isNoticedByClients: boolean,
  strike: () => Promise<void>,
): Promise<void> {
  const { entrepot, judge, random, rotten, ledger } = tools;
  if (isNoticedByClients) rotten.add(digest);
  ledger.damaged.add(digest);
  await strike().catch(() => {}); // it may just have been evicted
  await delay(random.whole(0, 1_500));
  const { code, output } = await entrepot.run('verify', '--repair');
  if (code !== 0 && !isLossOf(digest, output)) judge.blame(`verify --repair ended with ${code}: ${output.slice(-500)}`);
  if ((await isWhole(path, digest)) === false) judge.blame(`${digest} is damaged still after verify --repair`);
  rotten.delete(digest);
  await mend(tools, digest);
  ledger.damaged.delete(digest);
}

/** Whether nothing is wrong but that this is gone, which somebody has pushed. */
function isLossOf(digest: string, output: string): boolean {
  const lost = [...output.matchAll(/^lost: (\S+),/gm)].map(([, found]) => found);
  return lost.length > 0 && lost.every((found) => found === digest);
}

/** One push of the bytes, to any repository, makes whole every image that has them. */
async function mend({ ledger, mender, judge }: HandTools, digest: string): Promise<void> {
  const [image] = ledger.imagesWith(digest);
  if (image === undefined) return;
  judge.figures.mendings++;
  if (!(await eventually(mendLimitMs, () => mender.mend(image, digest))))
    judge.blame(`${digest} was damaged, and cannot be pushed again to ${image.repository}`);
}

async function chooseFile({ entrepot, random }: HandTools): Promise<BlobFile | undefined> {
  const files = (await listBlobFiles(entrepot.data)).filter(({ sizeBytes }) => sizeBytes > 0);
  return files.length === 0 ? undefined : random.pick(files);
}

async function flipByte(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0]! ^= 0x01;
    await file.write(byte, 0, 1, at);
  } finally {
    await file.close();
  }
}
