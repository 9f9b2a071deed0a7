import { algorithmOf, type Digest, hexOf, isDigest } from '../../oci/digest.ts';
import { isObject, parseJson } from '../../oci/json.ts';
import { parseRepository, parseTag, type Repository, type Tag } from '../../oci/reference.ts';

/** What a record says: that a repository has a manifest, or what a tag of it stands for. */
export type HostedRecord =
  | {
      readonly kind: 'manifest';
      readonly repository: Repository;
      readonly digest: Digest;
      readonly mediaType: string;
      /** Of the blobs that it references, those that need not have been there, and were. */
      readonly held: readonly Digest[];
    }
  | { readonly kind: 'tag'; readonly repository: Repository; readonly tag: Tag; readonly digest: Digest };

// No repository has a component that begins with "_", so none has a name that ends within another's records.
const manifestPattern = /^(.+)\/_manifests\/([^/]+)\/([^/]+)$/;
const tagPattern = /^(.+)\/_tags\/([^/]+)$/;

/** The name of the record of a manifest. */
export function manifestRecordName(repository: Repository, digest: Digest): string {
  return `${repository}/_manifests/${algorithmOf(digest)}/${hexOf(digest)}`;
}

/** The name of the record of a tag. */
export function tagRecordName(repository: Repository, tag: Tag): string {
  return `${repository}/_tags/${tag}`;
}

/** Whether a name is that of a tag's record, if of any. */
export function isTagRecordName(name: string): boolean {
  return tagPattern.test(name);
}

/** What the record of a manifest holds. */
export function manifestRecord(mediaType: string, held: readonly Digest[] = []): Uint8Array {
  return Buffer.from(JSON.stringify({ mediaType, ...(held.length === 0 ? {} : { held }) }));
}

/** What the record of a tag holds. */
export function tagRecord(digest: Digest): Uint8Array {
  return Buffer.from(JSON.stringify({ digest }));
}

/** Reads a record by its name and bytes; undefined when it is broken, or none that this version knows. */
export function readRecord(name: string, bytes: Uint8Array): HostedRecord | undefined {
  const fields = parseJson(bytes);
  if (!isObject(fields)) return undefined;
  const { mediaType, digest: tagged, held = [] } = fields;
  const [, ofManifest, algorithm, hex] = manifestPattern.exec(name) ?? [];
  const [, ofTag, tagText] = tagPattern.exec(name) ?? [];
  try {
    if (ofManifest !== undefined) {
      const digest = `${algorithm}:${hex}`;
      if (!isDigest(digest) || typeof mediaType !== 'string' || !areDigests(held)) return undefined;
      return { kind: 'manifest', repository: parseRepository(ofManifest), digest, mediaType, held };
    }
    if (ofTag === undefined || tagText === undefined || typeof tagged !== 'string' || !isDigest(tagged))
      return undefined;
    return { kind: 'tag', repository: parseRepository(ofTag), tag: parseTag(tagText), digest: tagged };
  } catch {
    return undefined;
  }
}

function areDigests(value: unknown): value is Digest[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && isDigest(item));
}
