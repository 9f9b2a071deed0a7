import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { diskAtRest, touchMemory } from '../lab/machine.ts';
import { type Peer, startHosted, startRegistry } from '../lab/servers.ts';
import { median, pushBlob, pushImages } from '../load/measure.ts';
import { type Row, times } from '../report.ts';
import type { Bench } from './bench.ts';

const mebibyte = 1024 * 1024;
const connections = 8;

/** What is pushed: to Entrepot, and to docker-registry on the same disk, each with nothing in it. */
export async function pushCases(bench: Bench): Promise<Row[]> {
  return [await large(bench), await small(bench)];
}

/**
 * How long something takes with each of the two, in turns. What was pushed is removed at the end: ext4 looks at every
 * file that was deleted in the last seconds before it makes another, which would count for whoever comes next.
 */
async function compare(
  { folder }: Bench,
  rounds: number,
  push: (peer: Peer) => Promise<number>,
): Promise<{ readonly entrepotMs: number; readonly registryMs: number }> {
  const walls = { entrepot: [] as number[], registry: [] as number[] };
  const pushed = join(folder, 'pushed');
  await mkdir(pushed);
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [name, start] of [
        ['entrepot', startHosted],
        ['registry', startRegistry],
      ] as const) {
        const peer = await start(folder, join(pushed, `${name}-${round}`));
        try {
          await diskAtRest();
          walls[name].push(await push(peer));
        } finally {
          await peer.server.stop();
        }
      }
    }
  } finally {
    await rm(pushed, { recursive: true, force: true });
  }
  return { entrepotMs: median(walls.entrepot), registryMs: median(walls.registry) };
}

/** Both ways in which clients send a layer: containerd and BuildKit in the PUT, docker and podman in a PATCH before it. */
async function large(bench: Bench): Promise<Row> {
  const sizeBytes = (bench.quick ? 64 : 1024) * mebibyte;
  const rounds = Math.min(bench.rounds, 3);
  const push = async ({ url }: Peer, how: 'put' | 'patch') => {
    await touchMemory(2 * sizeBytes);
    return pushBlob(url, sizeBytes, how);
  };
  const put = await compare(bench, rounds, (peer) => push(peer, 'put'));
  const patch = await compare(bench, rounds, (peer) => push(peer, 'patch'));
  const [byPut, byPatch] = [put, patch].map(({ entrepotMs, registryMs }) => registryMs / entrepotMs);
  return {
    name: 'push of one large layer',
    bar: '≥ 1 × docker-registry’s speed',
    measured: `PUT ${times(byPut!)}, PATCH ${times(byPatch!)}`,
    passed: byPut! >= 1 && byPatch! >= 1,
    figures: {
      entrepotPutMs: put.entrepotMs,
      registryPutMs: put.registryMs,
      entrepotPatchMs: patch.entrepotMs,
      registryPatchMs: patch.registryMs,
    },
  };
}

/** Configuration, layer and manifest of images that have nothing in common. */
async function small(bench: Bench): Promise<Row> {
  const count = bench.quick ? 100 : 1000;
  const figures = await compare(bench, Math.min(bench.rounds, 3), ({ url }) => pushImages(url, count, connections));
  const ratio = figures.registryMs / figures.entrepotMs;
  return {
    name: `${count} small pushes, ${connections} connections`,
    bar: '≥ 2 × docker-registry’s speed',
    measured: `${times(ratio)} (${Math.round((count * 1000) / figures.entrepotMs)} a second)`,
    passed: ratio >= 2,
    figures,
  };
}
