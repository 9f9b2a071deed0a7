import type { HostedReferrer } from '../index/hosted-index.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import { hostedRegistryName } from '../oci/hosted.ts';
import { mediaTypes } from '../oci/manifest/media-types.ts';
import type { Repository } from '../oci/reference.ts';
import type { Page, Referrers, ReferrersQuery, RepositoryList, TagList } from '../oci/registry.ts';
import type { HostedTools } from './tools.ts';
import { hasAnything, unknownName } from './unknown.ts';

type Index = HostedTools['index'];

/** However many are wanted, an answer is of 1.3 MB at most; nearly every list comes whole. */
const maxTagCount = 10_000;
const maxRepositoryCount = 1_000;

/** Clients read lists of referrers like manifests, of which the spec has them take 4 MiB. */
const maxReferrersBytes = 4 * 1024 * 1024;

/** Each may have annotations of the size of a manifest, and all of a query are in memory. */
const referrersTogether = 8;

/** A page of the tags of a repository. @throws RegistryError NAME_UNKNOWN when it has nothing at all */
export async function listTags(index: Index, repository: Repository, page: Page): Promise<TagList> {
  const key = { registry: hostedRegistryName, repository };
  const list = await pageOf(page, maxTagCount, (count, last) => index.listTags(key, { count, last }));
  if (list.entries.length === 0 && !(await hasAnything(index, repository))) throw unknownName(repository);
  return { tags: list.entries, next: list.next };
}

/** A page of the repositories that have anything. */
export async function listRepositories(index: Index, page: Page): Promise<RepositoryList> {
  const list = await pageOf(page, maxRepositoryCount, async (count, last) => {
    const after = last === undefined ? undefined : { registry: hostedRegistryName, repository: last as Repository };
    const keys = await index.listRepositories(hostedRegistryName, { count, after });
    return keys.map(({ repository }) => repository);
  });
  return { repositories: list.entries, next: list.next };
}

/** A page of a list of names, which asks for one more to know whether there are others. */
async function pageOf(
  { count = Number.POSITIVE_INFINITY, last }: Page,
  maxCount: number,
  list: (count: number, last: string | undefined) => Promise<readonly string[]>,
): Promise<{ entries: readonly string[]; next: Page | undefined }> {
  const wanted = Math.min(count, maxCount);
  if (wanted <= 0) return { entries: [], next: undefined };
  const found = await list(wanted + 1, last);
  const entries = found.slice(0, wanted);
  return { entries, next: found.length > wanted ? { count: wanted, last: entries.at(-1) } : undefined };
}

/**
 * A page of the manifests that refer to a digest, in the order of their digests: as many as an answer may hold, and one
 * at least. Of a subject or a repository that is not here the list is empty.
 * @throws RegistryError PAGINATION_NUMBER_INVALID
 */
export async function listReferrers(
  index: Index,
  repository: Repository,
  subject: Digest,
  { artifactType, page }: ReferrersQuery,
): Promise<Referrers> {
  if (page !== undefined && !isDigest(page)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', `There is no page of referrers "${page.slice(0, 200)}"`);
  }
  const listed: string[] = [];
  let sizeBytes = 200; // of what stands around the list
  let last: Digest | undefined = page;
  for await (const referrer of referrersAfter(index, repository, subject, artifactType, last)) {
    const descriptor = JSON.stringify(describe(referrer));
    sizeBytes += Buffer.byteLength(descriptor) + 1;
    if (listed.length > 0 && sizeBytes > maxReferrersBytes) return answer(listed, artifactType, last);
    listed.push(descriptor);
    last = referrer.digest;
  }
  return answer(listed, artifactType, undefined);
}

async function* referrersAfter(
  index: Index,
  repository: Repository,
  subject: Digest,
  artifactType: string | undefined,
  from: Digest | undefined,
): AsyncIterable<HostedReferrer> {
  for (let after = from; ; ) {
    const found = await index.listReferrers(repository, subject, { artifactType, count: referrersTogether, after });
    yield* found;
    after = found.at(-1)?.digest;
    if (found.length < referrersTogether) return;
  }
}

function describe({ mediaType, digest, sizeBytes, artifactType, annotations }: HostedReferrer) {
  return {
    mediaType,
    digest,
    size: sizeBytes,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function answer(descriptors: readonly string[], artifactType: string | undefined, next: Digest | undefined): Referrers {
  const index = `{"schemaVersion":2,"mediaType":"${mediaTypes.ociIndex}","manifests":[${descriptors.join(',')}]}`;
  return {
    bytes: Buffer.from(index),
    filtered: artifactType !== undefined,
    ...(next === undefined ? {} : { next }),
  };
}
