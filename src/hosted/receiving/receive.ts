import type { Digest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { UploadBody } from '../../oci/registry.ts';
import type { OpenUpload } from '../../store/upload-store.ts';
import { explainDiskFailure } from '../disk-failure.ts';
import type { DiskRoom } from '../limits/disk-room.ts';
import type { Quota } from '../limits/quota.ts';
import type { HostedTools } from '../tools.ts';
import { brokenOff, moreThanSaid, outOfOrder, tooLarge } from '../uploads/upload-errors.ts';
import type { UploadSession } from '../uploads/upload-session.ts';
import { gather } from './gather.ts';
import type { UploadBuffers } from './upload-buffers.ts';

/** What receiving works with. */
export interface ReceiveTools extends Pick<HostedTools, 'observer' | 'clock'> {
  readonly quota: Quota;
  readonly disk: DiskRoom;
  readonly buffers: UploadBuffers;
  /** The size that a blob may have. */
  readonly maxBytes: number | undefined;
}

/** The bytes of one request, and the upload that they are for. */
export interface Delivery {
  readonly session: UploadSession;
  readonly upload: OpenUpload;
  readonly body: UploadBody;
  /** What the whole will be, when it is known. */
  readonly digest?: Digest;
}

/** Refuses a blob that is larger than may be pushed. @throws RegistryError SIZE_INVALID, status 413 */
export function checkSize(sizeBytes: number, maxBytes: number | undefined): void {
  if (maxBytes !== undefined && sizeBytes > maxBytes) throw tooLarge(sizeBytes, maxBytes);
}

/**
 * Brings the bytes of a request into an upload, and into its hash. What arrived before they broke off is kept.
 * @throws RegistryError RANGE_INVALID, SIZE_INVALID, DENIED, UNAVAILABLE before any of them is read;
 *   BLOB_UPLOAD_INVALID when they end before their size; the signal's reason
 */
export async function receive(delivery: Delivery, tools: ReceiveTools, signal: AbortSignal): Promise<void> {
  const { upload, body, digest } = delivery;
  const begin = upload.sizeBytes;
  if (body.start !== undefined && body.start !== begin) throw outOfOrder(body.start, begin);
  const end = body.sizeBytes === undefined ? undefined : begin + body.sizeBytes;
  if (end === begin) return;
  if (end !== undefined) {
    checkSize(end, tools.maxBytes);
    await tools.quota.check(end, digest);
  }
  await tools.disk.check(body.sizeBytes ?? 0, signal);
  const share = tools.disk.take(body.sizeBytes, signal);
  try {
    await bring(delivery, end, { ...tools, use: share.use }, signal);
  } finally {
    share.release();
  }
  if (upload.sizeBytes !== (end ?? upload.sizeBytes)) throw brokenOff(upload.sizeBytes, undefined);
}

async function bring(
  { session, upload, body }: Delivery,
  end: number | undefined,
  tools: ReceiveTools & { use(sizeBytes: number): Promise<void> | undefined },
  signal: AbortSignal,
): Promise<void> {
  const { clock, observer, buffers, maxBytes, use } = tools;
  let position = upload.sizeBytes;
  let failure: { readonly error: unknown } | undefined;
  const write = async (bytes: Uint8Array) => {
    const hashed = session.digest.update(bytes, upload.sizeBytes);
    try {
      await upload.append(bytes);
    } catch (error) {
      session.digest.drop(); // it has what the file has not
      failure = { error: explainDiskFailure(error) };
      throw error;
    } finally {
      await hashed; // until then it reads the buffer
    }
    session.sizeBytes = upload.sizeBytes;
    session.writtenAtMs = clock.now();
    observer.received(bytes.length);
  };
  const admit = (sizeBytes: number) => {
    position += sizeBytes;
    checkSize(position, maxBytes);
    if (position > (end ?? position)) throw moreThanSaid(position, end!);
    return use(sizeBytes);
  };
  try {
    await gather(body.bytes, { admit, write }, buffers, signal);
  } catch (error) {
    if (failure) throw failure.error;
    signal.throwIfAborted();
    if (error instanceof RegistryError) throw error;
    throw brokenOff(upload.sizeBytes, error);
  }
}
