import type { OpenUpload } from '../../store/upload-store.ts';
import type { Log } from '../../util/log/log.ts';
import type { Clock } from '../../util/time/clock.ts';

/** As many are open at most while nothing is done with them: one for each push that is under way, but for the busiest. */
const maxIdle = 64;

/** A client that has begun an upload sends its bytes at once. */
const idleMs = 10_000;

/** What is needed to leave uploads open. */
export interface IdleUploadTools {
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Uploads that were just begun, left open for the request that brings their bytes: nearly all of them come a moment later,
 * in one piece. The others are closed, and so kept.
 */
export class IdleUploads {
  readonly #tools: IdleUploadTools;
  readonly #idle = new Map<string, OpenUpload>();
  readonly #closing = new Set<Promise<void>>();
  readonly #end = new AbortController();
  #timer: Promise<void> | undefined;

  constructor(tools: IdleUploadTools) {
    this.#tools = tools;
  }

  /** Leaves one open. */
  put(upload: OpenUpload): void {
    this.#idle.set(upload.id, upload);
    const [oldest] = this.#idle.keys();
    if (this.#idle.size > maxIdle) this.#close(oldest!);
    this.#timer ??= this.#closeLater();
  }

  /** Gives one to whoever goes on with it, and closes it; undefined when it is not here. */
  take(id: string): OpenUpload | undefined {
    const upload = this.#idle.get(id);
    this.#idle.delete(id);
    return upload;
  }

  /** Resolves when one that is being closed is: until then nobody else may open it. */
  async closed(): Promise<void> {
    await Promise.all(this.#closing);
  }

  /** Closes all. Called as the last. */
  async close(): Promise<void> {
    this.#end.abort(new Error('The registry is being stopped'));
    for (const id of [...this.#idle.keys()]) this.#close(id);
    await this.closed();
    await this.#timer;
  }

  #close(id: string): void {
    const upload = this.take(id)!;
    const closing = upload
      .close()
      .catch((error: unknown) => {
        const { repository } = upload;
        this.#tools.log.error({ upload: id, repository, reason: (error as Error).message }, 'upload cannot be kept');
      })
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** After a while closes what was there at its beginning: so each is open for two such times at most. */
  async #closeLater(): Promise<void> {
    const { clock } = this.#tools;
    try {
      while (this.#idle.size > 0) {
        const before = [...this.#idle];
        await clock.sleep(idleMs, this.#end.signal);
        for (const [id, upload] of before) if (this.#idle.get(id) === upload) this.#close(id);
      }
    } catch {
      // It was closed.
    } finally {
      this.#timer = undefined;
    }
  }
}
