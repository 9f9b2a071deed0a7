import type { Digest } from '../../oci/digest.ts';
import type { ContentInUse } from '../content/in-use.ts';
import { Download } from './download.ts';
import type { DownloadObserver, DownloadSource, DownloadTools } from './download-tools.ts';

/** A download, and for whom it was begun. */
export interface RunningDownload {
  readonly download: Download;
  /** The registry and repository that it comes from, as one text. */
  readonly origin: string;
}

/** The downloads that are under way: at most one for a digest that can be joined. */
export class Downloads {
  readonly #tools: DownloadTools;
  readonly #inUse: ContentInUse;
  readonly #running = new Map<Digest, RunningDownload>();
  readonly #unfinished = new Set<Download>();
  readonly #open = new Set<Download>();
  #closed = false;

  /** @param inUse is told what is downloaded, and read meanwhile */
  constructor(tools: DownloadTools, inUse: ContentInUse) {
    this.#tools = tools;
    this.#inUse = inUse;
  }

  /** How many are under way, not counting those that wait. */
  get count(): number {
    return this.#unfinished.size - this.waiting;
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#tools.queue.waiting;
  }

  /** The download of a digest that can be joined. */
  get(digest: Digest): RunningDownload | undefined {
    const running = this.#running.get(digest);
    return running?.download.joinable ? running : undefined;
  }

  /** Begins a download; from now on it is what others join. */
  start(digest: Digest, origin: string, source: DownloadSource, observer: DownloadObserver): Download {
    const download = new Download(digest, source, this.#tools, observer, this.#closing(digest));
    const running = { download, origin };
    this.#running.set(digest, running);
    this.#unfinished.add(download);
    this.#open.add(download);
    const release = this.#inUse.take(digest);
    void download.closed.then(() => {
      this.#open.delete(download);
      release();
    });
    void download.finished.then(() => {
      this.#unfinished.delete(download);
      if (this.#running.get(digest) === running) this.#running.delete(digest);
    });
    if (this.#closed) download.abort(new Error('The cache is being stopped'));
    return download;
  }

  /** Resolves when those of a digest that are being closed have left what they have; undefined when there is none. */
  #closing(digest: Digest): Promise<unknown> | undefined {
    const closing = [...this.#open].filter((download) => download.digest === digest && download.isClosing);
    return closing.length === 0 ? undefined : Promise.all(closing.map(({ closed }) => closed));
  }

  /** Ends all downloads, and resolves when they have let go of everything; whoever reads one has closed it, or will. */
  async close(): Promise<void> {
    this.#closed = true;
    const reason = new Error('The cache is being stopped');
    for (const download of this.#open) download.abort(reason);
    await Promise.all([...this.#open].map(({ closed }) => closed));
  }
}
