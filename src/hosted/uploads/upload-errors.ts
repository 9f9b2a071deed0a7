import type { Digest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Repository } from '../../oci/reference.ts';

/** There is no such upload in the repository. */
export function unknownUpload(repository: Repository, id: string): RegistryError {
  const what = `Cannot find the upload "${id.slice(0, 100)}" in "${repository}"`;
  return new RegistryError(
    'BLOB_UPLOAD_UNKNOWN',
    `${what}: it is over, was left alone for too long, or never was; begin another`,
  );
}

/** Another request for the upload is under way. */
export function busyUpload(id: string): RegistryError {
  const what = `Cannot change the upload "${id}": another request for it is under way, wait for its end`;
  return new RegistryError('BLOB_UPLOAD_INVALID', what, { status: 409 });
}

/**
 * Another process has the upload. That may be over in a moment, when it is being stopped: so it is 503, which clients try
 * again, and neither 404 nor 409, for which they give up or send all of it anew.
 */
export function uploadElsewhere(id: string): RegistryError {
  const what = `Cannot take the upload "${id}": another server that shares the data folder has it`;
  return new RegistryError('UNAVAILABLE', `${what}; ask that one, or try again when it was stopped`, {
    ...{ status: 503, headers: { 'retry-after': '5' } },
  });
}

/** There are as many uploads as there may be. */
export function tooManyUploads(maxCount: number): RegistryError {
  const what = `Cannot begin an upload: ${maxCount} are under way (hosted.uploads.maxCount), finish or cancel some`;
  return new RegistryError('TOOMANYREQUESTS', what, { headers: { 'retry-after': '60' } });
}

/** One client has as many uploads as it may have. */
export function tooManyOfYours(maxCount: number, allCount: number): RegistryError {
  const what = `Cannot begin an upload: ${maxCount} of yours are under way, half of all (${allCount}, hosted.uploads.maxCount)`;
  return new RegistryError('TOOMANYREQUESTS', `${what}; finish or cancel some`, { headers: { 'retry-after': '60' } });
}

/** The bytes are not the next ones. */
export function outOfOrder(start: number, sizeBytes: number): RegistryError {
  const what = `Cannot take bytes from ${start} on: ${sizeBytes} have arrived, go on after them`;
  return new RegistryError('RANGE_INVALID', what, { headers: { range: uploadRange(sizeBytes) } });
}

/** The blob is larger than may be pushed. */
export function tooLarge(sizeBytes: number, maxBytes: number): RegistryError {
  const what = `Cannot take a blob of ${sizeBytes} bytes or more: hosted.uploads.maxBytes allows ${maxBytes}`;
  return new RegistryError('SIZE_INVALID', what, { status: 413, detail: { maxBytes } });
}

/** The bytes of a request ended, or were broken off, before their announced end. */
export function brokenOff(sizeBytes: number, cause: unknown): RegistryError {
  const what = `Cannot take the bytes: they broke off; ${sizeBytes} of the blob have arrived and are kept, go on after them`;
  return new RegistryError('BLOB_UPLOAD_INVALID', what, { cause, headers: { range: uploadRange(sizeBytes) } });
}

/** More bytes come than the request announced. */
export function moreThanSaid(sizeBytes: number, saidBytes: number): RegistryError {
  const what = `Cannot take the bytes: the blob has ${sizeBytes} by now, and was to have ${saidBytes} after this request`;
  return new RegistryError('BLOB_UPLOAD_INVALID', what);
}

/** The bytes are not what their digest says. */
export function wrongDigest(digest: Digest, found: Digest, sizeBytes: number): RegistryError {
  const what = `Cannot store ${digest}: the ${sizeBytes} bytes that came have the digest ${found}; push them again`;
  return new RegistryError('DIGEST_INVALID', what, { detail: { expected: digest, found } });
}

/** The `Range` header of an upload. Of an empty one it is `0-0`, as others say it: the header has no word for none. */
export function uploadRange(sizeBytes: number): string {
  return `0-${Math.max(0, sizeBytes - 1)}`;
}
