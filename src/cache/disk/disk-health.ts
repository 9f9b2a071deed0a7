import type { Log } from '../../util/log/log.ts';
import type { DiskFailures, DiskTrouble } from '../../util/system/disk-trouble.ts';
import type { Clock } from '../../util/time/clock.ts';

/** One line says it; a disk that fails does so for every request. */
const logEveryMs = 60_000;

/** What the results of SQLite are called that a disk brings about, by their numbers. */
const sqliteCodes: Readonly<Record<number, string>> = {
  5: 'SQLITE_BUSY',
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  26: 'SQLITE_NOTADB',
};

/** What was tried of which part. */
type Attempt = Pick<DiskTrouble, 'part' | 'action'>;

/**
 * Whether what is kept can be read and written, as those find it who do. It is failing from a failure until the next
 * success of the same kind; the log hears of it once a minute.
 */
export class DiskHealth {
  readonly #log: Log;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #troubles = new Map<string, DiskTrouble>();
  readonly #failures = new Map<string, DiskFailures>();
  readonly #logged = new Map<string, number>();
  #unlogged = 0;

  constructor(log: Log, clock: Pick<Clock, 'now'>) {
    this.#log = log;
    this.#clock = clock;
  }

  /** What fails now. */
  get troubles(): readonly DiskTrouble[] {
    return [...this.#troubles.values()];
  }

  /** How often what has failed, and how. */
  get failures(): readonly DiskFailures[] {
    return [...this.#failures.values()];
  }

  /** Notes that something could not be done. */
  failed({ part, action }: Attempt, error: unknown): void {
    const code = codeOf(error);
    const reason = error instanceof Error ? error.message : String(error);
    const sinceMs = this.#troubles.get(nameOf({ part, action }))?.sinceMs ?? this.#clock.now();
    this.#troubles.set(nameOf({ part, action }), { part, action, code, reason, sinceMs });
    const kind = `${nameOf({ part, action })} ${code}`;
    this.#failures.set(kind, { part, action, code, count: (this.#failures.get(kind)?.count ?? 0) + 1 });
    this.#unlogged++;
    if (!this.#isTimeToLog('fails')) return;
    this.#log.error({ part, action, code, reason, failures: this.#unlogged }, 'disk fails');
    this.#unlogged = 0;
  }

  /** Notes that something could be done; where it had failed, it is well again. */
  worked(attempt: Attempt): void {
    if (this.#troubles.size === 0) return;
    const trouble = this.#troubles.get(nameOf(attempt));
    if (trouble === undefined) return;
    this.#troubles.delete(nameOf(attempt));
    if (!this.#isTimeToLog('works')) return;
    this.#log.info({ ...attempt, ms: this.#clock.now() - trouble.sinceMs }, 'disk works again');
  }

  // A time that lies ahead is that of a clock that was set back since.
  #isTimeToLog(what: string): boolean {
    const nowMs = this.#clock.now();
    const lastMs = this.#logged.get(what) ?? Number.NEGATIVE_INFINITY;
    if (lastMs <= nowMs && nowMs - lastMs < logEveryMs) return false;
    this.#logged.set(what, nowMs);
    return true;
  }
}

function nameOf({ part, action }: Attempt): string {
  return `${part} ${action}`;
}

function codeOf(error: unknown): string {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  if (typeof errcode === 'number') return sqliteCodes[errcode & 0xff] ?? `SQLITE_${errcode & 0xff}`; // the rest tells its kind
  return typeof code === 'string' ? code : 'unknown';
}
