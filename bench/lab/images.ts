import { createCipheriv, createHash } from 'node:crypto';
import { join } from 'node:path';

/** An image of one layer in the origin. */
export interface BenchImage {
  readonly repository: string;
  readonly layer: string;
  readonly layerBytes: number;
  /** About 1.5 kB, as of a small image. */
  readonly config: string;
  readonly manifest: string;
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const pieceBytes = 16 * 1024 * 1024;

/** Pushes an image whose layer is bytes that do not compress, the same in every run. */
export async function pushImage(originUrl: string, repository: string, layerBytes: number): Promise<BenchImage> {
  const { layers, config, manifest } = await pushLayers(originUrl, repository, [layerBytes]);
  return { repository, layer: layers[0]!, layerBytes, config, manifest };
}

/** Pushes an image of several such layers. */
export async function pushLayers(
  originUrl: string,
  repository: string,
  sizesBytes: readonly number[],
): Promise<{ layers: readonly string[]; config: string; manifest: string }> {
  const layers: string[] = [];
  for (const [at, size] of sizesBytes.entries()) {
    const seed = at === 0 ? repository : `${repository} ${at}`;
    layers.push(await pushBlob(originUrl, repository, () => layerPieces(seed, size)));
  }
  const configBytes = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers' },
      pad: `${repository}${'x'.repeat(1400)}`,
    }),
  );
  const config = await pushBlob(originUrl, repository, () => [configBytes]);
  const manifestBytes = JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config, size: configBytes.length },
    layers: layers.map((digest, at) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest,
      size: sizesBytes[at],
    })),
  });
  const put = await fetch(`${originUrl}/v2/${repository}/manifests/latest`, {
    method: 'PUT',
    headers: { 'content-type': manifestType },
    body: manifestBytes,
  });
  if (put.status !== 201) throw new Error(`The origin did not take the manifest: ${put.status} ${await put.text()}`);
  const manifest = `sha256:${createHash('sha256').update(manifestBytes).digest('hex')}`;
  return { layers, config, manifest };
}

function* layerPieces(seed: string, totalBytes: number): Generator<Buffer> {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(pieceBytes);
  for (let left = totalBytes; left > 0; left -= pieceBytes)
    yield cipher.update(zeros.subarray(0, Math.min(left, pieceBytes)));
}

async function pushBlob(originUrl: string, repository: string, pieces: () => Iterable<Buffer>): Promise<string> {
  const begun = await fetch(`${originUrl}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  let location = begun.headers.get('location')!;
  const hash = createHash('sha256');
  for (const piece of pieces()) {
    hash.update(piece);
    const headers = { 'content-type': 'application/octet-stream' };
    const patched = await fetch(location, { method: 'PATCH', headers, body: new Uint8Array(piece) });
    if (patched.status !== 202) throw new Error(`The origin did not take a piece: ${patched.status}`);
    location = patched.headers.get('location')!;
  }
  const digest = `sha256:${hash.digest('hex')}`;
  const put = await fetch(`${location}${location.includes('?') ? '&' : '?'}digest=${digest}`, { method: 'PUT' });
  if (put.status !== 201) throw new Error(`The origin did not take a blob: ${put.status} ${await put.text()}`);
  return digest;
}

/** Where docker-registry keeps a blob, for whoever serves the same file from disk. */
export function originFile(folder: string, digest: string): string {
  const hex = digest.slice('sha256:'.length);
  return join(folder, 'origin/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
}
