import { algorithmOf, type Digest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import type { UploadBody, UploadHint, UploadState } from '../../oci/registry.ts';
import type { OpenUpload } from '../../store/upload-store.ts';
import type { Placing } from '../blobs/placing.ts';
import { undoHold } from '../blobs/undo-hold.ts';
import { explainDiskFailure } from '../disk-failure.ts';
import type { Quota } from '../quota.ts';
import type { HostedTools, RefusalReason, UploadLimits } from '../tools.ts';
import type { DiskRoom } from './disk-room.ts';
import { IdleUploads } from './idle-uploads.ts';
import { checkSize, receive } from './receive.ts';
import { UploadBuffers } from './upload-buffers.ts';
import { tooManyOfYours, tooManyUploads, unknownUpload, wrongDigest } from './upload-errors.ts';
import type { UploadSession } from './upload-session.ts';
import { UploadSessions } from './upload-sessions.ts';

/** What uploads work with. */
export interface UploadTools
  extends Pick<HostedTools, 'uploads' | 'index' | 'hasher' | 'inUse' | 'observer' | 'clock' | 'log' | 'removed'> {
  readonly quota: Quota;
  readonly disk: DiskRoom;
  readonly placing: Placing;
}

/** So much comes at once, or is quickly sent again: it is not kept before it is whole. */
const maxLostBytes = 64 * 1024;

/**
 * The blobs that are being pushed, as `PushableRegistry` has it. What has arrived is in the store; only the hash that
 * runs along, and who is at which upload, is lost with the process.
 */
export class Uploads {
  readonly #limits: UploadLimits;
  readonly #tools: UploadTools & { readonly buffers: UploadBuffers; readonly maxBytes: number | undefined };
  readonly #sessions: UploadSessions;
  readonly #idle: IdleUploads;
  /** Who begins those that have no session yet. */
  readonly #beginning = new Set<{ readonly by: string | undefined }>();

  constructor(limits: UploadLimits, tools: UploadTools) {
    this.#limits = limits;
    this.#tools = { ...tools, buffers: new UploadBuffers(), maxBytes: limits.maxBytes };
    this.#sessions = new UploadSessions(limits.maxAgeMs, tools);
    this.#idle = new IdleUploads(tools);
  }

  /** How many were begun and are not over. */
  get count(): number {
    return this.#sessions.count + this.#beginning.size;
  }

  /** How much memory the bytes take that are on their way to the disk. */
  get bufferedBytes(): number {
    return this.#tools.buffers.takenBytes;
  }

  /** Begins to remove uploads that were left alone. */
  start(): void {
    this.#sessions.start();
  }

  /** What has arrived stays for the next start. Called when no request is under way, as the last. */
  async close(): Promise<void> {
    await this.#sessions.close();
    await this.#idle.close();
  }

  /** @throws RegistryError TOOMANYREQUESTS, SIZE_INVALID, DENIED, UNAVAILABLE */
  async begin(repository: Repository, hint: UploadHint, signal: AbortSignal): Promise<UploadState> {
    signal.throwIfAborted();
    return this.#telling(async () => {
      this.#assertPlace(hint.by);
      const beginning = { by: hint.by };
      this.#beginning.add(beginning);
      const upload = await this.#begin(repository, hint, signal).finally(() => this.#beginning.delete(beginning));
      this.#idle.put(upload);
      return this.#sessions.add(upload.id, repository, hint).state;
    });
  }

  /** @throws RegistryError BLOB_UPLOAD_UNKNOWN */
  async get(repository: Repository, id: string, signal: AbortSignal): Promise<UploadState> {
    const session = await this.#sessions.find(repository, id);
    await session.settled(signal);
    if (session.isOver) throw unknownUpload(repository, id);
    return session.state;
  }

  /** @throws RegistryError BLOB_UPLOAD_UNKNOWN, and as `receive` */
  append(repository: Repository, id: string, body: UploadBody, signal: AbortSignal): Promise<UploadState> {
    return this.#change(repository, id, signal, async (session, upload) => {
      await upload.keep();
      await receive({ session, upload, body }, this.#tools, signal);
      return { id, sizeBytes: upload.sizeBytes };
    });
  }

  /** @throws RegistryError BLOB_UPLOAD_UNKNOWN, DIGEST_INVALID, and as `receive` */
  finish(repository: Repository, id: string, digest: Digest, body: UploadBody, signal: AbortSignal): Promise<void> {
    return this.#change(repository, id, signal, async (session, upload) => {
      const algorithm = algorithmOf(digest);
      session.digest.expect(algorithm);
      if ((body.sizeBytes ?? Number.POSITIVE_INFINITY) > maxLostBytes) await upload.keep();
      await receive({ session, upload, body, digest }, this.#tools, signal);
      const found = await session.digest.end(algorithm, upload, this.#tools.buffers, signal);
      if (found !== digest) throw wrongDigest(digest, found, upload.sizeBytes);
      signal.throwIfAborted(); // from here on it is stored, though nobody waits for it
      await this.#commit(session, upload, digest);
    });
  }

  /** @throws RegistryError BLOB_UPLOAD_UNKNOWN */
  async cancel(repository: Repository, id: string, signal: AbortSignal): Promise<void> {
    const session = await this.#sessions.find(repository, id);
    const leave = await session.enter(signal);
    try {
      if (session.isOver) throw unknownUpload(repository, id);
      await this.#idle.take(id)?.close();
      await this.#sessions.remove(session);
    } finally {
      leave();
    }
  }

  /** Half of the places are for others: nobody keeps all from pushing by uploads that he never ends. */
  #assertPlace(by: string | undefined): void {
    const { maxCount } = this.#limits;
    if (this.count >= maxCount) throw tooManyUploads(maxCount);
    if (by === undefined) return;
    const beginning = [...this.#beginning].filter((one) => one.by === by).length;
    const maxOfOne = Math.ceil(maxCount / 2);
    if (this.#sessions.countOf(by) + beginning >= maxOfOne) throw tooManyOfYours(maxOfOne, maxCount);
  }

  async #begin(repository: Repository, { sizeBytes = 0 }: UploadHint, signal: AbortSignal): Promise<OpenUpload> {
    const { uploads, quota, disk } = this.#tools;
    checkSize(sizeBytes, this.#limits.maxBytes);
    await quota.check(sizeBytes);
    await disk.check(sizeBytes, signal);
    return uploads.beginUpload(repository);
  }

  async #open(id: string): Promise<OpenUpload | undefined> {
    const idle = this.#idle.take(id);
    if (idle) return idle;
    await this.#idle.closed();
    return this.#tools.uploads.openUpload(id);
  }

  /** Does something with an upload that nobody else is at; one that is refused for good is over. */
  async #change<T>(
    repository: Repository,
    id: string,
    signal: AbortSignal,
    work: (session: UploadSession, upload: OpenUpload) => Promise<T>,
  ): Promise<T> {
    const session = await this.#sessions.find(repository, id);
    const leave = await session.enter(signal);
    let refused = false;
    try {
      const upload = session.isOver ? undefined : await this.#open(id);
      if (!upload) {
        this.#sessions.forget(session);
        throw unknownUpload(repository, id);
      }
      session.sizeBytes = upload.sizeBytes;
      try {
        return await this.#telling(() => work(session, upload));
      } catch (error) {
        refused = endsUpload(error);
        throw error;
      } finally {
        await upload.close();
      }
    } finally {
      if (refused) await this.#sessions.remove(session);
      leave();
    }
  }

  // 1. The quota has room for it.
  // 2. The repository holds it: from now on nobody removes what is put in place.
  // 3. A new file is put in place, also of what is here already: that one may be damaged, this one is right.
  // 4. The index notes it. That, and the name of the file, become durable beside each other; until then, who looks for it
  //    waits.
  async #commit(session: UploadSession, upload: OpenUpload, digest: Digest): Promise<void> {
    const { index, quota, inUse, removed, placing, clock } = this.#tools;
    const { repository } = session;
    const { sizeBytes } = upload;
    const share = await quota.take(digest, sizeBytes);
    const letGo = inUse.take(digest);
    try {
      await removed(digest);
      const note = async () => {
        this.#sessions.forget(session);
        await index.addBlob(repository, digest, sizeBytes, clock.now());
        share.release();
        await index.sync();
      };
      await placing.run(digest, () => this.#place(upload, repository, digest, note));
    } finally {
      letGo();
      share.release();
    }
  }

  /** A name that may not be on the disk is forgotten again, or else it would be taken for a blob that is here. */
  async #place(upload: OpenUpload, repository: Repository, digest: Digest, note: () => Promise<void>): Promise<void> {
    const { index, clock } = this.#tools;
    const heldAtMs = clock.now();
    const wasStored = await index.hold(repository, digest, heldAtMs);
    let noted: Promise<void> | undefined;
    try {
      await upload.commit(digest, async () => {
        noted = note();
        await noted.catch(() => {}); // it is told below: here it would be taken for a failure of the store
      });
    } catch (error) {
      if (noted && !wasStored) await index.removeContent(digest);
      await undoHold(index, repository, digest, heldAtMs);
      throw error;
    }
    await noted;
  }

  /** Says why something was refused; and a full disk, of whatever failed by it. */
  async #telling<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      const error = explainDiskFailure(cause);
      const reason = refusalOf(error);
      if (reason) this.#tools.observer.refused(reason);
      throw error;
    }
  }
}

function refusalOf(error: unknown): RefusalReason | undefined {
  if (!(error instanceof RegistryError)) return undefined;
  if (error.status === 507) return 'disk';
  return refusalsByCode[error.code];
}

const refusalsByCode: Partial<Record<RegistryError['code'], RefusalReason>> = {
  TOOMANYREQUESTS: 'count',
  SIZE_INVALID: 'size',
  DENIED: 'quota',
  DIGEST_INVALID: 'digest',
};

/** Whether going on with an upload cannot make it right. */
function endsUpload(error: unknown): boolean {
  const reason = refusalOf(error);
  return reason === 'size' || reason === 'quota' || reason === 'digest';
}
