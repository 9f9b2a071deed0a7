import { createHash, randomBytes } from 'node:crypto';
import { type PushBody, PushConnection } from './push-connection.ts';

/**
 * Pushes to a registry, from a process of its own: `node push-client.ts URL blob BYTES put|patch` or
 * `node push-client.ts URL images COUNT CONNECTIONS`. It prints one line of JSON. What is pushed is new each time, and
 * made before the time is taken.
 */
export interface PushClientResult {
  readonly totalMs: number;
}

const pieceBytes = 1024 * 1024;
const layerBytes = 20_000; // of a small service: what changes from build to build
const repositories = 10; // each gets many tags, as of a service that is built again and again
const blobType = 'application/octet-stream';
const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const nothing: PushBody = { sizeBytes: 0, pieces: [] };

function bodyOf(bytes: Uint8Array): PushBody {
  return { sizeBytes: bytes.length, pieces: [bytes] };
}

function digestOf(body: PushBody): string {
  const hash = createHash('sha256');
  for (const piece of body.pieces) hash.update(piece);
  return `sha256:${hash.digest('hex')}`;
}

/** Bytes of which only the first of each piece differ, so that they need not all be in memory. */
function largeBody(sizeBytes: number): PushBody {
  const rest = randomBytes(pieceBytes - 16);
  const pieces: Uint8Array[] = [];
  for (let left = sizeBytes; left > 0; left -= pieceBytes) pieces.push(randomBytes(16), rest);
  return { sizeBytes, pieces };
}

/** Sends a request that has to be answered with this status; gives the path that it names for the next. */
async function must(
  connection: PushConnection,
  [method, path, type, body]: Parameters<PushConnection['send']>,
  status: number,
): Promise<string> {
  const answer = await connection.send(method, path, type, body);
  if (answer.status !== status) throw new Error(`${method} ${path} was answered ${answer.status}`);
  const { pathname, search } = new URL(answer.location ?? '', url);
  return pathname + search;
}

async function pushBlob(
  connection: PushConnection,
  repository: string,
  body: PushBody,
  digest: string,
  how = 'put',
): Promise<void> {
  let at = await must(connection, ['POST', `/v2/${repository}/blobs/uploads/`, blobType, nothing], 202);
  if (how === 'patch') at = await must(connection, ['PATCH', at, blobType, body], 202);
  const end = `${at}${at.includes('?') ? '&' : '?'}digest=${digest}`;
  await must(connection, ['PUT', end, blobType, how === 'patch' ? nothing : body], 201);
}

/** A small image, with a layer and a configuration of its own. */
function makeImage(index: number) {
  const layer = randomBytes(layerBytes);
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', index, pad: 'x'.repeat(1400) }));
  const described = [config, layer].map((bytes) => ({ digest: digestOf(bodyOf(bytes)), size: bytes.length }));
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...described[0] },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...described[1] }],
  };
  return {
    repository: `bench/push-${index % repositories}`,
    tag: `v${index}`,
    blobs: [config, layer].map((bytes, at) => ({ body: bodyOf(bytes), digest: described[at]!.digest })),
    manifest: Buffer.from(JSON.stringify(manifest)),
  };
}

async function pushImages(count: number, connections: number): Promise<number> {
  const images = Array.from({ length: count }, (_, index) => makeImage(index));
  const beganAtMs = performance.now();
  const worker = async (): Promise<void> => {
    const connection = new PushConnection(url);
    for (let image = images.pop(); image !== undefined; image = images.pop()) {
      const { repository, tag, blobs, manifest } = image;
      for (const { body, digest } of blobs) await pushBlob(connection, repository, body, digest);
      const path = `/v2/${repository}/manifests/${tag}`;
      await must(connection, ['PUT', path, manifestType, bodyOf(manifest)], 201);
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: connections }, worker));
  return performance.now() - beganAtMs;
}

async function pushLarge(sizeBytes: number, how: string): Promise<number> {
  const body = largeBody(sizeBytes);
  const digest = digestOf(body);
  const connection = new PushConnection(url);
  const beganAtMs = performance.now();
  await pushBlob(connection, 'bench/push-large', body, digest, how);
  connection.close();
  return performance.now() - beganAtMs;
}

const url = new URL(process.argv[2]!);
const [what, first, second] = process.argv.slice(3);
const totalMs =
  what === 'blob' ? await pushLarge(Number(first), second!) : await pushImages(Number(first), Number(second));
const result: PushClientResult = { totalMs };
console.log(JSON.stringify(result));
