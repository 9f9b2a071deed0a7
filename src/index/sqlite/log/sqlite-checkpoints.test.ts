import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { tmpDir } from '../../../../test/support/disk/tmp.ts';
import { digestOf } from '../../../oci/digest.ts';
import { openSqliteIndex } from '../sqlite.ts';
import { type CheckpointPlan, type CheckpointReport, Checkpoints } from './sqlite-checkpoints.ts';

const kibibyte = 1024;

function setUp(t: TestContext, plan: Partial<CheckpointPlan>) {
  const file = join(tmpDir(t, { assertClosed: true }), 'index.sqlite');
  const database = new DatabaseSync(file, { timeout: 5_000 });
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE rows (value BLOB)');
  const insert = database.prepare('INSERT INTO rows VALUES (randomblob(?))');
  let report = Promise.withResolvers<CheckpointReport>();
  const checkpoints = new Checkpoints(database, file, { everyMs: 5, ...plan }, (told) => {
    report.resolve(told);
    report = Promise.withResolvers();
  });
  return {
    ...{ file, database, checkpoints },
    write: (count: number) => {
      for (let row = 0; row < count; row++) insert.run(4 * kibibyte);
    },
    nextReport: () => report.promise,
    logBytes: () => statSync(`${file}-wal`).size,
    countRows: (from: DatabaseSync) => from.prepare('SELECT count(*) AS count FROM rows').get()?.['count'],
  };
}

test('the log does not grow with all that is written: it is begun anew, and cut', { timeout: 30_000 }, async (t) => {
  const { database, checkpoints, write, nextReport, logBytes, countRows } = setUp(t, { fromBytes: 64 * kibibyte });
  let rows = 0;
  for (let round = 0; round < 10; round++) {
    write(20); // 80 KiB and more
    for (rows += 20; logBytes() > 64 * kibibyte; rows++) {
      await nextReport();
      write(1);
    }
  }
  assert.equal(countRows(database), rows);
  await checkpoints.close();
  database.close();
});

test('a log that is never begun anew, as somebody reads all the time, is emptied when that ends', async (t) => {
  const plan = { fromBytes: 64 * kibibyte, tooLargeBytes: 128 * kibibyte };
  const { file, database, checkpoints, write, nextReport, logBytes, countRows } = setUp(t, plan);
  const reader = new DatabaseSync(file);
  reader.exec('BEGIN; SELECT * FROM rows');
  write(100);
  await nextReport();
  assert.ok(logBytes() > 400 * kibibyte);
  reader.exec('COMMIT');
  for (let report = await nextReport(); report.logBytes > 0; ) report = await nextReport();
  assert.equal(countRows(reader), 100);
  reader.close();
  await checkpoints.close();
  database.close();
});

test('closing loses nothing, and leaves no log', async (t) => {
  const { file, database, checkpoints, write, countRows } = setUp(t, { fromBytes: 1 });
  write(50);
  await checkpoints.close();
  write(50);
  database.close();
  assert.equal(existsSync(`${file}-wal`), false);
  const again = new DatabaseSync(file);
  assert.equal(countRows(again), 100);
  again.close();
});

test('an index whose log is moved by a thread keeps all that it is told, and leaves nothing open', async (t) => {
  const file = join(tmpDir(t, { assertClosed: true }), 'index.sqlite');
  const index = openSqliteIndex(file, { checkpointsAside: true });
  const digest = digestOf(Buffer.from('content'));
  await index.putContent(digest, 7, 1);
  await index.close();
  assert.equal(existsSync(`${file}-wal`), false);
  const again = openSqliteIndex(file);
  assert.equal((await again.getContent(digest))?.sizeBytes, 7);
  await again.close();
});

test('when the thread fails, SQLite does it again by itself', async (t) => {
  const { file, database, checkpoints, write, logBytes } = setUp(t, { fromBytes: 1, file: '/missing/index.sqlite' });
  for (;;) {
    write(100);
    const { wal_autocheckpoint: pages } = database.prepare('PRAGMA wal_autocheckpoint').get() as Record<string, number>;
    if (pages === 1_000) break;
    await new Promise(setImmediate);
  }
  write(5_000);
  assert.ok(logBytes() < statSync(file).size / 2, `${logBytes()} of ${statSync(file).size}`);
  await checkpoints.close();
  database.close();
});

test('a process that is killed in the middle of checkpoints loses nothing that it committed', async (t) => {
  const file = join(tmpDir(t), 'index.sqlite');
  const source = `
    import { DatabaseSync } from 'node:sqlite';
    import { Checkpoints } from ${JSON.stringify(new URL('./sqlite-checkpoints.ts', import.meta.url).href)};
    const database = new DatabaseSync(${JSON.stringify(file)}, { timeout: 5000 });
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE IF NOT EXISTS rows (value BLOB)');
    new Checkpoints(database, ${JSON.stringify(file)}, { everyMs: 1, fromBytes: 1, tooLargeBytes: 100_000 });
    const insert = database.prepare('INSERT INTO rows VALUES (randomblob(4096))');
    setInterval(() => {
      for (let row = 0; row < 20; row++) insert.run();
      const { count } = database.prepare('SELECT count(*) AS count FROM rows').get();
      process.stdout.write(count + '\\n');
    }, 1);`;
  let told = 0;
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    for await (const text of child.stdout.setEncoding('utf8')) {
      told = Number(String(text).trimEnd().split('\n').at(-1));
      if (told >= 400 * (round + 1)) child.kill('SIGKILL');
    }
    await exited;
    const database = new DatabaseSync(file);
    const { count } = database.prepare('SELECT count(*) AS count FROM rows').get() as { count: number };
    assert.ok(count >= told, `${count} rows of ${told}`);
    assert.equal(database.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok');
    database.close();
  }
});
