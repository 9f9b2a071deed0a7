import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runProgram } from '../../../src/cli/program.ts';
import { addAuthority } from '../../../src/proxy/ca/authority-folder.ts';
import { systemClock } from '../../../src/util/time/clock.ts';
import { makeImage, makeIndex, type TestImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { EventLog } from '../../support/event-log.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { commandsOf } from '../../support/pages/commands-of.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { startTestRegistry, type TestRegistry } from '../../support/upstream/test-registry.ts';

const page = readFileSync(new URL('../../../docs/commands.md', import.meta.url), 'utf8');
const hoursAgo = 3;

// Images of one seed have their first layers in common.
const [amd64, arm64, riscv] = ['amd64', 'arm64', 'riscv64'].map((architecture) =>
  makeImage({ seed: `nginx/${architecture}`, layers: [2_800_000, 410_000], architecture }),
) as [TestImage, TestImage, TestImage];
const nginx = makeIndex([amd64, arm64, riscv]);
const app = makeImage({ seed: 'nginx/amd64', layers: [2_800_000, 410_000, 950_000] });
const redis = makeImage({ seed: 'redis', layers: [1_700_000] });

async function pull(url: string, repository: string, tag: string, images: readonly TestImage[]) {
  await rawFetch(`${url}/v2/${repository}/manifests/${tag}`);
  for (const { manifest, blobs } of images) {
    await rawFetch(`${url}/v2/${repository}/manifests/${manifest.digest}`);
    for (const { digest } of blobs) await rawFetch(`${url}/v2/${repository}/blobs/${digest}`);
  }
}

/** A data folder as the page has it: three images that were pulled hours ago, with the server still running. */
async function pulledData(t: TestContext): Promise<string> {
  const data = tmpDir(t);
  const hub: TestRegistry = await startTestRegistry();
  const ghcr: TestRegistry = await startTestRegistry();
  t.after(() => Promise.all([hub.close(), ghcr.close()]));
  hub.content.push('library/nginx', nginx, '1.27');
  hub.content.tag('library/nginx', '1.27.3', nginx.manifest.digest);
  hub.content.push('library/redis', redis, '7');
  ghcr.content.push('owner/app', app, 'v1');
  const log = new EventLog();
  const clock = { ...systemClock, now: () => Date.now() - hoursAgo * 3_600_000 };
  const upstreams = [
    { name: 'docker.io', urls: [new URL(hub.url)], dockerHub: true },
    { name: 'ghcr.io', urls: [new URL(ghcr.url)] },
  ];
  const start = () => startTestCache({ data, upstreams, clock, log });
  const cache = await start();
  await pull(cache.url, 'nginx', '1.27', [amd64, arm64]);
  await pull(cache.url, 'nginx', '1.27.3', []);
  for (let again = 0; again < 4; again++) await pull(cache.url, 'nginx', '1.27', []);
  await pull(cache.url, 'redis', '7', [redis]);
  await pull(cache.url, 'ghcr.io/owner/app', 'v1', [app]);
  const blobs = new Set([amd64, arm64, redis, app].flatMap((image) => image.blobs.map(({ digest }) => digest)));
  await log.waitFor('blob stored', blobs.size);
  await cache.stop(); // which writes the uses
  const running = await start();
  t.after(() => running.stop());
  return data;
}

const wordsOf = (command: string) =>
  [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');

// How much is free is the disk's affair, and an authority is another each time.
const comparable = (text: string) =>
  text
    .replace(/^(Free on the disk: +).*$/m, '$1…')
    .replace(/\b\d{4}-\d\d-\d\d\b/g, 'DAY')
    .replace(/\bEntrepot DAY [0-9a-f]{6}\b/g, 'Entrepot DAY …')
    .replace(/([0-9A-F]{2}:){31}[0-9A-F]{2}/g, '…')
    .replace(/\S+\/ca\/\d+\.crt/g, '….crt')
    .trimEnd();

/** What the commands about the authority are shown with: two registries that it was made for, and another one. */
const authorityConfig = {
  ENTREPOT_BUILTIN_UPSTREAMS: 'false',
  ENTREPOT_UPSTREAMS: JSON.stringify(
    Object.fromEntries(
      ['ghcr.io', 'quay.io', 'registry.corp.example'].map((name) => [name, { url: `https://${name}` }]),
    ),
  ),
};

test('every command of docs/commands.md can be run as it is written, and prints what it says', async (t) => {
  const data = await pulledData(t);
  await addAuthority(join(data, 'ca'), ['ghcr.io', 'quay.io'], Date.now() - 1_000);
  const blocks = [...page.matchAll(/```console\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  const commands = blocks.flatMap(commandsOf);
  assert(commands.length >= 9, 'the commands of the page are found');
  for (const { command, printed } of commands) {
    let said = '';
    const write = (text: string) => {
      said += text;
    };
    const [program, ...args] = wordsOf(command);
    assert.equal(program, 'entrepot');
    const env = { ENTREPOT_DATA: data, ...(args[0] === 'ca' ? authorityConfig : {}) };
    await runProgram(args, { env, writeOut: write, writeError: write });
    assert.equal(comparable(said), comparable(printed), command);
  }
});

test('docs/commands.md has a section for each command that works on what is stored', async () => {
  let help = '';
  const write = (text: string) => {
    help += text;
  };
  await runProgram(['--help'], { env: {}, writeOut: write, writeError: write });
  const elsewhere = new Set(['serve', 'config', 'help', 'status']);
  const commands = [...help.matchAll(/^ {2}([a-z]+)(?: |$)/gm)].map(([, name = '']) => name);
  assert(commands.includes('ls'), help);
  for (const name of commands.filter((each) => !elsewhere.has(each))) {
    assert.match(page, new RegExp(`^## .*\`entrepot ${name}\``, 'm'), name);
  }
});
