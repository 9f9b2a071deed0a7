import { readdir, readlink } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { openSqliteIndex } from '../../src/index/sqlite/sqlite.ts';
import type { Client } from './client.ts';
import type { Judge } from './judge.ts';
import type { Auditor } from './pushes/auditor.ts';
import type { Ledger } from './pushes/ledger.ts';
import { isWhole, listBlobFiles, listSpoolFiles } from './stored.ts';
import type { Entrepot } from './world/entrepot.ts';
import type { KnownImages } from './world/images.ts';
import { eventually } from './world/processes.ts';
import type { Wire } from './world/wire.ts';

/** What is looked at in the end. */
export interface InspectionTools {
  readonly entrepot: Entrepot;
  readonly wire: Wire;
  readonly images: KnownImages;
  readonly judge: Judge;
  readonly prober: Client;
  readonly ledger: Ledger;
  readonly auditor: Auditor;
}

const pullLimitMs = 120_000;
const settleLimitMs = 45_000; // connections to the origin wait for the next request for 30 s

/** Looks at everything when nothing strikes any more. */
export async function inspect(tools: InspectionTools): Promise<void> {
  await pullEverything(tools, 'with the origin');
  await tools.auditor.audit('in the end');
  await expectNothingOpen(tools);
  await expectNothingHalfWritten(tools);
  const { entrepot, judge, wire } = tools;
  const how = await entrepot.stop();
  if (how !== 0) judge.blame(`Entrepot ended with ${how} when it was asked to stop in the end`);
  await expectRightFiles(tools);
  await expectRightIndex(tools);
  const { code, output } = await entrepot.run('verify');
  if (code !== 0) judge.blame(`verify ended with ${code} in the end: ${output.slice(-500)}`);
  wire.set({ kind: 'cut' });
  await entrepot.start({ ENTREPOT_CACHE_MAX_BYTES: '1TB', ENTREPOT_CACHE_MIN_FREE_BYTES: '0' }); // so that nothing goes
  await askForStored(tools);
}

/** Every image, of every architecture, must come whole. */
async function pullEverything({ images, prober, judge }: InspectionTools, how: string): Promise<void> {
  for (const repository of images.repositories) {
    const signal = AbortSignal.timeout(pullLimitMs);
    if (await prober.pull(repository, repository.index.children, { tries: 100, odd: false, signal })) continue;
    judge.figures.lostBlobs++;
    judge.blame(`${repository.name} cannot be pulled ${how}`);
  }
}

/** A process that serves nobody has no blob open, nor connections but a few that wait. */
async function expectNothingOpen({ entrepot, judge, prober, auditor }: InspectionTools): Promise<void> {
  prober.close();
  auditor.close();
  const maxSockets = 2 + 16; // its doors, and what the transport keeps
  let open: string[] = [];
  const settled = await eventually(settleLimitMs, async () => {
    open = await openFiles(entrepot.pid);
    const below = open.filter((path) => path.startsWith(entrepot.data + sep) && !isHeld(path));
    const sockets = open.filter((path) => path.startsWith('socket:'));
    return below.length === 0 && sockets.length <= maxSockets;
  });
  if (!settled) judge.blame(`Entrepot has open what it needs no more: ${open.join(' ')}`);
}

/** What is open for as long as the process lives: the index, and the lock that says whose its uploads are. */
function isHeld(path: string): boolean {
  return path.includes('index-v1.sqlite') || /\/uploads-v1\/[0-9a-f]{8}\.lock$/.test(path);
}

async function openFiles(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder).catch(() => []); // not every system has it
  return Promise.all(names.map((name) => readlink(join(folder, name)).catch(() => '')));
}

/** Nothing is being written, and what is kept of downloads that were cut off is within its bound. */
async function expectNothingHalfWritten({ entrepot, judge }: InspectionTools): Promise<void> {
  const spools = await listSpoolFiles(entrepot.data);
  const [kept, others] = [true, false].map((isKept) => spools.filter(({ name }) => name.endsWith('.kept') === isKept));
  // What a kill left of a manifest is removed by a start in an hour: each leaves a few at most.
  const written = others!.filter(({ name }) => !name.endsWith('.new'));
  if (written.length > 0) judge.blame(`nobody writes to ${written.map(({ name }) => name).join(' ')}`);
  const keptBytes = kept!.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (keptBytes > entrepot.maxBytes / 4) judge.blame(`${keptBytes} bytes are kept of downloads that were cut off`);
}

async function expectRightFiles({ entrepot, judge, images, ledger }: InspectionTools): Promise<void> {
  for (const { path, digest, sizeBytes } of await listBlobFiles(entrepot.data)) {
    if (!(await isWhole(path, digest))) judge.blame(`${digest} is stored with wrong bytes, ${sizeBytes} of them`);
    else if (![...images.bytes.keys(), ...ledger.known.keys()].some((known) => known === digest))
      judge.blame(`${digest} is nobody's`);
  }
}

/** What the index tells is stored is stored, and the other way round. */
async function expectRightIndex({ entrepot, judge }: InspectionTools): Promise<void> {
  const files = await listBlobFiles(entrepot.data);
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const index = openSqliteIndex(join(entrepot.data, 'index-v1.sqlite'), {
    onBroken: (_path, error) => judge.blame(`the index is broken in the end: ${error}`),
    now: Date.now,
  });
  try {
    const [cached, hosted] = [await index.totals(), await index.hostedTotals()];
    const totals = { contents: cached.contents + hosted.contents, sizeBytes: cached.sizeBytes + hosted.sizeBytes };
    if (totals.contents === files.length && totals.sizeBytes === sizeBytes) return;
    const told = `${totals.contents} contents of ${totals.sizeBytes} bytes`;
    judge.blame(`the index tells of ${told}, the store has ${files.length} of ${sizeBytes}`);
  } finally {
    await index.close();
  }
}

/** Everything that is stored must be served when nobody else could. */
async function askForStored({ entrepot, judge, images, prober }: InspectionTools): Promise<void> {
  const stored = new Set((await listBlobFiles(entrepot.data)).map(({ digest }) => digest));
  for (const { name, index } of images.repositories) {
    for (const { manifest, blobs } of [index, ...index.children]) {
      const manifestPath = `/v2/${name}/manifests/${manifest.digest}`;
      const asked = [[manifestPath, manifest.digest] as const].concat(
        blobs.map(({ digest }) => [`/v2/${name}/blobs/${digest}`, digest] as const),
      );
      for (const [path, digest] of asked) {
        if (
          !stored.has(digest) ||
          (await prober.get(path, digest, { tries: 3, signal: AbortSignal.timeout(pullLimitMs) }))
        )
          continue;
        judge.figures.lostBlobs++;
        judge.blame(`${path} is stored, and was not served without the origin`);
      }
    }
  }
}
