import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostedRegistryName } from '../../src/oci/hosted.ts';
import { readArguments, type TortureArguments } from './arguments.ts';
import type { HandTools } from './blows/blow.ts';
import { Client, type ClientTools } from './client.ts';
import { strike } from './hand.ts';
import { inspect } from './inspection.ts';
import { Judge } from './judge.ts';
import { Auditor } from './pushes/auditor.ts';
import { Ledger } from './pushes/ledger.ts';
import { Pusher } from './pushes/pusher.ts';
import { seededRandom } from './random.ts';
import { type Disk, makeDisk } from './world/disk.ts';
import { Entrepot } from './world/entrepot.ts';
import { makeKnownImages } from './world/images.ts';
import { startOrigin } from './world/origin.ts';
import { Processes } from './world/processes.ts';
import { Wire } from './world/wire.ts';

// `node test/torture/main.ts [--minutes N] [--seed N] [--keep]`: a real registry, a real Entrepot with a cache that is
// too small, clients that pull all the time and know every byte, others that push and remember what was acknowledged,
// and a hand that kills, cuts, fills and flips. It prints
// its figures, and exits with 1 when anything was wrong. As root it has a disk of its own, which can be full.

const clientCount = 5;
const pusherCount = 3;
const diskBytes = 220_000_000;

/** Everything that must be let go of, whatever happens. */
interface Stage {
  readonly processes: Processes;
  disk?: Disk;
  wire?: Wire;
}

async function torture({ minutes, seed }: TortureArguments, scratch: string, stage: Stage): Promise<Judge> {
  const judge = new Judge();
  const images = makeKnownImages(seed);
  const { processes } = stage;
  const origin = await startOrigin(join(scratch, 'origin'), seed, images, processes);
  const wire = new Wire(origin.port);
  stage.wire = wire;
  const disk = await makeDisk(scratch, diskBytes);
  stage.disk = disk;
  const maxBytes = Math.round(images.totalBytes * 0.4); // so that what is pulled has to make room for itself
  const place = { folder: scratch, data: join(disk.folder, 'data'), originPort: await wire.open(), maxBytes };
  const entrepot = await Entrepot.prepare(place, processes);
  await entrepot.start();
  const rotten = new Set<string>();
  const clientNamed = (name: string): Client => {
    const tools: ClientTools = { images, judge, random: seededRandom(seed, name), rotten, spoilt: wire.spoiltDigests };
    return new Client(entrepot.url, tools);
  };
  const clients = Array.from({ length: clientCount }, (_, at) => clientNamed(`client ${at}`));
  const prober = clientNamed('prober');
  const ledger = new Ledger();
  entrepot.onEnded = () => ledger.processEnded();
  const pusherNamed = (name: string): Pusher =>
    new Pusher(entrepot.hostedUrl, { name, images, judge, ledger, random: seededRandom(seed, name) });
  const pushers = Array.from({ length: pusherCount }, (_, at) => pusherNamed(`pusher${at}`));
  const mender = pusherNamed('mender');
  const auditor = new Auditor(
    [
      { url: entrepot.hostedUrl, prefix: '' },
      { url: entrepot.url, prefix: `${hostedRegistryName}/` },
    ],
    ledger,
    judge,
  );
  const over = AbortSignal.timeout(minutes * 60_000);
  const what = `${clientCount} clients, ${pusherCount} pushers, ${images.bytes.size} contents of ${megabytes(images.totalBytes)}`;
  console.log(
    `torture: seed ${seed}, ${minutes} min, ${origin.program}, disk ${disk.kind}, ${what}, logs in ${scratch}`,
  );
  const hand: HandTools = {
    ...{ entrepot, wire, disk, images, random: seededRandom(seed, 'hand'), judge, rotten, prober },
    ...{ ledger, auditor, mender },
  };
  await Promise.all([strike(hand, over), ...[...clients, ...pushers].map((client) => client.loop(over))]);
  for (const client of [...clients, ...pushers, mender]) client.close();
  await inspect({ entrepot, wire, images, judge, prober, ledger, auditor });
  prober.close();
  auditor.close();
  return judge;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

async function main(given: TortureArguments): Promise<boolean> {
  const scratch = await mkdtemp(join(tmpdir(), 'entrepot-torture-'));
  const stage: Stage = { processes: new Processes() };
  const clear = () => {
    stage.processes.endAll();
    stage.wire?.close();
    stage.disk?.remove();
    delete stage.disk;
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      clear();
      process.exit(1);
    });
  }
  let isWell = false;
  try {
    const judge = await torture(given, scratch, stage);
    isWell = judge.isContent;
    console.log(judge.report(`torture: seed ${given.seed}`));
  } finally {
    clear();
    if (isWell && !given.keep) await rm(scratch, { recursive: true, force: true });
    else console.log(`torture: the log is ${join(scratch, 'entrepot.log')}`);
  }
  return isWell;
}

process.exitCode = (await main(readArguments(process.argv.slice(2)))) ? 0 : 1;
