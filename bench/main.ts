import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench } from './cases/bench.ts';
import { coldCases } from './cases/cold.ts';
import { memoryCases } from './cases/memory.ts';
import { proxyCases } from './cases/proxy.ts';
import { pushCases } from './cases/push.ts';
import { spaceCases } from './cases/space.ts';
import { warmCases } from './cases/warm.ts';
import { type BenchImage, pushImage } from './lab/images.ts';
import { type Link, makeGigabitLink } from './lab/link.ts';
import { startOrigin } from './lab/servers.ts';
import { type Row, renderTable } from './report.ts';

// Measures Entrepot beside Debian's docker-registry as a proxy, nginx and the origin itself, all in one run on the same
// images. `--quick` takes 64 MiB for 1 GiB and fewer rounds: it shows that everything works, not how fast.
const groups = {
  warm: warmCases,
  cold: coldCases,
  memory: memoryCases,
  space: spaceCases,
  push: pushCases,
  proxy: proxyCases,
} as const;
const mebibyte = 1024 * 1024;

const quick = process.argv.includes('--quick');
const wanted = (Object.keys(groups) as (keyof typeof groups)[]).filter(
  (name) => process.argv.includes(name) || !process.argv.some((word) => word in groups),
);

const tools = ['docker-registry', 'nginx', 'wrk', ...(wanted.includes('proxy') ? ['curl', 'openssl', 'skopeo'] : [])];
for (const tool of tools) {
  try {
    execFileSync('which', [tool]);
  } catch {
    console.error(
      `Cannot measure without ${tool}: on Debian, apt-get install docker-registry nginx wrk iproute2 curl openssl skopeo`,
    );
    process.exit(1);
  }
}

async function pushImages(originUrl: string): Promise<Pick<Bench, 'large' | 'small'>> {
  const large: BenchImage[] = [];
  const small: BenchImage[] = [];
  for (let i = 0; i < 4; i++)
    large.push(await pushImage(originUrl, `bench/large-${i}`, (quick ? 64 : 1024) * mebibyte));
  for (let i = 0; i < (quick ? 6 : 22); i++) small.push(await pushImage(originUrl, `bench/small-${i}`, 8 * mebibyte));
  return { large, small };
}

async function tryLink(): Promise<Link | undefined> {
  try {
    return await makeGigabitLink();
  } catch (error) {
    console.error(`The case behind a link of 1 Gbit/s is left out: ${(error as Error).message}`);
    return undefined;
  }
}

const folder = await mkdtemp(join(tmpdir(), 'entrepot-bench-'));
const originLog = join(folder, 'origin.log');
const origin = await startOrigin(folder, originLog);
const link = wanted.includes('cold') ? await tryLink() : undefined;
const rows: Row[] = [];
try {
  const images = await pushImages(origin.url);
  const bench: Bench = {
    folder,
    origin,
    originLog,
    link,
    rounds: quick ? 1 : 5,
    seconds: quick ? 1 : 4,
    quick,
    ...images,
  };
  for (const name of wanted) {
    for (const row of await groups[name](bench)) {
      rows.push(row);
      console.error(`${row.name}: ${row.measured} (${row.bar}) ${row.passed ? 'ok' : 'MISSED'}`);
    }
  }
} finally {
  await origin.server.stop();
  await link?.remove();
  await rm(folder, { recursive: true, force: true });
}

const results = new URL('./results/', import.meta.url).pathname;
await mkdir(results, { recursive: true });
const file = join(results, `${new Date().toISOString().replace(/[:.]/g, '-')}.json`);
const machine = { cpus: cpus().length, model: cpus()[0]?.model, node: process.version };
await writeFile(file, `${JSON.stringify({ quick, machine, rows }, null, 2)}\n`);
console.log(renderTable(rows));
console.log(`\nFigures: ${file}`);
// A quick run is too short for its ratios to mean anything.
process.exitCode = quick || rows.every(({ passed }) => passed) ? 0 : 1;
