import { closeSync, existsSync, mkdirSync, openSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { migrate } from './sqlite-migration.ts';

const busyTimeoutMs = 5000; // a writer holds the lock for milliseconds; one that holds it longer has failed

// The names in private repositories are nobody else's business, as are the bytes.
const fileMode = 0o600;

// SQLITE_CORRUPT and SQLITE_NOTADB: what is in the file is damaged. With every other code the file may be whole.
const corruptCode = 11;
const damageCodes: ReadonlySet<number | undefined> = new Set([corruptCode, 26]);

const busyCode = 5; // SQLITE_BUSY
// SQLITE_PERM, _READONLY, _IOERR, _FULL and _CANTOPEN: the file system does not let it, which is no mistake of ours.
const refusedCodes: ReadonlySet<number | undefined> = new Set([3, 8, 10, 13, 14]);
const maxLogAttempts = 20; // far more than processes that start on one file at the same moment

/** What `openDatabase` may be given. */
export interface DatabaseOptions {
  /** Leaves a file that is damaged where it is, and throws INDEX_DAMAGED: for those who only look. */
  readonly keepBroken?: boolean | undefined;
  /** Told where a damaged file was moved, and why. */
  readonly onBroken?: ((path: string, error: unknown) => void) | undefined;
  /** Names the file that is moved. */
  readonly now: () => number;
}

/**
 * Opens the database in a file, which is made when it is missing, and brings its schema to this version. A file that
 * is damaged is moved aside, whole, and a new one is begun: the index holds nothing that cannot be had again.
 */
export function openDatabase(file: string, options: DatabaseOptions): DatabaseSync {
  try {
    mkdirSync(dirname(file), { recursive: true });
    const database = openOrMove(file, options) ?? openOrMove(file, options);
    if (database !== undefined) return database;
  } catch (error) {
    throw explain(file, error);
  }
  throw new Error(`Cannot open the index "${file}": a new file is damaged too, check the disk`);
}

// A damaged file is moved while it is open: SQLite then leaves the log beside it alone, which it would remove on closing.
function openOrMove(file: string, { keepBroken, onBroken, now }: DatabaseOptions): DatabaseSync | undefined {
  if (!existsSync(file)) makeFile(file);
  const database = new DatabaseSync(file, { timeout: busyTimeoutMs });
  let moved: string;
  let damage: unknown;
  try {
    setUp(database);
    return database;
  } catch (error) {
    try {
      if (!damageCodes.has(resultCode(error))) throw error;
      if (keepBroken) throw damaged(error);
      moved = moveAside(file, 'broken', now());
      damage = error;
    } finally {
      database.close();
    }
  }
  onBroken?.(moved, damage);
  return undefined;
}

function setUp(database: DatabaseSync): void {
  useWriteAheadLog(database);
  // A crash of the machine may lose the last writes, and never damages the file; each write is spared a sync.
  database.exec('PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON');
  migrate(database);
  assertWhole(database);
}

// SQLite gives the files beside it the mode of this one. One that is there is not opened here: closing it again would
// end the locks that another connection of this process has on it.
function makeFile(file: string): void {
  try {
    closeSync(openSync(file, 'ax', fileMode));
  } catch (error) {
    if (!existsSync(file)) throw error; // another process was first
  }
}

// SQLite does not wait for other processes here, though it does everywhere else: two that begin a file at the same
// moment get in each other's way. An empty transaction does wait, until the other is through.
function useWriteAheadLog(database: DatabaseSync): void {
  for (let attempt = 1; ; attempt++) {
    try {
      database.exec('PRAGMA journal_mode = WAL');
      return;
    } catch (error) {
      if (resultCode(error) !== busyCode || attempt === maxLogAttempts) throw error;
    }
    database.exec('BEGIN IMMEDIATE; COMMIT');
  }
}

// Damage in the middle of the file would show only when that page is read, as a failure of one request after another.
function assertWhole(database: DatabaseSync): void {
  const problem = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
  if (problem === 'ok') return;
  throw Object.assign(new Error(`it is damaged: ${problem}`), { code: 'ERR_SQLITE_ERROR', errcode: corruptCode });
}

function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff; // the rest tells its kind
}

function damaged(cause: unknown): unknown {
  const what = 'it is damaged; `entrepot verify --rebuild` makes it anew, as starting the server does';
  return Object.assign(new Error(what, { cause }), { code: 'INDEX_DAMAGED' });
}

/**
 * Moves the file of an index aside, with the files beside it, to a name that says why and when; returns that. Nobody
 * may have it open who would write to it.
 */
export function moveAside(file: string, why: 'broken' | 'replaced', nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replace(/[-:.]/g, '');
  let target = `${file}.${why}-${stamp}`;
  for (let count = 2; existsSync(target); count++) target = `${file}.${why}-${stamp}-${count}`;
  // The log goes first: one that stayed beside a new file would be read into it.
  for (const suffix of ['-wal', '-shm', '']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, target + suffix);
  }
  return target;
}

/** What to do when the file system does not let SQLite open a file, by its result code. */
export function adviceOn(resultCode: number | undefined): string {
  if (resultCode === 10 || resultCode === 13)
    return 'free some space on its file system if it is full, or see whether it fails';
  return 'this user has to be able to write in its folder, also just to read it';
}

function explain(file: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  const isRefused = refusedCodes.has(resultCode(error));
  const advice = isRefused ? `; ${adviceOn(resultCode(error))}` : '';
  return Object.assign(new Error(`Cannot open the index "${file}": ${error.message}${advice}`, { cause: error }), {
    code: isRefused ? 'INDEX_REFUSED' : code,
    errcode,
  });
}
