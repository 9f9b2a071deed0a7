import { algorithmOf, type Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { UploadBody, UploadHint, UploadState } from '../../oci/registry.ts';
import type { OpenUpload } from '../../store/upload-store.ts';
import { explainDiskFailure } from '../disk-failure.ts';
import type { DiskRoom } from '../limits/disk-room.ts';
import { checkSize, receive } from '../receiving/receive.ts';
import { UploadBuffers } from '../receiving/upload-buffers.ts';
import type { HostedTools, UploadLimits } from '../tools.ts';
import { type CommitTools, commitUpload } from './commit-upload.ts';
import { IdleUploads } from './idle-uploads.ts';
import { endsUpload, refusalOf } from './refusals.ts';
import { tooManyOfYours, tooManyUploads, unknownUpload, wrongDigest } from './upload-errors.ts';
import type { UploadSession } from './upload-session.ts';
import { UploadSessions } from './upload-sessions.ts';

/** What uploads work with. */
export interface UploadTools
  extends CommitTools,
    Pick<HostedTools, 'uploads' | 'hasher' | 'observer' | 'clock' | 'log'> {
  readonly disk: DiskRoom;
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
      await commitUpload(upload, digest, this.#tools, () => this.#sessions.forget(session));
    });
  }

  /** @throws RegistryError BLOB_UPLOAD_UNKNOWN */
  async cancel(repository: Repository, id: string, signal: AbortSignal): Promise<void> {
    const session = await this.#sessions.find(repository, id);
    const leave = await session.enter(signal);
    try {
      if (session.isOver) throw unknownUpload(repository, id);
      await this.#idle
        .take(id)
        ?.close()
        .catch(() => {}); // it need not be kept
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
    let failed = false;
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
        failed = true;
        refused = endsUpload(error);
        throw error;
      } finally {
        const closed = upload.close();
        await (failed ? closed.catch(() => {}) : closed); // what it failed with before is what the client can mend
      }
    } finally {
      if (refused) await this.#sessions.remove(session);
      leave();
    }
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
