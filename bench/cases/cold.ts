import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { originFile } from '../lab/images.ts';
import { touchMemory } from '../lab/machine.ts';
import { type Peer, startEntrepot, startNginx, startOrigin, startRegistryProxy } from '../lab/servers.ts';
import { fetchBlob, median } from '../load/measure.ts';
import { type Row, times } from '../report.ts';
import { type Bench, layerUrl } from './bench.ts';

type StartPeer = (folder: string, originUrl: string) => Promise<Peer>;

/** What is fetched for the first time. */
export async function coldCases(bench: Bench): Promise<Row[]> {
  return [
    ...(bench.link ? [await behindLink(bench)] : []),
    await unlimited(bench),
    await manyClients(bench),
    await firstByte(bench),
  ];
}

/** Starts a server with nothing cached, lets it fetch something else first, as a server that has been up has, and uses it. */
async function withFresh<T>(
  bench: Bench,
  start: StartPeer,
  use: (peer: Peer) => Promise<T>,
  originUrl = bench.origin.url,
): Promise<T> {
  const peer = await start(bench.folder, originUrl);
  try {
    await fetchBlob(layerUrl(peer, bench.small[0]!), 1);
    await touchMemory(2 * bench.large[0]!.layerBytes);
    return await use(peer);
  } finally {
    await peer.server.stop();
  }
}

async function behindLink(bench: Bench): Promise<Row> {
  const { address, prefix } = bench.link!;
  const image = bench.large[0]!;
  const far = await startOrigin(bench.folder, join(bench.folder, 'far-origin.log'), address, prefix);
  const direct: number[] = [];
  const through: number[] = [];
  try {
    for (let round = 0; round < bench.rounds; round++) {
      direct.push((await fetchBlob(layerUrl(far, image), 1)).totalMs);
      const fetchLarge = async (peer: Peer) => (await fetchBlob(layerUrl(peer, image), 1)).totalMs;
      through.push(await withFresh(bench, startEntrepot, fetchLarge, far.url));
    }
  } finally {
    await far.server.stop();
  }
  const ratio = median(through) / median(direct);
  return {
    name: 'cold large blob, one client, 1 Gbit/s link',
    bar: '≤ 1.05 × the time from the origin',
    measured: `${times(ratio)} the time`,
    passed: ratio <= 1.05,
    figures: { throughMs: median(through), directMs: median(direct) },
  };
}

async function unlimited(bench: Bench): Promise<Row> {
  const times_ = { entrepot: [] as number[], proxy: [] as number[] };
  const fetchLarge = async (peer: Peer) => (await fetchBlob(layerUrl(peer, bench.large[0]!), 1)).totalMs;
  for (let round = 0; round < bench.rounds; round++) {
    times_.entrepot.push(await withFresh(bench, startEntrepot, fetchLarge));
    times_.proxy.push(await withFresh(bench, startRegistryProxy, fetchLarge));
  }
  const ratio = median(times_.proxy) / median(times_.entrepot);
  return {
    name: 'cold large blob, one client, loopback',
    bar: '≥ 0.5 × proxy’s speed',
    measured: `${times(ratio)} proxy`,
    passed: ratio >= 0.5,
    figures: { entrepotMs: median(times_.entrepot), proxyMs: median(times_.proxy) },
  };
}

async function manyClients(bench: Bench): Promise<Row> {
  const image = bench.large[0]!;
  const walls = { entrepot: [] as number[], proxy: [] as number[], warmNginx: [] as number[] };
  const fetched = { entrepot: [] as number[], proxy: [] as number[] };
  for (let round = 0; round < Math.min(bench.rounds, 3); round++) {
    for (const [name, start] of [
      ['entrepot', startEntrepot],
      ['proxy', startRegistryProxy],
    ] as const) {
      const before = await bytesFromOrigin(bench, image.layer);
      walls[name].push(
        await withFresh(bench, start, async (peer) => (await fetchBlob(layerUrl(peer, image), 32)).totalMs),
      );
      fetched[name].push(((await bytesFromOrigin(bench, image.layer)) - before) / image.layerBytes);
    }
    walls.warmNginx.push(await fromNginx(bench, 32));
  }
  const wall = median(walls.entrepot) / median(walls.proxy);
  const floor = median(walls.warmNginx) / median(walls.proxy);
  const most = Math.max(...fetched.entrepot);
  return {
    name: '32 clients on one cold large blob',
    bar: 'upstream bytes 1.00 ×, time ≤ 0.33 × proxy’s',
    measured: `bytes ${times(most)}, time ${times(wall)} proxy’s (nginx, warm: ${times(floor)})`,
    passed: most === 1 && wall <= 1 / 3,
    figures: {
      entrepotMs: median(walls.entrepot),
      proxyMs: median(walls.proxy),
      warmNginxMs: median(walls.warmNginx),
      entrepotUpstreamBytes: most,
      proxyUpstreamBytes: median(fetched.proxy),
    },
  };
}

/** How long nginx takes to send what it has on disk: what the machine needs for the sending alone. */
async function fromNginx(bench: Bench, connections: number): Promise<number> {
  const image = bench.large[0]!;
  const path = `/v2/${image.repository}/blobs/${image.layer}`;
  const nginx = await startNginx(bench.folder, new Map([[path, originFile(bench.folder, image.layer)]]));
  try {
    return (await fetchBlob(layerUrl(nginx, image), connections)).totalMs;
  } finally {
    await nginx.server.stop();
  }
}

/** What the origin says that it sent of a blob so far, by its access log (the Common Log Format). */
async function bytesFromOrigin(bench: Bench, digest: string): Promise<number> {
  const log = await readFile(bench.originLog, 'utf8');
  const lines = log.matchAll(new RegExp(`"GET [^"]*/blobs/${digest}[^"]*" 20[06] (\\d+)`, 'g'));
  return [...lines].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}

async function firstByte(bench: Bench): Promise<Row> {
  const images = bench.small.slice(1);
  const direct: number[] = [];
  const through: number[] = [];
  await withFresh(bench, startEntrepot, async (peer) => {
    for (const image of images) {
      direct.push((await fetchBlob(layerUrl(bench.origin, image), 1)).firstByteMs);
      through.push((await fetchBlob(layerUrl(peer, image), 1)).firstByteMs);
    }
  });
  const more = median(through) - median(direct);
  return {
    name: 'first byte of a cold blob',
    bar: 'origin’s + 20 ms at most',
    measured: `origin’s + ${more.toFixed(1)} ms`,
    passed: more <= 20,
    figures: { throughMs: median(through), directMs: median(direct) },
  };
}
