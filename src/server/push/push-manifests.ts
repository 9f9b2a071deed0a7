import { RegistryError } from '../../oci/errors.ts';
import { bareMediaType } from '../../oci/manifest/media-types.ts';
import { isDigestReference } from '../../oci/reference.ts';
import { manifestPath } from '../../oci/wire/request.ts';
import { type PushContext, type PushOf, sendEmpty } from './push-context.ts';

/** Takes a manifest (end-7). */
export async function putManifest(context: PushContext, asked: PushOf<'put-manifest'>): Promise<void> {
  const { registry, repository, signal, record, headers } = context;
  const { reference, tags } = asked;
  record.reference = reference;
  const mediaType = bareMediaType(String(headers['content-type'] ?? ''));
  if (mediaType === '') {
    throw new RegistryError('MANIFEST_INVALID', 'Cannot take the manifest: send its media type as Content-Type');
  }
  const bytes = await readManifest(context);
  const pushed = await registry.putManifest(repository, { reference, tags, mediaType, bytes }, signal);
  sendEmpty(context, 201, {
    location: context.locate((name) => manifestPath(name, pushed.digest)),
    'docker-content-digest': pushed.digest,
    ...(pushed.subject === undefined ? {} : { 'oci-subject': pushed.subject }),
    ...(tags.length === 0 ? {} : { 'oci-tag': pushed.tags.filter((tag) => tags.includes(tag)) }),
  });
}

async function readManifest({ body, maxManifestBytes, signal }: PushContext): Promise<Uint8Array> {
  if ((body.sizeBytes ?? 0) > maxManifestBytes) throw tooLarge(maxManifestBytes);
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const piece of body.read()) {
    sizeBytes += piece.length;
    if (sizeBytes > maxManifestBytes) throw tooLarge(maxManifestBytes);
    pieces.push(Uint8Array.from(piece));
  }
  signal.throwIfAborted();
  return Buffer.concat(pieces);
}

function tooLarge(maxBytes: number): RegistryError {
  const what = `Cannot take a manifest of more than ${maxBytes} bytes (hosted.maxManifestBytes)`;
  return new RegistryError('SIZE_INVALID', what, { status: 413 });
}

/** Removes a tag, or a manifest with all of its tags (end-9). */
export async function deleteManifest(context: PushContext, { reference }: PushOf<'delete-manifest'>): Promise<void> {
  const { registry, repository, signal, record } = context;
  record.reference = reference;
  if (isDigestReference(reference)) await registry.deleteManifest(repository, reference, signal);
  else await registry.deleteTag(repository, reference, signal);
  sendEmpty(context, 202);
}

/** Removes a blob from its repository (end-10). */
export async function deleteBlob(context: PushContext, { digest }: PushOf<'delete-blob'>): Promise<void> {
  const { registry, repository, signal, record } = context;
  record.reference = digest;
  await registry.deleteBlob(repository, digest, signal);
  sendEmpty(context, 202);
}
