import { renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { digestOf } from '../../../src/oci/digest.ts';
import { makeImage, seededBytes, type TestImage } from '../content/images.ts';
import { spoolFolder, storedPath } from '../disk/store-files.ts';
import { type Clients, clientsOf } from './clients.ts';
import { guardedRepositories, type Monitored, replica } from './monitored.ts';

/** What was lived through. */
export interface Day {
  readonly fromMs: number;
  readonly toMs: number;
  /** How many requests clients sent to the registry door. */
  readonly asked: number;
}

/** Something that happens in each round of a part of the day, from 0 to 1; once, when it has no end. */
interface Event {
  readonly from: number;
  readonly to?: number;
  happens(round: number): unknown;
}

interface Extent {
  readonly rounds: number;
  /** Docker Hub's: less than a tenth of it is left at the end. */
  readonly pullLimit: number;
}

const hubImages = Array.from({ length: 16 }, (_, at) => ({
  repository: `library/app-${at}`,
  image: makeImage({ seed: `hub ${at}`, layers: [90_000 + 20_000 * at, 150_000] }),
}));
const ghcrImages = Array.from({ length: 5 }, (_, at) => ({
  repository: `ghcr.io/team/app-${at}`,
  image: makeImage({ seed: `ghcr ${at}`, layers: [120_000, 60_000] }),
}));
const slow = makeImage({ seed: 'slow', layers: [50_000, 50_001, 50_002, 50_003, 50_004] });
const guesses = Array.from({ length: 90 }, (_, at) => `guess ${at}`);
const slowLayers = slow.blobs.slice(1);
const huge = makeImage({ seed: 'huge', layers: [9_000_000] }); // more than the whole cache
const damaged = makeImage({ seed: 'damaged', layers: [300_000] }); // what is smaller is held in memory, too

/**
 * Has clients do for so many rounds, each as long as a scrape and the next, what they do in months: pull what is here and
 * what is not, push, fail, and meet a registry, a disk and a limit that fail them.
 */
export async function liveThroughDay(monitored: Monitored, rounds: number): Promise<Day> {
  const pullLimit = 60 + 3 * rounds;
  fill(monitored, pullLimit);
  const clients = clientsOf(monitored);
  const { prometheus } = monitored;
  const under = new Set<Promise<unknown>>();
  await prometheus.scraped(replica);
  const fromMs = Date.now();
  const events = eventsOf(monitored, clients, { rounds, pullLimit });
  for (let round = 0; round < rounds; round++) {
    for (const { from, to, happens } of events) {
      const first = Math.floor(from * rounds);
      if (round < first || round >= (to === undefined ? first + 1 : Math.ceil(to * rounds))) continue;
      const done = Promise.resolve(happens(round)).finally(() => under.delete(done));
      under.add(done);
    }
    await prometheus.scraped(replica);
  }
  await Promise.all(under);
  await prometheus.scraped(replica);
  await prometheus.evaluated();
  return { fromMs, toMs: Date.now(), asked: clients.asked };
}

function fill({ hub, ghcr, guarded }: Monitored, pullLimit: number): void {
  hub.setQuirks({ pullLimit: { limit: pullLimit } });
  for (let tag = 0; tag < pullLimit; tag++) {
    hub.content.push('library/many', manyOf(tag), `${tag}`);
  }
  for (const { repository, image } of hubImages) hub.content.push(repository, image, '1');
  for (const { repository, image } of ghcrImages) ghcr.content.push(repository.replace('ghcr.io/', ''), image, '1');
  for (const [name, image] of Object.entries({ slow, huge, damaged })) hub.content.push(`library/${name}`, image, '1');
  ghcr.content.push('team/kept', makeImage({ seed: 'kept', layers: [80_000] }), '1');
  for (const name of guardedRepositories) guarded.content.push(name, makeImage({ seed: name, layers: [1_000] }), '1');
}

function eventsOf(monitored: Monitored, clients: Clients, extent: Extent): Event[] {
  return [
    ...dailyLife(clients),
    ...mishaps(monitored, clients),
    ...upstreamFailures(monitored, clients),
    copyOfAllTags(monitored, clients, extent),
    ...diskFailures(monitored, clients),
  ];
}

// Some images are asked for much more often than others, as everywhere.
function dailyLife(clients: Clients): Event[] {
  let state = 20_260_101;
  const random = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const pullOne = (from: readonly { repository: string; image: TestImage }[]) => {
    const { repository, image } = from[Math.floor(random() ** 2 * from.length)]!;
    return clients.pull(repository, '1', image);
  };
  return [
    { from: 0, to: 1, happens: () => pullOne(hubImages) },
    { from: 0, to: 1, happens: (round) => round % 2 === 0 && pullOne(hubImages) },
    { from: 0, to: 1, happens: (round) => round % 3 === 0 && pullOne(ghcrImages) },
    // Several machines of a cluster that begin at once.
    {
      from: 0.1,
      happens: () => Promise.all([0, 1, 2].map(() => clients.pull('library/app-15', '1', hubImages[15]!.image))),
    },
    { from: 0.05, to: 0.9, happens: (round) => round % 4 === 0 && push(clients, round) },
  ];
}

const push = (clients: Clients, round: number): Promise<void> =>
  clients.push('team/web', makeImage({ seed: `web ${round}`, layers: [130_000, 40_000] }), 'latest');

function mishaps({ data }: Monitored, clients: Clients): Event[] {
  const layer = damaged.blobs[1]!;
  return [
    { from: 0.1, to: 0.9, happens: (round) => round % 5 === 0 && clients.get('library/none/manifests/1') },
    { from: 0.15, happens: () => clients.pushBlob('team/web', digestOf(Buffer.from('other')), Buffer.from('bytes')) },
    {
      ...{ from: 0.2, to: 0.3 },
      happens: (round) => clients.get(`registry.corp.example/${guardedRepositories[round % 2]}/manifests/1`),
    },
    { from: 0.25, happens: () => clients.connect('mail.example:443') },
    // More than may wait in line, so most are refused unseen.
    // They wait in line, some longer than the day lasts; whoever is left there at its end is cut off.
    { from: 0.3, happens: () => void Promise.allSettled(guesses.map((guess) => clients.login('root', guess))) },
    { from: 0.35, happens: () => clients.pull('library/huge', '1', huge) },
    { from: 0.4, happens: () => pushBeyondQuota(clients) },
    {
      from: 0.45,
      async happens() {
        const get = () => clients.get(`library/damaged/blobs/${layer.digest}`);
        while (!`${(await get()).headers['cache-status']}`.includes('hit')); // it is kept only after it was served
        truncateSync(storedPath(data, layer.digest), 100);
        await get();
      },
    },
  ];
}

async function pushBeyondQuota(clients: Clients): Promise<void> {
  const bytes = seededBytes('beyond', 5_000_000);
  await clients.pushBlob('team/large', digestOf(bytes), bytes);
}

function upstreamFailures({ ghcr, hub }: Monitored, clients: Clients): Event[] {
  return [
    // A registry that is down: what is known of it is served, what is not fails.
    { from: 0.45, happens: () => ghcr.faults.answer('any', { status: 503 }, { times: Number.POSITIVE_INFINITY }) },
    {
      ...{ from: 0.45, to: 0.7 },
      happens: (round) => Promise.all([1, 2, 3].map((at) => clients.get(`ghcr.io/team/new/manifests/${round}.${at}`))),
    },
    { from: 0.7, happens: () => ghcr.faults.clear() },
    // Layers that come slowly, until others wait for their turn.
    {
      from: 0.6,
      happens: () => {
        hub.faults.stallAfterBytes(({ url }) => slowLayers.some(({ digest }) => url.endsWith(digest)), 1_000, {
          times: slowLayers.length,
        });
        return Promise.all(slowLayers.map(({ digest }) => clients.get(`library/slow/blobs/${digest}`)));
      },
    },
    { from: 0.75, happens: () => hub.faults.clear() },
  ];
}

/** Uses up Docker Hub's limit, but for a few pulls: somebody copies a repository with all its tags. */
function copyOfAllTags({ hub }: Monitored, clients: Clients, { rounds, pullLimit }: Extent): Event {
  const used = () => hub.requests.all.filter(({ method, route }) => method === 'GET' && route === 'manifest').length;
  const to = 0.88;
  let tag = 0;
  const copyOne = async () => {
    const image = manyOf(tag);
    await clients.get(`library/many/manifests/${tag++}`);
    await clients.get(`library/many/blobs/${image.blobs[1]!.digest}`);
  };
  const copyShare = async (round: number) => {
    const end = tag + Math.ceil((0.92 * pullLimit - used()) / (Math.ceil(to * rounds) - round));
    while (tag < Math.min(end, pullLimit)) await Promise.all([copyOne(), copyOne()]);
  };
  let copied = Promise.resolve();
  const happens = (round: number) => {
    copied = copied.then(() => copyShare(round));
    return copied;
  };
  return { from: 0.76, to, happens };
}

const manyOf = (tag: number) => makeImage({ seed: `many ${tag}`, layers: [50_000] });

function diskFailures({ data }: Monitored, clients: Clients): Event[] {
  const spool = spoolFolder(data);
  return [
    {
      from: 0.9,
      happens() {
        renameSync(spool, `${spool}.away`);
        writeFileSync(spool, 'in the way of the folder');
      },
    },
    // What is not here is passed on, and cannot be kept.
    {
      from: 0.9,
      to: 0.97,
      happens: (round) => clients.pull('library/huge', '1', { ...huge, blobs: huge.blobs.slice(0, 1 + (round % 2)) }),
    },
    {
      from: 0.97,
      happens() {
        rmSync(spool);
        renameSync(`${spool}.away`, spool);
      },
    },
  ];
}
