import type { Repository } from '../../oci/reference.ts';
import type { UploadHint } from '../../oci/registry.ts';
import type { HostedTools } from '../tools.ts';
import { unknownUpload, uploadElsewhere } from './upload-errors.ts';
import { UploadSession } from './upload-session.ts';

/** What sessions work with. */
export type SessionTools = Pick<HostedTools, 'uploads' | 'hasher' | 'clock' | 'log'>;

/** How often it is looked for uploads that were left alone. */
const sweepEveryMs = 3_600_000;

/** What a store's identifiers look like; anything else was made up. */
const idPattern = /^[A-Za-z0-9-]{1,200}$/;

/** The uploads that are not over, those of earlier processes included; those that are left alone are removed. */
export class UploadSessions {
  readonly #maxAgeMs: number;
  readonly #tools: SessionTools;
  readonly #sessions = new Map<string, UploadSession>();
  readonly #end = new AbortController();
  #sweeping: Promise<void> | undefined;

  constructor(maxAgeMs: number, tools: SessionTools) {
    this.#maxAgeMs = maxAgeMs;
    this.#tools = tools;
  }

  /** How many there are. */
  get count(): number {
    return this.#sessions.size;
  }

  /** Begins to look for those that were left alone: at once, and every hour. */
  start(): void {
    this.#sweeping = this.#sweepOn().catch(() => {}); // it was closed
  }

  /** Ends the hashes that run along; what has arrived stays for the next start. */
  async close(): Promise<void> {
    this.#end.abort(new Error('The registry is being stopped'));
    await this.#sweeping;
    for (const session of this.#sessions.values()) session.digest.drop();
    this.#sessions.clear();
  }

  /** How many of them somebody has begun. */
  countOf(by: string): number {
    let count = 0;
    for (const session of this.#sessions.values()) if (session.by === by) count++;
    return count;
  }

  /** Notes one that was begun. */
  add(id: string, repository: Repository, { algorithm, by }: UploadHint): UploadSession {
    return this.#note({ id, repository, sizeBytes: 0, writtenAtMs: this.#tools.clock.now() }, { algorithm, by });
  }

  /** The upload of a repository. @throws RegistryError BLOB_UPLOAD_UNKNOWN; UNAVAILABLE while another process has it */
  async find(repository: Repository, id: string): Promise<UploadSession> {
    const session = this.#sessions.get(id) ?? (await this.#findStored(id));
    if (session === 'theirs') throw uploadElsewhere(id);
    if (session?.repository !== repository) throw unknownUpload(repository, id);
    return session;
  }

  /** Forgets one whose file is no more. */
  forget(session: UploadSession): void {
    session.isOver = true;
    session.digest.drop();
    if (this.#sessions.get(session.id) === session) this.#sessions.delete(session.id);
  }

  /** Removes one with its bytes. It never rejects: a file that stays is found again when it is old. */
  async remove(session: UploadSession): Promise<void> {
    this.forget(session);
    try {
      await this.#tools.uploads.removeUpload(session.id);
    } catch (error) {
      const { id, repository } = session;
      this.#tools.log.error({ upload: id, repository, reason: (error as Error).message }, 'upload cannot be removed');
    }
  }

  async #findStored(id: string): Promise<UploadSession | 'theirs' | undefined> {
    const whose = idPattern.test(id) ? await this.#tools.uploads.claimUpload(id) : undefined;
    if (whose === 'ours') return this.#findOwn(id);
    return this.#sessions.get(id) ?? whose;
  }

  async #findOwn(id: string): Promise<UploadSession | undefined> {
    const stored = await this.#tools.uploads.statUpload(id);
    return this.#sessions.get(id) ?? (stored && this.#note(stored));
  }

  #note(
    upload: Pick<UploadSession, 'id' | 'repository' | 'sizeBytes' | 'writtenAtMs'>,
    { algorithm, by }: UploadHint = {},
  ): UploadSession {
    const { hasher, clock } = this.#tools;
    // A clock that was set back does not make it old, nor young for ever.
    const writtenAtMs = Math.min(upload.writtenAtMs, clock.now());
    const { id, repository, sizeBytes } = upload;
    const session = new UploadSession({ id, repository, sizeBytes, writtenAtMs, hasher, algorithm, by });
    this.#sessions.set(id, session);
    return session;
  }

  async #sweepOn(): Promise<void> {
    for (;;) {
      try {
        await this.#sweep();
      } catch (error) {
        this.#tools.log.error({ reason: (error as Error).message }, 'uploads cannot be listed');
      }
      await this.#tools.clock.sleep(sweepEveryMs, this.#end.signal);
    }
  }

  async #sweep(): Promise<void> {
    const { uploads, clock, log } = this.#tools;
    for await (const { id } of uploads.listUploads()) {
      if (this.#end.signal.aborted) return;
      if (!this.#sessions.has(id)) await this.#findOwn(id); // it may be over since it was listed
    }
    let count = 0;
    let sizeBytes = 0;
    for (const session of [...this.#sessions.values()]) {
      session.writtenAtMs = Math.min(session.writtenAtMs, clock.now());
      if (session.isBusy || session.isOver || clock.now() - session.writtenAtMs < this.#maxAgeMs) continue;
      count++;
      sizeBytes += session.sizeBytes;
      await this.remove(session);
    }
    if (count > 0) log.info({ uploads: count, sizeBytes }, 'abandoned uploads removed');
  }
}
