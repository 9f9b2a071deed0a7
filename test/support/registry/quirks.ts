/** How blobs are redirected. */
export interface RedirectQuirk {
  /** `absolute`: to the CDN, another origin; `relative`: to a path of the registry's own. */
  readonly to: 'absolute' | 'relative';
  /** 307 unless said otherwise, as Docker Hub and ghcr.io; quay.io says 302. */
  readonly status?: 301 | 302 | 303 | 307 | 308;
  /** How often a signed URL answers before it is 403. */
  readonly maxUses?: number;
  /** How long a signed URL answers before it is 403. */
  readonly lifetimeMs?: number;
}

/** A limit on pulls like Docker Hub's: a GET of a manifest counts, a HEAD does not. */
export interface PullLimitQuirk {
  /** How many manifests may be fetched, from now on; none with 0. */
  readonly limit: number;
  /** Seconds of the window, for the headers only: it never ends. */
  readonly windowSeconds?: number;
  /** The `Retry-After` of the 429, which has none without. */
  readonly retryAfter?: string;
}

/** What real registries do other than the spec says, or than one expects. Without any, the test registry is a good one. */
export interface Quirks {
  /** ECR: a manifest that was asked for by tag has no `Docker-Content-Digest`. */
  readonly noDigestOnTagGet?: boolean;
  /** No answer has a `Docker-Content-Digest`. */
  readonly noDigestHeader?: boolean;
  /** Pages end, but no `Link` tells that there are more. */
  readonly noLinkHeader?: boolean;
  /** `Link` is a whole URL, not a path. */
  readonly absoluteLinks?: boolean;
  /** No page has more entries, whatever was asked for. */
  readonly maxPageSize?: number;
  /** HEAD of a manifest is 405. */
  readonly head405?: boolean;
  /** registry.k8s.io: there are no referrers, which is 404. */
  readonly noReferrers?: boolean;
  /** Referrers come unfiltered, and without `OCI-Filters-Applied`. */
  readonly noReferrersFilter?: boolean;
  /** registry.access.redhat.com: manifests are `text/plain`. */
  readonly plainTextManifests?: boolean;
  /** `/v2/` is 200 for everyone, though everything else asks for a token. */
  readonly pingOk?: boolean;
  /** ghcr.io: the challenge at `/v2/` names a scope that is nobody's. */
  readonly placeholderScope?: boolean;
  /** Docker Hub: a repository that does not exist is refused like one that is guarded. */
  readonly hidesUnknownRepositories?: boolean;
  /** ghcr.io: the token answer does not say how long it is good for. */
  readonly noExpiresIn?: boolean;
  /** The token comes as `access_token` only. */
  readonly accessTokenOnly?: boolean;
  /** Blobs, HEAD and GET, are redirected to signed URLs. */
  readonly redirectBlobs?: RedirectQuirk;
  /** Pulls are counted, and 429 when there were enough. */
  readonly pullLimit?: PullLimitQuirk;

  /** A blob's body ends this many bytes early, with FIN, under the full `Content-Length`. */
  readonly endsShort?: number;
  /** A blob's `Content-Length` is wrong by this: too small, and the body is cut to it; too large, and it ends short. */
  readonly wrongContentLength?: number;
  /** Manifests and blobs come chunked. */
  readonly noContentLength?: boolean;
  /** Manifests and whole blobs come with `Content-Encoding: gzip`, whatever was accepted; ranges are ignored. */
  readonly gzipForced?: boolean;
  /** A range is answered with the whole blob and 200. */
  readonly ignoresRange?: boolean;
  /** Every blob has this byte wrong; a position below zero counts from its end. */
  readonly wrongBytes?: { readonly at: number };
  /** Every manifest has a byte too many, under its digest and a `Content-Length` that counts it. */
  readonly wrongManifest?: boolean;
  /** The body of every error is this long. */
  readonly hugeErrorBody?: number;
  /** Google: the headers of every answer are this long in all. */
  readonly hugeHeaders?: number;
}
