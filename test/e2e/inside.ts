import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildImage, type ImageRecipe } from './lab/images.ts';
import { type Lab, type LabImages, labVariable } from './lab/lab.ts';
import { makeCertificates } from './lab/machine/certs.ts';
import { furnishNamespace, trustOnly } from './lab/machine/namespace.ts';
import { startOrigin } from './lab/servers/origin.ts';
import { publishImage } from './lab/servers/publish.ts';

// The first process inside the namespaces: `node inside.ts SCRATCH TEST-FILE...`. All that is started here ends with it.

const testLimitMs = 120_000; // a hanging pull takes its test down, not the whole run

const mebibyte = 1024 * 1024;

const recipes: Readonly<Record<keyof LabImages, ImageRecipe>> = {
  layered: {
    reference: 'docker.io/library/strata:1',
    format: 'oci',
    layerBytes: [300_000, mebibyte, 4 * mebibyte, 8 * mebibyte, 11 * mebibyte, 16 * mebibyte],
  },
  index: {
    reference: 'docker.io/lab/prism:1',
    format: 'oci',
    architectures: ['amd64', 'arm64'],
    layerBytes: [200_000, 3 * mebibyte],
  },
  list: {
    reference: 'ghcr.io/lab/beacon:1',
    format: 'docker',
    architectures: ['amd64', 'arm64'],
    layerBytes: [400_000, 2 * mebibyte],
  },
  namesake: { reference: 'ghcr.io/lab/prism:1', format: 'oci', layerBytes: [mebibyte] },
  restricted: { reference: 'docker.io/private/vault:1', format: 'oci', layerBytes: [mebibyte] },
  unknown: { reference: 'quay.io/lab/outpost:1', format: 'oci', layerBytes: [500_000, mebibyte] },
};

async function makeLab(scratch: string): Promise<Lab> {
  const certificates = await makeCertificates(join(scratch, 'certificates'));
  await trustOnly(await readFile(certificates.authority));
  const storage = join(scratch, 'storage');
  const folder = join(scratch, 'publishing');
  const origin = await startOrigin(folder, storage, certificates);
  try {
    const images: Partial<Record<keyof LabImages, LabImages[keyof LabImages]>> = {};
    for (const name of Object.keys(recipes) as (keyof LabImages)[]) {
      const built = buildImage(recipes[name]);
      await publishImage(built, scratch);
      images[name] = built.image;
    }
    return { scratch, storage, certificates, images: images as LabImages };
  } finally {
    await origin.stop();
    await rm(folder, { recursive: true });
  }
}

async function runTests(lab: Lab, files: readonly string[]): Promise<number> {
  const description = join(lab.scratch, 'lab.json');
  await writeFile(description, JSON.stringify(lab));
  // Node has authorities of its own, so it is told of ours; the clients read the machine's list.
  const env = { ...process.env, [labVariable]: description, NODE_EXTRA_CA_CERTS: lab.certificates.authority };
  const flags = ['--test', '--test-concurrency=1', `--test-timeout=${testLimitMs}`];
  const tests = spawn(process.execPath, [...flags, ...files], { env, stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = await once(tests, 'exit');
  return code ?? 1;
}

// Whoever started this holds the other end of the standard input: when it goes, in whatever way, all this goes too.
process.stdin.once('end', () => process.exit(1)).resume();

const [scratch = '', ...files] = process.argv.slice(2);
await furnishNamespace(scratch);
await Promise.all([mkdir(join(scratch, 'tmp')), mkdir(join(scratch, 'home'))]);
process.exit(await runTests(await makeLab(scratch), files));
