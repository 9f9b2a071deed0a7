import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { copyFile, type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { tmpDir } from '../../../../test/support/disk/tmp.ts';
import { LogSync } from './sqlite-log-sync.ts';

function setUp(t: TestContext) {
  const file = join(tmpDir(t), 'index.sqlite');
  const database = new DatabaseSync(file);
  t.after(() => database.close());
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE things (name TEXT)');
  const sync = new LogSync(database, file);
  t.after(() => sync.close());
  const add = (name: string) => database.exec(`INSERT INTO things VALUES ('${name}')`);
  return { file, database, sync, add };
}

/** What is found in the files as they are now, without the log's owner having closed anything. */
async function namesAfterCrash(t: TestContext, file: string): Promise<unknown[]> {
  const copy = join(tmpDir(t), 'copy.sqlite');
  for (const suffix of ['', '-wal']) await copyFile(file + suffix, copy + suffix);
  const database = new DatabaseSync(copy);
  try {
    return database
      .prepare('SELECT name FROM things')
      .all()
      .map(({ name }) => name);
  } finally {
    database.close();
  }
}

/** Every call of `datasync` on a file handle, as long as the test goes on. */
async function watchSyncs(t: TestContext, file: string) {
  const handle = await open(file, 'r');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const original = prototype.datasync;
  const calls: { gate: Promise<void> }[] = [];
  const control = { gate: Promise.resolve(), failure: undefined as Error | undefined };
  t.mock.method(prototype, 'datasync', async function (this: FileHandle) {
    const { gate, failure } = control;
    calls.push({ gate });
    await gate;
    if (failure) throw failure;
    await original.call(this);
  });
  return { calls, control };
}

test('what was committed is in the log that is synced, also after it was begun anew', async (t) => {
  const { file, database, sync, add } = setUp(t);
  add('one');
  await sync.sync();
  database.exec('PRAGMA wal_checkpoint(RESTART)');
  add('two');
  await sync.sync();
  assert.deepEqual(await namesAfterCrash(t, file), ['one', 'two']);
});

test('those who come while a sync runs share the next one, which begins after it', async (t) => {
  const { file, sync } = setUp(t);
  const { calls, control } = await watchSyncs(t, file);
  const gate = Promise.withResolvers<void>();
  control.gate = gate.promise;
  const first = sync.sync();
  const others = [sync.sync(), sync.sync(), sync.sync()];
  gate.resolve();
  await first;
  await Promise.all(others);
  assert.equal(calls.length, 2);
});

test('after a sync that failed none is believed until the log was emptied', async (t) => {
  const { file, database, sync, add } = setUp(t);
  const { control } = await watchSyncs(t, file);
  control.failure = new Error('I/O error');
  add('one');
  await assert.rejects(sync.sync(), control.failure);
  control.failure = undefined;
  const reader = new DatabaseSync(file, { readOnly: true });
  reader.exec('BEGIN; SELECT * FROM things');
  add('two'); // which the reader does not see, so the log cannot be emptied
  await assert.rejects(sync.sync(), /its log cannot be emptied/);
  reader.close();
  await sync.sync();
  const pages = database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() as { log: number };
  assert.equal(pages.log, 0);
});

test('opening and closing the log takes no lock from SQLite: another process still has to wait', async (t) => {
  const { file, database, sync, add } = setUp(t);
  add('one');
  database.exec('BEGIN IMMEDIATE');
  await sync.sync();
  await sync.close();
  const program = `new (require('node:sqlite').DatabaseSync)(${JSON.stringify(file)}).exec('BEGIN IMMEDIATE')`;
  await assert.rejects(promisify(execFile)(process.execPath, ['-e', program]), /database is locked/);
  database.exec('ROLLBACK');
  await promisify(execFile)(process.execPath, ['-e', program]);
});

test('what was committed is not said to be durable when the log has no name any more, or is another file', async (t) => {
  const { file, sync, add } = setUp(t);
  const isGone = { code: 'INDEX_GONE' };
  const [log, aside] = [`${file}-wal`, `${file}-aside`];
  add('one');
  renameSync(log, aside);
  await assert.rejects(sync.sync(), isGone, 'it is not opened under that name');
  renameSync(aside, log);
  await sync.sync();
  await sync.assertThere();
  for (const otherFile of [false, true]) {
    renameSync(log, aside);
    if (otherFile) writeFileSync(log, '');
    add('two');
    await assert.rejects(sync.sync(), isGone);
    await assert.rejects(sync.assertThere(), isGone);
    renameSync(aside, log);
    await sync.sync();
  }
});
