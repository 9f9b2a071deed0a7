import type { Digest } from '../../../oci/digest.ts';
import type { Repository } from '../../../oci/reference.ts';
import type { HeldLink, HostedLink, HostedReferrer } from '../../hosted-index.ts';

// What the statements of the hosted part give, and what it means.

/** What a repository has, by itself. */
export interface LinkRow {
  readonly media_type: string | null;
  readonly linked_at_ms: number;
}

/** A manifest that refers to another. */
export interface ReferrerRow {
  readonly digest: Digest;
  readonly media_type: string;
  readonly size_bytes: number;
  readonly artifact_type: string | null;
  readonly annotations: string | null;
}

/** Content that no repository holds any more. */
export interface LetGoRow {
  readonly digest: Digest;
  readonly size_bytes: number;
}

/** What a repository has, with all that tells whether it is needed. */
export interface LookRow {
  readonly name: Repository;
  readonly digest: Digest;
  readonly media_type: string | null;
  readonly linked_at_ms: number;
  readonly size_bytes: number;
  readonly is_tagged: number;
  readonly subject: Digest | null;
  readonly targets: string;
  readonly is_lost: number;
}

/** What a row says of where content is held. */
export function toLink({ name, digest, size_bytes }: LookRow): HostedLink {
  return { repository: name, digest, sizeBytes: size_bytes };
}

/** What a row says of content and why it is held. */
export function toHeldLink(row: LookRow): HeldLink {
  return {
    ...toLink(row),
    mediaType: row.media_type ?? undefined,
    linkedAtMs: row.linked_at_ms,
    tagged: row.is_tagged === 1,
    subject: row.subject ?? undefined,
    references: JSON.parse(row.targets) as Digest[],
  };
}

/** What a row says of a manifest that refers to another. */
export function toReferrer(row: ReferrerRow): HostedReferrer {
  return {
    digest: row.digest,
    mediaType: row.media_type,
    sizeBytes: row.size_bytes,
    artifactType: row.artifact_type ?? undefined,
    annotations: row.annotations === null ? undefined : (JSON.parse(row.annotations) as Record<string, string>),
  };
}
