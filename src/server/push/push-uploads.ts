import { algorithmOf, type Digest, digestOf } from '../../oci/digest.ts';
import type { UploadState } from '../../oci/registry.ts';
import { blobPath, uploadPath } from '../../oci/wire/request.ts';
import { type PushContext, type PushOf, sendEmpty, uploadBody } from './push-context.ts';

/** Answers the beginning of an upload, all of one in a request, and a mount (end-4, end-11). */
export async function beginUpload(context: PushContext, asked: PushOf<'begin-upload'>): Promise<void> {
  const { registry, repository, signal, body, client } = context;
  const { mount, digest } = asked;
  if (mount && (await registry.mountBlob(repository, mount.digest, context.offer(mount.from), signal))) {
    return sendBlobCreated(context, mount.digest);
  }
  // A digest without its bytes is one that the client tells early: it goes on as if it had not.
  if (digest !== undefined && (body.sizeBytes !== 0 || isOfNothing(digest))) return takeWhole(context, digest);
  const told = digest ?? mount?.digest;
  const algorithm = asked.algorithm ?? (told && algorithmOf(told));
  sendState(context, 202, await registry.beginUpload(repository, { algorithm, by: client }, signal));
}

function isOfNothing(digest: Digest): boolean {
  return digest === digestOf(new Uint8Array(), algorithmOf(digest));
}

async function takeWhole(context: PushContext, digest: Digest): Promise<void> {
  const { registry, repository, signal, client } = context;
  const body = uploadBody(context);
  const hint = { algorithm: algorithmOf(digest), sizeBytes: body.sizeBytes, by: client };
  const { id } = await registry.beginUpload(repository, hint, signal);
  try {
    await registry.finishUpload(repository, id, digest, body, signal);
  } catch (error) {
    // The client never learned its name, so nobody could go on with it. That it is over already is no failure.
    await registry.cancelUpload(repository, id, AbortSignal.timeout(cancelMs)).catch(() => {});
    throw error;
  }
  sendBlobCreated(context, digest);
}

const cancelMs = 10_000; // what is not removed by then expires

/** Answers how far an upload is (end-13). */
export async function sendUploadStatus(context: PushContext, { id }: PushOf<'upload-status'>): Promise<void> {
  const { registry, repository, signal } = context;
  sendState(context, 204, await registry.getUpload(repository, id, signal));
}

/** Takes more of an upload (end-5). */
export async function appendUpload(context: PushContext, { id }: PushOf<'append-upload'>): Promise<void> {
  const { registry, repository, signal } = context;
  sendState(context, 202, await registry.appendUpload(repository, id, uploadBody(context), signal));
}

/** Takes what is left of an upload, and makes it a blob (end-6). */
export async function finishUpload(context: PushContext, { id, digest }: PushOf<'finish-upload'>): Promise<void> {
  const { registry, repository, signal } = context;
  await registry.finishUpload(repository, id, digest, uploadBody(context), signal);
  sendBlobCreated(context, digest);
}

/** Ends an upload without a blob (end-14). */
export async function cancelUpload(context: PushContext, { id }: PushOf<'cancel-upload'>): Promise<void> {
  const { registry, repository, signal } = context;
  await registry.cancelUpload(repository, id, signal);
  sendEmpty(context, 204);
}

function sendState(context: PushContext, status: number, { id, sizeBytes }: UploadState): void {
  sendEmpty(context, status, {
    location: context.locate((name) => uploadPath(name, id)),
    // The last byte, inclusive: nothing cannot be said so, and every registry says "0-0" for it.
    range: `0-${Math.max(0, sizeBytes - 1)}`,
    'docker-upload-uuid': id,
  });
}

function sendBlobCreated(context: PushContext, digest: Digest): void {
  context.record.reference = digest;
  const location = context.locate((name) => blobPath(name, digest));
  sendEmpty(context, 201, { location, 'docker-content-digest': digest });
}
