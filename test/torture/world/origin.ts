import { accessSync, constants } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestImage } from '../../support/content/images.ts';
import type { KnownImages } from './images.ts';
import { answers, eventually, freePort, type Processes } from './processes.ts';

/** A registry in a process of its own that has all the images. */
export interface Origin {
  readonly port: number;
  /** Which program it is. */
  readonly program: string;
}

const startLimitMs = 20_000;

/** Starts Debian's docker-registry and pushes the images to it; the registry of the tests where there is none. */
export async function startOrigin(
  folder: string,
  seed: number,
  images: KnownImages,
  processes: Processes,
): Promise<Origin> {
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const program = isInstalled('docker-registry') ? 'docker-registry' : 'the test registry';
  const command =
    program === 'docker-registry'
      ? ['docker-registry', 'serve', await writeConfiguration(folder, port)]
      : [process.execPath, join(import.meta.dirname, 'test-registry-process.ts'), `${port}`, `${seed}`];
  const server = processes.start(command, join(folder, 'origin.log'));
  const url = `http://127.0.0.1:${port}`;
  const isReady = await eventually(startLimitMs, async () => !server.isRunning || (await answers(`${url}/v2/`)));
  if (!isReady || !server.isRunning) throw new Error(`Cannot use ${program}: it did not start, see ${folder}`);
  if (program === 'docker-registry') await pushAll(url, images);
  return { port, program };
}

function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => {
    try {
      accessSync(join(folder || '.', program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function writeConfiguration(folder: string, port: number): Promise<string> {
  const file = join(folder, 'origin.yml');
  const configuration = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, 'storage') } },
    http: { addr: `127.0.0.1:${port}` },
  };
  await writeFile(file, JSON.stringify(configuration)); // JSON is YAML too
  return file;
}

async function pushAll(url: string, { repositories }: KnownImages): Promise<void> {
  for (const { name, tag, index } of repositories) {
    for (const child of index.children) await push(`${url}/v2/${name}`, child, child.manifest.digest);
    await push(`${url}/v2/${name}`, index, tag);
  }
}

async function push(repositoryUrl: string, { manifest, blobs }: TestImage, reference: string): Promise<void> {
  for (const { digest, bytes } of blobs) {
    const begun = await fetch(`${repositoryUrl}/blobs/uploads/`, { method: 'POST' });
    const location = begun.headers.get('location') ?? '';
    const headers = { 'content-type': 'application/octet-stream' };
    const separator = location.includes('?') ? '&' : '?';
    await expectCreated(
      fetch(`${location}${separator}digest=${digest}`, { method: 'PUT', headers, body: new Uint8Array(bytes) }),
    );
  }
  const headers = { 'content-type': manifest.mediaType };
  const body = new Uint8Array(manifest.bytes);
  await expectCreated(fetch(`${repositoryUrl}/manifests/${reference}`, { method: 'PUT', headers, body }));
}

async function expectCreated(sent: Promise<Response>): Promise<void> {
  const answer = await sent;
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`Cannot push to the origin: it answered ${answer.status} ${text}`);
}
