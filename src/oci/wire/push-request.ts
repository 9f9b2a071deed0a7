import { type Digest, type DigestAlgorithm, parseDigest } from '../digest.ts';
import { RegistryError } from '../errors.ts';
import { parseHeldReference, parseReference, parseTag, type Reference, type Tag } from '../reference.ts';

/**
 * A request that changes a registry, or asks for what is being pushed. The name, and that of the repository that a blob
 * is mounted from, are as they stand in the URL: whether an alias is in front is for the routing to say.
 */
export type PushRequest =
  /** POST /v2/<name>/blobs/uploads/ (end-4a, 4c); with a digest, the body is all of the blob (end-4b) */
  | {
      readonly kind: 'begin-upload';
      readonly name: string;
      readonly digest: Digest | undefined;
      readonly algorithm: DigestAlgorithm | undefined;
      /** What is to be mounted instead, if it is here (end-11). */
      readonly mount: { readonly digest: Digest; readonly from: string | undefined } | undefined;
    }
  /** GET and HEAD of an upload (end-13) */
  | { readonly kind: 'upload-status'; readonly name: string; readonly id: string }
  /** PATCH of an upload (end-5) */
  | { readonly kind: 'append-upload'; readonly name: string; readonly id: string }
  /** PUT of an upload (end-6) */
  | { readonly kind: 'finish-upload'; readonly name: string; readonly id: string; readonly digest: Digest }
  /** DELETE of an upload (end-14) */
  | { readonly kind: 'cancel-upload'; readonly name: string; readonly id: string }
  /** PUT /v2/<name>/manifests/<reference> (end-7a), with tags beside it (end-7b) */
  | {
      readonly kind: 'put-manifest';
      readonly name: string;
      readonly reference: Reference;
      readonly tags: readonly Tag[];
    }
  /** DELETE /v2/<name>/manifests/<reference> (end-9) */
  | { readonly kind: 'delete-manifest'; readonly name: string; readonly reference: Reference }
  /** DELETE /v2/<name>/blobs/<digest> (end-10) */
  | { readonly kind: 'delete-blob'; readonly name: string; readonly digest: Digest };

const kinds = {
  'begin-upload': true,
  'upload-status': true,
  'append-upload': true,
  'finish-upload': true,
  'cancel-upload': true,
  'put-manifest': true,
  'delete-manifest': true,
  'delete-blob': true,
} as const satisfies Record<PushRequest['kind'], true>;

/** Whether a request is one of those that push. */
export function isPushRequest<R extends { readonly kind: string }>(
  request: R,
): request is Extract<R, { readonly kind: PushRequest['kind'] }> {
  return Object.hasOwn(kinds, request.kind);
}

// As for contents, the name is taken greedily: a repository may itself be called "blobs/uploads".
const uploadPath = /^(.+)\/blobs\/uploads(?:\/([^/]*))?$/;
const idPattern = /^[A-Za-z0-9-]{1,128}$/;

/**
 * Parses a request for a path of uploads; undefined when the path is another.
 * @throws RegistryError UNSUPPORTED for a method that it has not, BLOB_UPLOAD_UNKNOWN or DIGEST_INVALID
 */
export function parseUploadRequest(method: string, path: string, query: string): PushRequest | undefined {
  const [, name, id] = uploadPath.exec(path) ?? [];
  if (name === undefined) return undefined;
  if (id === undefined || id === '') {
    if (method === 'POST') return parseBegin(name, new URLSearchParams(query));
    throw unsupportedMethod(method, ['POST']);
  }
  if (!['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE'].includes(method)) {
    throw unsupportedMethod(method, ['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE']);
  }
  if (!idPattern.test(id)) {
    throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'Cannot find the upload: what names it was not given out here');
  }
  if (method === 'PATCH') return { kind: 'append-upload', name, id };
  if (method === 'DELETE') return { kind: 'cancel-upload', name, id };
  if (method !== 'PUT') return { kind: 'upload-status', name, id };
  const digest = new URLSearchParams(query).get('digest');
  if (digest === null) throw new RegistryError('DIGEST_INVALID', 'Cannot end the upload: add "digest" to its query');
  return { kind: 'finish-upload', name, id, digest: parseDigest(digest) };
}

function parseBegin(name: string, query: URLSearchParams): PushRequest {
  const mount = query.get('mount');
  const digest = query.get('digest');
  const algorithm = query.get('digest-algorithm');
  return {
    kind: 'begin-upload',
    name,
    digest: digest === null ? undefined : parseDigest(digest),
    algorithm: algorithm === null ? undefined : parseAlgorithm(algorithm),
    mount: mount === null ? undefined : { digest: parseDigest(mount), from: query.get('from') || undefined },
  };
}

function parseAlgorithm(text: string): DigestAlgorithm {
  if (text === 'sha256' || text === 'sha512') return text;
  const shown = text.slice(0, 40);
  throw new RegistryError('DIGEST_INVALID', `Cannot use digest algorithm "${shown}": expected sha256 or sha512`);
}

/**
 * Parses a request that changes a manifest or a blob; undefined when it has a method of another kind.
 * @throws RegistryError DIGEST_INVALID, TAG_INVALID, or MANIFEST_UNKNOWN where what is to be deleted can be no tag
 */
export function parseContentChange(
  method: string,
  { name, what, last, query }: { readonly name: string; readonly what: string; readonly last: string; query: string },
): PushRequest | undefined {
  if (what === 'blobs' && method === 'DELETE') return { kind: 'delete-blob', name, digest: parseDigest(last) };
  if (what !== 'manifests') return undefined;
  if (method === 'DELETE') return { kind: 'delete-manifest', name, reference: parseHeldReference(last) };
  if (method !== 'PUT') return undefined;
  const tags = new URLSearchParams(query).getAll('tag').map(parseTag);
  return { kind: 'put-manifest', name, reference: parseReference(last), tags };
}

/** The error for a method that a path does not have. */
export function unsupportedMethod(method: string, allowed: readonly string[]): RegistryError {
  return new RegistryError('UNSUPPORTED', `Cannot ${method} here: expected ${allowed.join(', ')}`, {
    headers: { allow: allowed.join(', ') },
  });
}
