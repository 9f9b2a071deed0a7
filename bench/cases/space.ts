import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { countContents, fillData } from '../lab/filled-data.ts';
import { type Peer, startEntrepot } from '../lab/servers.ts';
import { fetchOnce, latenciesDuring, median, requestsPerSecond } from '../load/measure.ts';
import { type Row, times } from '../report.ts';
import type { Bench } from './bench.ts';

/** What a cache costs that has much, and that has to let much of it go. */
export async function spaceCases(bench: Bench): Promise<Row[]> {
  const contents = bench.quick ? 2_000 : 100_000;
  const data = join(bench.folder, 'filled');
  await fillData(data, contents, 1_000);
  return [await start(bench, data, contents), await hit(bench, data, contents), await eviction(bench)];
}

async function start(bench: Bench, data: string, contents: number): Promise<Row> {
  const tookMs: number[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    const beganAtMs = performance.now();
    const peer = await startEntrepot(bench.folder, bench.origin.url, { data });
    try {
      await fetchOnce(`${peer.url}/readyz`);
      tookMs.push(performance.now() - beganAtMs);
    } finally {
      await peer.server.stop();
    }
  }
  const readyMs = median(tookMs);
  return {
    name: `start with ${contents} contents stored, until ready`,
    bar: '≤ 2 s',
    measured: `${(readyMs / 1000).toFixed(2)} s`,
    passed: readyMs <= 2_000,
    figures: { readyMs: tookMs },
  };
}

function smallBlob({ large }: Bench): string {
  const { repository, config } = large[0]!;
  return `/v2/${repository}/blobs/${config}`;
}

async function hit(bench: Bench, data: string, contents: number): Promise<Row> {
  const full = await startEntrepot(bench.folder, bench.origin.url, { data });
  const peers: Peer[] = [full];
  try {
    const empty = await startEntrepot(bench.folder, bench.origin.url);
    peers.push(empty);
    const path = smallBlob(bench);
    for (const { url } of peers) await fetchOnce(url + path);
    const rates: { full: number[]; empty: number[] } = { full: [], empty: [] };
    for (let round = 0; round < bench.rounds; round++) {
      rates.full.push(await requestsPerSecond(full.url + path, bench.seconds));
      rates.empty.push(await requestsPerSecond(empty.url + path, bench.seconds));
    }
    const ratio = median(rates.full) / median(rates.empty);
    return {
      name: `hit (1.5 kB) with ${contents} contents stored`,
      bar: '≥ 0.9 × with few',
      measured: `${times(ratio)} with few`,
      passed: ratio >= 0.9,
      figures: rates,
    };
  } finally {
    for (const { server } of peers) await server.stop();
  }
}

const connections = 8;
const pollMs = 50;
const evictionLimitMs = 120_000;

/** Hits while half of what is stored goes, against hits while nothing does. */
async function eviction(bench: Bench): Promise<Row> {
  const going = bench.quick ? 1_000 : 10_000;
  const data = join(bench.folder, 'evicted');
  const { contents, sizeBytes } = await fillData(data, going * 2, 4_000);
  // One more small blob is above the high watermark; then as much goes as the low one says.
  const highBytes = sizeBytes + 4_000;
  const maxBytes = Math.floor(highBytes / 0.95);
  const cache = { maxBytes, highWatermark: '95%', lowWatermark: '46%', grace: '1s', minFreeBytes: 0 };
  const peer = await startEntrepot(bench.folder, bench.origin.url, { data, cache });
  try {
    const url = peer.url + smallBlob(bench);
    await fetchOnce(url);
    await requestsPerSecond(url, 1); // so that the code is as fast as it will be
    const rest = await latenciesDuring(url, connections, () => delay(bench.seconds * 1000));
    const others = bench.small.map(({ repository, config }) => `${peer.url}/v2/${repository}/blobs/${config}`);
    const beganAtMs = performance.now();
    const busy = await latenciesDuring(url, connections, async () => {
      for (const other of others) await fetchOnce(other);
      await until(async () => (await countContents(data)) <= contents - going);
    });
    const tookMs = performance.now() - beganAtMs;
    const ratio = busy.p99Ms / rest.p99Ms;
    return {
      name: `p99 of hits while ${going} contents are evicted`,
      bar: '≤ 3 × at rest',
      measured: `${times(ratio)} (${busy.p99Ms.toFixed(2)} ms against ${rest.p99Ms.toFixed(2)} ms, ${busy.count} hits)`,
      passed: ratio <= 3,
      figures: { restP99Ms: rest.p99Ms, busyP99Ms: busy.p99Ms, restMedianMs: rest.medianMs, tookMs },
    };
  } finally {
    await peer.server.stop();
  }
}

async function until(isDone: () => Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + evictionLimitMs; performance.now() < endMs; await delay(pollMs)) {
    if (await isDone()) return;
  }
  throw new Error('Cannot measure eviction: what should go stays');
}
