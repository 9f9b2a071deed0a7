import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { mediaTypes } from '../../../src/oci/manifest/media-types.ts';
import { parseRepository, type Repository, type Tag } from '../../../src/oci/reference.ts';
import { Content } from './content.ts';
import { makeImage, makeIndex, seededBytes, type TestManifest } from './images.ts';

/** A manifest of one kind, under its tag in the main repository. */
export interface ManifestCase {
  readonly kind: string;
  readonly tag: Tag;
  readonly manifest: TestManifest;
}

/** A blob of one kind, in the main repository. */
export interface BlobCase {
  readonly kind: string;
  readonly digest: Digest;
  readonly bytes: Buffer;
}

/** What the registry contract is checked with: the content, and what is in it. */
export interface ContractContent {
  readonly content: Content;
  readonly main: Repository;
  readonly other: Repository;
  readonly missing: Repository;
  readonly manifests: readonly ManifestCase[];
  readonly blobs: {
    readonly small: BlobCase;
    readonly empty: BlobCase;
    readonly sha512: BlobCase;
    readonly large: BlobCase;
    /** In the other repository only. */
    readonly elsewhere: BlobCase;
  };
  /** The manifest that others refer to, and by artifact type who does. */
  readonly subject: Digest;
  readonly referrers: Readonly<Record<string, readonly Digest[]>>;
  /** All tags of the main repository, in order. */
  readonly tags: readonly string[];
}

/** The artifact type of two of the referrers; a third has another. */
export const sbomType = 'application/vnd.example.sbom';
const signatureType = 'application/vnd.example.signature';

/** Makes the content that the registry contract is checked with. */
export function makeContractContent(): ContractContent {
  const content = new Content();
  const main = parseRepository('library/contract');
  const other = parseRepository('owner/deeper/other');
  const manifests = pushManifests(content, main);
  const subject = manifests[0]!.manifest;
  const referrers: Record<string, Digest[]> = { [sbomType]: [], [signatureType]: [] };
  for (const [seed, artifactType] of [
    ['sbom-1', sbomType],
    ['sbom-2', sbomType],
    ['signature', signatureType],
  ] as const) {
    const annotations = { 'org.example.seed': seed };
    const image = makeImage({ seed, layers: [100], artifactType, subject, annotations });
    referrers[artifactType]?.push(content.push(main, image));
  }
  content.push(other, makeImage({ seed: 'other', layers: [100] }), 'latest');
  const blob = (repository: string, kind: string, bytes: Buffer, algorithm: 'sha256' | 'sha512' = 'sha256') => ({
    kind,
    bytes,
    digest: content.putBlob(repository, bytes, algorithm),
  });
  return {
    ...{ content, main, other, manifests, subject: subject.digest, referrers },
    missing: parseRepository('library/missing'),
    blobs: {
      small: blob(main, 'a small blob', seededBytes('small', 1000)),
      empty: blob(main, 'an empty blob', Buffer.alloc(0)),
      sha512: blob(main, 'a blob by sha512', seededBytes('sha512', 70_001), 'sha512'),
      large: blob(main, 'a blob of 5 MiB', seededBytes('large', 5 * 1024 * 1024)),
      elsewhere: blob(other, 'a blob of another repository', seededBytes('elsewhere', 500)),
    },
    tags: content.tags(main) ?? [],
  };
}

function pushManifests(content: Content, repository: string): ManifestCase[] {
  const oci = makeImage({ seed: 'oci', layers: [3000, 20] });
  const arm = makeImage({ seed: 'arm', layers: [100], architecture: 'arm64' });
  const docker = makeImage({ seed: 'docker', layers: [100], mediaTypes: 'docker' });
  const images = {
    'oci-image': oci,
    'oci-image-without-media-type': makeImage({ seed: 'bare', layers: [100], withoutMediaType: true }),
    'oci-index': makeIndex([oci, arm]),
    'docker-image': docker,
    'docker-list': makeIndex([docker], { mediaTypes: 'docker' }),
  };
  const cases = Object.entries(images).map(([tag, image]) => {
    content.push(repository, image, tag);
    return { kind: tag.replaceAll('-', ' '), tag: tag as Tag, manifest: image.manifest };
  });
  // What no serializer would write: whoever parses and writes it again is found out.
  const bytes = Buffer.from(
    `\n{ "schemaVersion":2,\r\n\t"manifests" : [ ], "mediaType":"${mediaTypes.ociIndex}" }\n\n`,
  );
  content.putManifest(repository, bytes, mediaTypes.ociIndex, 'odd-bytes');
  const manifest = { bytes, digest: digestOf(bytes), mediaType: mediaTypes.ociIndex };
  return [...cases, { kind: 'index with odd white space', tag: 'odd-bytes' as Tag, manifest }];
}
