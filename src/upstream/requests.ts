import type { Digest } from '../oci/digest.ts';
import type { ErrorCode } from '../oci/errors.ts';
import { manifestAccept } from '../oci/manifest/media-types.ts';
import type { Reference, Repository } from '../oci/reference.ts';
import type { RequestedRange } from '../oci/registry.ts';
import { blobPath, manifestPath } from '../oci/wire/request.ts';
import type { UpstreamOperation } from './observer.ts';

/** A request to a registry, and how its answer is read. */
export interface UpstreamRequest {
  readonly operation: UpstreamOperation;
  readonly method: 'GET' | 'HEAD';
  readonly path: string;
  readonly scope: string;
  readonly accept?: string;
  readonly range?: string | undefined;
  /** The statuses that are answers; every other is an error. */
  readonly ok: readonly number[];
  /** What a 404 means. */
  readonly unknown: ErrorCode;
}

/** The token scope for reading a repository. */
export function pullScope(repository: Repository): string {
  return `repository:${repository}:pull`;
}

/** Asks for a manifest. */
export function manifestRequest(repository: Repository, reference: Reference): UpstreamRequest {
  const path = manifestPath(repository, reference);
  const scope = pullScope(repository);
  return {
    operation: 'manifest',
    method: 'GET',
    path,
    scope,
    accept: manifestAccept,
    ok: [200],
    unknown: 'MANIFEST_UNKNOWN',
  };
}

/** Asks for a blob. */
export function blobRequest(repository: Repository, digest: Digest): UpstreamRequest {
  const path = blobPath(repository, digest);
  return {
    operation: 'blob',
    method: 'GET',
    path,
    scope: pullScope(repository),
    ok: [200, 206],
    unknown: 'BLOB_UNKNOWN',
  };
}

/** Asks for a list. */
export function listRequest(operation: UpstreamOperation, path: string, scope: string): UpstreamRequest {
  return { operation, method: 'GET', path, scope, ok: [200], unknown: 'NAME_UNKNOWN' };
}

/** The `Range` header for a part of a blob. */
export function renderRange(range: RequestedRange | undefined): string | undefined {
  if (range === undefined) return undefined;
  return 'suffixLength' in range ? `bytes=-${range.suffixLength}` : `bytes=${range.start}-${range.end ?? ''}`;
}

/** Asks what the registry wants to know of whoever asks. */
export const pingRequest: UpstreamRequest = {
  operation: 'ping',
  method: 'GET',
  path: '/v2/',
  scope: '',
  ok: [200, 401],
  unknown: 'NOT_FOUND',
};
