import { type Digest, isDigest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { isObject } from '../../oci/json.ts';
import { maxReferences, referencesIn } from '../../oci/manifest/manifest.ts';
import { bareMediaType, isMediaType, mediaTypes } from '../../oci/manifest/media-types.ts';

/** What a pushed manifest says of itself and of others. */
export interface ReadManifest {
  readonly mediaType: string;
  /** Everything that it references, but for the subject. */
  readonly references: readonly Digest[];
  /** Of that, the manifests of an index: the rest are blobs, which an index may list, too, as build caches do. */
  readonly manifests: readonly Digest[];
  /** Of the blobs, those that have to be in the repository before. */
  readonly required: readonly Digest[];
  /** The other blobs. */
  readonly optional: readonly Digest[];
  readonly subject: Digest | undefined;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** What is known of a media type. */
interface Kind {
  readonly schemaVersion: 2 | undefined;
  /** Whether it has a configuration, which is not left out then. */
  readonly hasConfig: boolean;
  /** Where its list of descriptors is; of an index it may be empty, and is not left out. */
  readonly list: string;
  /** Fields of the other kinds: who guesses the type by its fields would take it for another than who reads the type. */
  readonly foreign: readonly string[];
}

const image: Kind = { schemaVersion: 2, hasConfig: true, list: 'layers', foreign: ['manifests', 'fsLayers'] };
const index: Kind = {
  schemaVersion: 2,
  hasConfig: false,
  list: 'manifests',
  foreign: ['config', 'layers', 'fsLayers'],
};

/** The manifests that an earlier draft of the OCI had for artifacts; some clients push them still. */
const artifactManifest = 'application/vnd.oci.artifact.manifest.v1+json';

const kinds: ReadonlyMap<string, Kind> = new Map([
  [mediaTypes.ociManifest, image],
  [mediaTypes.dockerManifest, image],
  [mediaTypes.ociIndex, index],
  [mediaTypes.dockerList, index],
  [
    artifactManifest,
    { schemaVersion: undefined, hasConfig: false, list: 'blobs', foreign: ['manifests', 'config', 'layers'] },
  ],
]);

// Layers that their makers do not allow to be passed on: clients fetch them from the `urls` of the descriptor.
const foreignLayerPattern = /\.nondistributable\.|\.foreign\./;

/**
 * Reads a manifest that is pushed. It is a JSON object, whatever its media type: the spec calls a manifest a JSON
 * document, and what is none could have neither references nor a subject. Of types that are not known here nothing is
 * required, as nobody knows what their fields mean; but what looks like a reference counts as one, so that collecting
 * garbage takes nothing away that they may mean.
 * @throws RegistryError MANIFEST_INVALID, which names the field
 */
export function readManifest(bytes: Uint8Array, contentType: string): ReadManifest {
  const fields = parseObject(bytes);
  const mediaType = mediaTypeOf(fields, bareMediaType(contentType));
  const kind = kinds.get(mediaType);
  if (fields['manifests'] && fields['layers']) throw invalid('layers', 'there are "manifests" as well');
  const blobs = kind === undefined ? [] : checkKind(fields, kind);
  const references = referencesIn(fields, mediaType);
  if (references.length === maxReferences) throw invalid('', `it references ${maxReferences} others or more`);
  const config = fields['config'];
  const manifests = kind === index || kind === undefined ? referencesIn({ manifests: manifestsIn(fields) }, '') : [];
  const required = [...new Set(blobs.filter((blob) => !isForeign(blob)).map(({ digest }) => digest))];
  const others = new Set([...manifests, ...required]);
  return {
    ...{ mediaType, references, manifests, required },
    optional: references.filter((digest) => !others.has(digest)),
    subject: optional(fields, 'subject', readDescriptor)?.digest,
    artifactType:
      optional(fields, 'artifactType', readText) ??
      (isObject(config) && typeof config['mediaType'] === 'string' ? config['mediaType'] : undefined),
    annotations: optional(fields, 'annotations', readAnnotations),
  };
}

/** What is listed as manifests, and said to be of no other type than manifests are. */
function manifestsIn(fields: Fields): readonly unknown[] {
  const listed = Array.isArray(fields['manifests']) ? fields['manifests'] : [];
  return listed.filter((entry) => {
    const mediaType = isObject(entry) ? entry['mediaType'] : undefined;
    return typeof mediaType !== 'string' || kinds.has(bareMediaType(mediaType));
  });
}

function parseObject(bytes: Uint8Array): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw new RegistryError('MANIFEST_INVALID', 'Cannot take the manifest: it is no JSON', { cause: error });
  }
  if (isObject(parsed) && !Array.isArray(parsed)) return parsed;
  throw new RegistryError('MANIFEST_INVALID', 'Cannot take the manifest: it is no JSON object');
}

/** Both say the same, or one of them is not there. */
function mediaTypeOf(fields: Fields, contentType: string): string {
  const own = optional(fields, 'mediaType', readText);
  if (own === undefined && contentType === '') throw invalid('mediaType', 'there is none, nor a Content-Type');
  if (own === undefined) return contentType;
  const bare = bareMediaType(own);
  if (contentType === '' ? isMediaType(bare) : bare === contentType) return bare;
  throw invalid('mediaType', `it is "${own.slice(0, 200)}", the Content-Type is "${contentType.slice(0, 200)}"`);
}

/** Checks what is known of a kind, and gives the blobs that it references. */
function checkKind(fields: Fields, kind: Kind): Descriptor[] {
  const { schemaVersion, hasConfig, list, foreign } = kind;
  if (schemaVersion !== undefined && fields['schemaVersion'] !== schemaVersion) {
    throw invalid('schemaVersion', `it is to be ${schemaVersion}`);
  }
  const other = foreign.find((field) => isThere(fields, field));
  if (other !== undefined) throw invalid(other, 'this media type has no such field');
  const config = hasConfig ? [readDescriptor(fields['config'], 'config')] : [];
  if (kind === index && fields[list] === undefined) throw invalid(list, 'it is missing');
  const listed = optional(fields, list, readDescriptors) ?? [];
  return kind === index ? [] : [...config, ...listed];
}

/** What is `null` is as if it were not there: so encoders of some languages write an empty list. */
function isThere(fields: Fields, field: string): boolean {
  return fields[field] !== undefined && fields[field] !== null;
}

function optional<T>(fields: Fields, field: string, read: (value: unknown, field: string) => T): T | undefined {
  return isThere(fields, field) ? read(fields[field], field) : undefined;
}

interface Descriptor {
  readonly digest: Digest;
  readonly mediaType: string | undefined;
  readonly hasUrls: boolean;
}

function isForeign({ mediaType, hasUrls }: Descriptor): boolean {
  return hasUrls || (mediaType !== undefined && foreignLayerPattern.test(mediaType));
}

function readDescriptors(value: unknown, field: string): Descriptor[] {
  if (!Array.isArray(value)) throw invalid(field, 'a list is expected');
  return value.map((entry, place) => readDescriptor(entry, `${field}[${place}]`));
}

function readDescriptor(value: unknown, field: string): Descriptor {
  if (!isObject(value) || Array.isArray(value)) throw invalid(field, 'a descriptor is expected');
  const { digest, size, urls } = value;
  if (typeof digest !== 'string' || !isDigest(digest)) {
    throw invalid(`${field}.digest`, 'a digest by sha256 or sha512 is expected');
  }
  if (!Number.isSafeInteger(size) || (size as number) < 0)
    throw invalid(`${field}.size`, 'a count of bytes is expected');
  const mediaType = optional(value, 'mediaType', (type) => readText(type, `${field}.mediaType`));
  return { digest, mediaType, hasUrls: Array.isArray(urls) && urls.length > 0 };
}

function readText(value: unknown, field: string): string {
  if (typeof value === 'string') return value;
  throw invalid(field, 'a text is expected');
}

function readAnnotations(value: unknown, field: string): Readonly<Record<string, string>> {
  if (!isObject(value) || Array.isArray(value)) throw invalid(field, 'texts by name are expected');
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== 'string')
      throw invalid(`${field}[${JSON.stringify(name.slice(0, 200))}]`, 'a text is expected');
  }
  return value as Readonly<Record<string, string>>;
}

function invalid(field: string, why: string): RegistryError {
  const what = field === '' ? why : `"${field}": ${why}`;
  return new RegistryError('MANIFEST_INVALID', `Cannot take the manifest: ${what}`, {
    ...(field === '' ? {} : { detail: { field } }),
  });
}
