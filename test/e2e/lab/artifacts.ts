import { type Digest, digestOf } from '../../../src/oci/digest.ts';

/** The media type of every artifact's manifest. */
export const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/** What is no image: a manifest with a configuration and one layer, whatever they mean. */
export interface Artifact {
  readonly artifactType: string | undefined;
  readonly manifest: Buffer;
  readonly blobs: readonly Buffer[];
}

/** What an artifact is made from: media types with their content. */
export interface ArtifactRecipe {
  readonly artifactType?: string;
  readonly config: readonly [mediaType: string, content: string];
  readonly layer: readonly [mediaType: string, content: string | Buffer];
  readonly subject?: { readonly mediaType: string; readonly digest: Digest; readonly size: number };
}

/** Makes an artifact: the same bytes on every run. */
export function makeArtifact({ artifactType, config, layer, subject }: ArtifactRecipe): Artifact {
  const blobs = [Buffer.from(config[1]), Buffer.from(layer[1])];
  const [configOf, layerOf] = blobs.map((bytes, at) => ({
    mediaType: (at === 0 ? config : layer)[0],
    digest: digestOf(bytes),
    size: bytes.length,
  }));
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType,
    config: configOf,
    layers: [layerOf],
    subject,
  };
  return { artifactType, manifest: Buffer.from(JSON.stringify(manifest, null, 3)), blobs };
}

/**
 * Pushes an artifact as oras and cosign do: each blob by a POST and a PUT, and then the manifest.
 * @param reference a tag, or its own digest
 * @throws Error when the registry refuses any of it
 */
export async function pushArtifact(
  registry: string,
  repository: string,
  { manifest, blobs }: Artifact,
  reference: string,
): Promise<void> {
  for (const blob of blobs) {
    const begun = await send(`${registry}/v2/${repository}/blobs/uploads/`, 'POST', undefined);
    const place = new URL(begun.headers.get('location') ?? '', registry);
    place.searchParams.set('digest', digestOf(blob));
    await send(place.href, 'PUT', blob);
  }
  await send(`${registry}/v2/${repository}/manifests/${reference}`, 'PUT', manifest, manifestType);
}

async function send(
  url: string,
  method: string,
  bytes: Buffer | undefined,
  contentType = 'application/octet-stream',
): Promise<Response> {
  const body = bytes === undefined ? null : new Uint8Array(bytes);
  const answer = await fetch(url, { method, body, headers: { 'content-type': contentType } });
  if (!answer.ok) throw new Error(`Cannot push: ${method} ${url} is ${answer.status} ${await answer.text()}`);
  return answer;
}
