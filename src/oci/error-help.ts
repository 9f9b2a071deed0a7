import type { ErrorCode } from './errors.ts';

/** What an error code means to people. */
export interface ErrorHelp {
  readonly cause: string;
  readonly remedy: string;
  /** Statuses that it comes with beside its own, and when. */
  readonly otherStatuses?: Readonly<Record<number, string>>;
}

/** Why each code is answered, and what to do about it. The message that comes with it says more of the one case. */
export const errorHelp: Readonly<Record<ErrorCode, ErrorHelp>> = {
  BLOB_UNKNOWN: {
    cause: 'The repository has no such blob: neither here, nor upstream.',
    remedy: 'Pull the image again: its manifest may be newer than its layers. When pushing, push the layers first.',
  },
  BLOB_UPLOAD_INVALID: {
    cause: 'The bytes of an upload cannot be taken: a header says something else than was sent, or they were cut off.',
    remedy: 'Push again; if it stays, look at what is between client and door (a proxy that limits or changes bodies).',
    otherStatuses: { 408: 'hardly any came in ten minutes', 409: 'another request adds to the same upload' },
  },
  BLOB_UPLOAD_UNKNOWN: {
    cause: 'There is no such upload any more: it is over, was cancelled, or is older than `hosted.uploads.maxAge`.',
    remedy: 'Push again: clients begin a new upload by themselves.',
  },
  DIGEST_INVALID: {
    cause: 'What was asked for or pushed has no digest that can be read, or other bytes than its digest says.',
    remedy:
      'Write `sha256:` and 64 lower-case letters and digits; when pushing, push again, as bytes changed on the way.',
  },
  MANIFEST_BLOB_UNKNOWN: {
    cause: 'The manifest that is pushed references what its repository does not have.',
    remedy: 'Push the blobs and manifests that it references first, into the same repository.',
  },
  MANIFEST_INVALID: {
    cause: 'The manifest that is pushed is none, or not of the media type that it is sent with.',
    remedy: 'Let a client make it; the message says which part is wrong.',
  },
  MANIFEST_UNKNOWN: {
    cause: 'The repository has no such tag or digest.',
    remedy: 'Check the name. What was pushed a moment ago is asked for again after `cache.negativeTtl`.',
  },
  NAME_INVALID: {
    cause: 'The name of the repository, or the URL, is not one that the specification allows.',
    remedy: 'Write repositories in lower case, with components between slashes.',
  },
  NAME_UNKNOWN: {
    cause: 'There is no such repository, or the name leads to a registry that is not configured.',
    remedy: 'Check the name; add the registry to `upstreams`. Clients with a mirror go on to the registry itself.',
  },
  SIZE_INVALID: {
    cause: 'It has another size than was announced.',
    remedy: 'Push again. For what is too large, raise the limit that the message names.',
    otherStatuses: { 413: 'it is larger than may be' },
  },
  UNAUTHORIZED: {
    cause: 'The door or the upstream wants a login, or the password is wrong.',
    remedy: 'Log in to the name in the image (`docker login`); see [access.md](access.md) and [guard.md](guard.md).',
  },
  DENIED: {
    cause: 'It may not be: by a rule here, or because the upstream refuses it to Entrepot.',
    remedy:
      'Look at `auth.rules`, at `hosted.immutableTags` and `hosted.maxBytes`, or at the credentials of the upstream; the ' +
      'message says which.',
  },
  UNSUPPORTED: {
    cause: 'The path has no such method: upstreams cannot be pushed to, and some registries have no lists.',
    remedy: 'Push to the hosted registry. The header `Allow` has the methods that there are.',
  },
  TOOMANYREQUESTS: {
    cause: 'The upstream limits pulls, somebody guesses passwords, or too many do the same at a time.',
    remedy:
      'Wait for `Retry-After`. Give the upstream credentials, or its tags a longer `tagTtl`. To pulls it is 503, as ' +
      'containerd asks a mirror that says 429 again at once.',
  },
  TAG_INVALID: {
    cause: 'The tag that is pushed is not one that the specification allows.',
    remedy: 'Write up to 128 letters, digits, `_`, `.` and `-`, with none of the last two in front.',
  },
  PAGINATION_NUMBER_INVALID: {
    cause: '`n` is no number of entries.',
    remedy: 'Write a whole number, or leave it out.',
  },
  RANGE_INVALID: {
    cause: 'The range is beyond the end of the blob, or the bytes of an upload are not the next ones.',
    remedy: 'Go on where the answer says (`Content-Range`, `Range`); clients do so by themselves.',
  },
  NOT_FOUND: {
    cause: 'The path is none of a registry, nor one of the server’s own.',
    remedy:
      'Registries are at `/v2/`; the rest is `/healthz`, `/readyz`, `/metrics`, `/status` and what pages here name.',
  },
  UNAVAILABLE: {
    cause: 'The upstream cannot be reached, fails, or sends what it should not; or something here cannot be done now.',
    remedy: '`entrepot status` has the last error of each upstream, and the log the whole of it.',
    otherStatuses: {
      503: 'it is not asked now, or not done in time: try again after `Retry-After`',
      507: 'there is no room on the disk for what is pushed',
    },
  },
  INTERNAL: {
    cause: 'Something failed here.',
    remedy: 'The log says what, at level `error`. It is a fault of Entrepot: please report it.',
  },
};
