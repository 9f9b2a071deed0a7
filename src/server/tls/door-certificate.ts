import type { Log } from '../../util/log/log.ts';
import type { Clock } from '../../util/time/clock.ts';
import { watchStamp } from '../../util/watched/watched-stamp.ts';
import { readTlsFiles, stampTlsFiles, type TlsFiles, type TlsPaths } from './tls-files.ts';

/** What the certificate of a door is watched with. */
export interface DoorCertificateOptions {
  readonly door: string;
  readonly paths: TlsPaths;
  readonly clock: Clock;
  readonly log: Log;
  /** Told until when each certificate counts that is taken into use. */
  readonly expires: (untilMs: number) => void;
}

/**
 * The certificate of a door, and what else it needs for TLS, which are read again when their files change. While those
 * cannot be used, what was read last still counts.
 */
export class DoorCertificate {
  readonly #options: DoorCertificateOptions;
  readonly #stopping = new AbortController();
  readonly #watching: Promise<void>;
  #files: TlsFiles;
  #renewed: (files: TlsFiles) => void = () => {};

  private constructor(options: DoorCertificateOptions, files: TlsFiles, stamp: string) {
    this.#options = options;
    this.#files = files;
    this.#take(files);
    // What cannot be used is told of once, and tried again when it has changed.
    this.#watching = watchStamp(
      { stamp: () => stampTlsFiles(options.paths), known: stamp, changed: () => this.#renew(), clock: options.clock },
      this.#stopping.signal,
    );
  }

  /**
   * Reads the files, and watches them from then on.
   * @throws Error that names the file that cannot be used
   */
  static async open(options: DoorCertificateOptions): Promise<DoorCertificate> {
    const stamp = await stampTlsFiles(options.paths);
    return new DoorCertificate(options, await readTlsFiles(options.door, options.paths), stamp);
  }

  /** What counts now. */
  get files(): TlsFiles {
    return this.#files;
  }

  /** Names who is told when something else counts; there is one such. */
  onRenewed(renewed: (files: TlsFiles) => void): void {
    this.#renewed = renewed;
  }

  /** Looks no more. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }

  async #renew(): Promise<void> {
    const { door, paths, log } = this.#options;
    try {
      const files = await readTlsFiles(door, paths);
      const { cert, key, clientCa } = this.#files;
      if (files.cert === cert && files.key === key && files.clientCa === clientCa) return;
      this.#renewed(files);
      this.#files = files;
      log.info({ door, cert: paths.cert, until: dateOf(files.validity.untilMs) }, 'certificate renewed');
      this.#take(files);
    } catch (error) {
      log.error({ door, reason: (error as Error).message }, 'new certificate unusable, the old one is kept');
    }
  }

  #take({ validity }: TlsFiles): void {
    const { door, paths, clock, log, expires } = this.#options;
    expires(validity.untilMs);
    const facts = { door, cert: paths.cert, from: dateOf(validity.fromMs), until: dateOf(validity.untilMs) };
    if (clock.now() >= validity.untilMs) log.warn(facts, 'certificate expired');
    else if (clock.now() < validity.fromMs) log.warn(facts, 'certificate not valid yet');
  }
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString();
}
