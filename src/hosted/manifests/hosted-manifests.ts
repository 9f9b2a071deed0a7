import type { LinkEntry } from '../../index/metadata-index.ts';
import { algorithmOf, type Digest, digestOf } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import { isDigestReference, type Reference, type Repository, type Tag } from '../../oci/reference.ts';
import type { Manifest, ManifestDescriptor, ManifestPush, PushedManifest } from '../../oci/registry.ts';
import type { NamedRecord } from '../../store/record-store.ts';
import type { Placing } from '../blobs/placing.ts';
import { removedMeanwhile, undoHold } from '../blobs/undo-hold.ts';
import { renewLink } from '../garbage/renew-link.ts';
import { lockOfRepository, locksOf, locksOfTags } from '../hosted-locks.ts';
import type { Quota } from '../limits/quota.ts';
import { manifestRecord, manifestRecordName, tagRecord, tagRecordName } from '../records/record.ts';
import { removeManifest, removeTag, tagsOf } from '../records/removal.ts';
import { settleManifest, settleTag } from '../records/settle.ts';
import type { HostedLimits, HostedTools } from '../tools.ts';
import { unknownManifest } from '../unknown.ts';
import { assertMovable, assertRemovable } from './immutable-tags.ts';
import { type ReadManifest, readManifest } from './read-manifest.ts';

/** What manifests are kept with. */
export interface ManifestTools
  extends Pick<HostedTools, 'blobs' | 'records' | 'index' | 'content' | 'locks' | 'clock' | 'log'> {
  readonly quota: Pick<Quota, 'take'>;
  readonly placing: Pick<Placing, 'settled'>;
}

/** What manifests may be pushed. */
export type ManifestLimits = Pick<HostedLimits, 'maxManifestBytes' | 'immutableTags'>;

/** A manifest that is being pushed. */
interface Push {
  readonly repository: Repository;
  readonly digest: Digest;
  readonly tags: readonly Tag[];
  readonly bytes: Uint8Array;
  readonly read: ReadManifest;
}

/**
 * The manifests and tags of hosted repositories. What is pushed is on the disk before it is acknowledged, in this order:
 * the bytes, a record for the manifest and one for each tag, the rows of the index. So what is seen is whole, and what
 * the records say is there.
 */
export class HostedManifests {
  readonly #tools: ManifestTools;
  readonly #limits: ManifestLimits;

  constructor(tools: ManifestTools, limits: ManifestLimits) {
    this.#tools = tools;
    this.#limits = limits;
  }

  /**
   * What a reference stands for. Its file is looked for, as clients who are told that it is here do not push it; and it
   * is no garbage for a while, as they may push next what references it.
   * @throws RegistryError MANIFEST_UNKNOWN, NAME_UNKNOWN
   */
  async resolve(repository: Repository, reference: Reference): Promise<ManifestDescriptor> {
    const { index, clock } = this.#tools;
    if (isDigestReference(reference)) await renewLink(index, repository, reference, clock.now());
    const { digest, mediaType, sizeBytes } = await this.#find(repository, reference);
    const storedBytes = await this.#tools.blobs.size(digest);
    if (sizeBytes === undefined || storedBytes !== sizeBytes) throw await this.#lost(repository, reference, digest);
    return { digest, mediaType, sizeBytes };
  }

  /** The bytes of a manifest, verified. @throws RegistryError as `resolve` */
  async get(repository: Repository, reference: Reference): Promise<Manifest> {
    const { digest, mediaType } = await this.#find(repository, reference);
    const bytes = await this.#tools.content.readWhole(digest);
    if (bytes === undefined) throw await this.#lost(repository, reference, digest);
    return { digest, mediaType, sizeBytes: bytes.length, bytes };
  }

  /**
   * Stores a manifest, and lets tags stand for it. Once it has begun to write it goes on to its end, though the signal
   * fires.
   * @throws RegistryError SIZE_INVALID, DIGEST_INVALID, MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN, DENIED; UNAVAILABLE when
   *   somebody has removed it meanwhile
   */
  async put(repository: Repository, pushed: ManifestPush, signal: AbortSignal): Promise<PushedManifest> {
    const push = this.#check(repository, pushed);
    const { digest, tags, read } = push;
    await this.#tools.locks.run(locksOf(repository, digest, tags), signal, async () => {
      await assertMovable(this.#tools.index, this.#limits.immutableTags, repository, tags, digest);
      await this.#assertBlobs(repository, read.required);
      const share = await this.#tools.quota.take(digest, pushed.bytes.length);
      try {
        const held = await this.#heldOf(repository, read.optional);
        signal.throwIfAborted();
        await this.#write(push, held);
      } finally {
        share.release();
      }
    });
    return { digest, tags, subject: read.subject };
  }

  /** Removes a tag. @throws RegistryError MANIFEST_UNKNOWN, NAME_UNKNOWN; DENIED when it is immutable */
  async deleteTag(repository: Repository, tag: Tag, signal: AbortSignal): Promise<void> {
    const { index, locks } = this.#tools;
    await locks.run(locksOfTags(repository, [tag]), signal, async () => {
      const entry = await index.getTag({ registry: hostedRegistryName, repository }, tag);
      if (entry !== undefined) assertRemovable(this.#limits.immutableTags, repository, [tag]);
      // What an earlier try has left of it goes before anybody is told that it is gone.
      if (!(await removeTag(this.#tools, repository, tag))) throw await unknownManifest(index, repository, tag);
    });
  }

  /** Removes a manifest and its tags. @throws RegistryError as `deleteTag` */
  async deleteManifest(repository: Repository, digest: Digest, signal: AbortSignal): Promise<void> {
    const { index, locks } = this.#tools;
    await locks.run(lockOfRepository(repository), signal, async () => {
      assertRemovable(this.#limits.immutableTags, repository, await tagsOf(index, repository, digest));
      if (!(await removeManifest(this.#tools, repository, digest))) {
        throw await unknownManifest(index, repository, digest);
      }
    });
  }

  #check(repository: Repository, { reference, tags, mediaType, bytes }: ManifestPush): Push {
    const { maxManifestBytes } = this.#limits;
    if (bytes.length > maxManifestBytes) {
      const what = `Cannot take the manifest: it has ${bytes.length} bytes, and may have ${maxManifestBytes}`;
      throw new RegistryError('SIZE_INVALID', what, { status: 413 });
    }
    const named = isDigestReference(reference) ? reference : undefined;
    const digest = digestOf(bytes, named === undefined ? 'sha256' : algorithmOf(named));
    if (named !== undefined && digest !== named) {
      throw new RegistryError('DIGEST_INVALID', `Cannot take the manifest: its bytes are ${digest}, not ${named}`, {
        detail: { digest: named },
      });
    }
    const all = new Set(isDigestReference(reference) ? tags : [reference, ...tags]);
    return { repository, digest, tags: [...all], bytes, read: readManifest(bytes, mediaType) };
  }

  /** Looked at before anything is written; what goes away meanwhile, the transaction finds. */
  async #assertBlobs(repository: Repository, required: readonly Digest[]): Promise<void> {
    const missing: Digest[] = [];
    for (const digest of required) {
      if (!(await this.#isStored(repository, digest))) missing.push(digest);
    }
    if (missing.length > 0) throw unknownBlobs(repository, missing);
  }

  /** What of that the repository has, without being asked for it: nothing else would tell, were the index lost. */
  async #heldOf(repository: Repository, optional: readonly Digest[]): Promise<readonly Digest[]> {
    const held: Digest[] = [];
    for (const digest of optional) if (await this.#isStored(repository, digest)) held.push(digest);
    return held;
  }

  async #isStored(repository: Repository, digest: Digest): Promise<boolean> {
    const link = await this.#tools.index.getLink({ registry: hostedRegistryName, repository }, digest);
    const placed = this.#tools.placing.settled(digest);
    if (placed === undefined) return link?.sizeBytes !== undefined;
    await placed;
    return this.#isStored(repository, digest);
  }

  async #write(push: Push, held: readonly Digest[]): Promise<void> {
    const { repository, digest, bytes } = push;
    const { index, content, records, clock } = this.#tools;
    const heldAtMs = clock.now();
    await index.hold(repository, digest, heldAtMs);
    let missing: Digest[];
    try {
      await records.putRecords(recordsOf(push, held), content.store(digest, bytes));
      missing = await this.#note(push);
    } catch (error) {
      await this.#settle(push).catch(() => {}); // the same failure, most likely; the next start does it
      await undoHold(index, repository, digest, heldAtMs);
      throw error;
    }
    const synced = index.sync();
    synced.catch(() => {}); // it is awaited below
    await this.#settle(push);
    if (missing.length > 0) {
      await undoHold(index, repository, digest, heldAtMs);
      throw missing.includes(digest) ? removedMeanwhile(repository, digest) : unknownBlobs(repository, missing);
    }
    await synced;
  }

  #note({ repository, digest, tags, bytes, read }: Push): Promise<Digest[]> {
    const { mediaType, references, required, subject, artifactType, annotations } = read;
    const noted = {
      digest,
      mediaType,
      sizeBytes: bytes.length,
      references,
      required,
      mustBeHeld: true,
      subject,
      artifactType,
      annotations,
    };
    return this.#tools.index.putManifest(repository, noted, tags, this.#tools.clock.now());
  }

  async #settle({ repository, digest, tags }: Push): Promise<void> {
    await settleManifest(this.#tools, repository, digest);
    for (const tag of tags) await settleTag(this.#tools, repository, tag);
  }

  async #find(
    repository: Repository,
    reference: Reference,
  ): Promise<{ digest: Digest; mediaType: string; sizeBytes: LinkEntry['sizeBytes'] }> {
    const { index } = this.#tools;
    const key = { registry: hostedRegistryName, repository };
    const digest = isDigestReference(reference) ? reference : (await index.getTag(key, reference))?.digest;
    const link = digest === undefined ? undefined : await index.getLink(key, digest);
    if (digest === undefined || link?.mediaType === undefined) {
      throw await unknownManifest(index, repository, reference);
    }
    return { digest, mediaType: link.mediaType, sizeBytes: link.sizeBytes };
  }

  /** For what the repository has by the index, and the store has not: a new push of it mends that. */
  async #lost(repository: Repository, reference: Reference, digest: Digest): Promise<RegistryError> {
    await this.#tools.blobs.size(digest); // rejects when the disk cannot say: then nobody may take it for gone
    this.#tools.log.error({ repository, reference, digest }, 'hosted manifest lost');
    const what = `The manifest ${digest} of "${repository}" is lost: push it again`;
    return new RegistryError('MANIFEST_UNKNOWN', what, { detail: { reference } });
  }
}

/** That of the manifest first: a tag that stands for nothing would hide what it stood for, were the index lost now. */
function recordsOf({ repository, digest, tags, read }: Push, held: readonly Digest[]): NamedRecord[] {
  const manifest = { name: manifestRecordName(repository, digest), bytes: manifestRecord(read.mediaType, held) };
  return [manifest, ...tags.map((tag) => ({ name: tagRecordName(repository, tag), bytes: tagRecord(digest) }))];
}

function unknownBlobs(repository: Repository, digests: readonly Digest[]): RegistryError {
  const what = `Cannot take the manifest: "${repository}" has not the blobs that it references: ${digests.join(', ')}`;
  return new RegistryError('MANIFEST_BLOB_UNKNOWN', what, { detail: digests.map((digest) => ({ digest })) });
}
