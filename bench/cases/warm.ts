import { originFile } from '../lab/images.ts';
import { diskAtRest } from '../lab/machine.ts';
import { type Peer, startEntrepot, startNginx, startRegistryProxy } from '../lab/servers.ts';
import { fetchBlob, fetchOnce, median, requestsPerSecond } from '../load/measure.ts';
import { type Row, times } from '../report.ts';
import { type Bench, layerUrl } from './bench.ts';

interface WarmPeers {
  readonly entrepot: Peer;
  readonly proxy: Peer;
  readonly nginx: Peer;
}

/** What is served again and again: everything is there, and in the system's cache. */
export async function warmCases(bench: Bench): Promise<Row[]> {
  const image = bench.large[0]!;
  const paths = pathsOf(bench);
  const files = new Map(Object.values(paths).map(({ path, digest }) => [path, originFile(bench.folder, digest)]));
  const peers: WarmPeers = {
    entrepot: await startEntrepot(bench.folder, bench.origin.url),
    proxy: await startRegistryProxy(bench.folder, bench.origin.url),
    nginx: await startNginx(bench.folder, files),
  };
  try {
    for (const peer of Object.values(peers)) {
      await fetchBlob(layerUrl(peer, image), 1); // brings it here
      await fetchBlob(layerUrl(peer, image), 1);
      for (const { path } of Object.values(paths)) await fetchOnce(peer.url + path);
    }
    await diskAtRest(); // what was brought here is being written still
    return [
      await oneClient(bench, peers),
      await eightClients(bench, peers),
      await small(bench, peers, 'manifest by tag', paths.tag.path, 50),
      await small(bench, peers, 'manifest by digest', paths.digest.path, 12),
      await small(bench, peers, 'small blob (1.5 kB)', paths.blob.path, 15),
    ];
  } finally {
    for (const peer of Object.values(peers)) await peer.server.stop();
  }
}

function pathsOf(bench: Bench) {
  const { repository, manifest, config, layer } = bench.large[0]!;
  return {
    tag: { path: `/v2/${repository}/manifests/latest`, digest: manifest },
    digest: { path: `/v2/${repository}/manifests/${manifest}`, digest: manifest },
    blob: { path: `/v2/${repository}/blobs/${config}`, digest: config },
    layer: { path: `/v2/${repository}/blobs/${layer}`, digest: layer },
  };
}

/** Bytes a second of every peer, one after the other in every round. */
async function speeds(
  bench: Bench,
  peers: WarmPeers,
  connections: number,
  rounds = bench.rounds,
): Promise<Record<keyof WarmPeers, number>> {
  const found: Record<keyof WarmPeers, number[]> = { entrepot: [], proxy: [], nginx: [] };
  for (let round = 0; round < rounds; round++) {
    for (const name of ['entrepot', 'proxy', 'nginx'] as const) {
      const { bytes, totalMs } = await fetchBlob(layerUrl(peers[name], bench.large[0]!), connections);
      found[name].push(bytes / (totalMs / 1000));
    }
  }
  return { entrepot: median(found.entrepot), proxy: median(found.proxy), nginx: median(found.nginx) };
}

async function oneClient(bench: Bench, peers: WarmPeers): Promise<Row> {
  const speed = await speeds(bench, peers, 1, 3 * bench.rounds); // a round takes a third of a second
  const overProxy = speed.entrepot / speed.proxy;
  const overNginx = speed.entrepot / speed.nginx;
  return {
    name: 'warm large blob, one client',
    bar: '≥ 1.2 × proxy, ≥ 1.3 × nginx',
    measured: `${times(overProxy)} proxy, ${times(overNginx)} nginx`,
    passed: overProxy >= 1.2 && overNginx >= 1.3,
    figures: speed,
  };
}

async function eightClients(bench: Bench, peers: WarmPeers): Promise<Row> {
  const speed = await speeds(bench, peers, 8);
  const overNginx = speed.entrepot / speed.nginx;
  return {
    name: 'warm large blob, 8 clients',
    bar: '≥ 1 × nginx',
    measured: `${times(overNginx)} nginx`,
    passed: overNginx >= 1,
    figures: speed,
  };
}

async function small(bench: Bench, peers: WarmPeers, what: string, path: string, atLeast: number): Promise<Row> {
  const found: Record<keyof WarmPeers, number[]> = { entrepot: [], proxy: [], nginx: [] };
  for (let round = 0; round < bench.rounds; round++) {
    for (const name of ['entrepot', 'proxy', 'nginx'] as const) {
      found[name].push(await requestsPerSecond(peers[name].url + path, bench.seconds));
    }
  }
  const rate = { entrepot: median(found.entrepot), proxy: median(found.proxy), nginx: median(found.nginx) };
  const ratio = rate.entrepot / rate.proxy;
  return {
    name: `warm ${what}, 32 connections`,
    bar: `≥ ${atLeast} × proxy`,
    measured: `${times(ratio)} proxy`,
    passed: ratio >= atLeast,
    figures: rate,
  };
}
