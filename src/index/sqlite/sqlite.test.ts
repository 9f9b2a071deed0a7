import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, type TestContext, test } from 'node:test';
import { hostedIndexContract } from '../../../test/contract/hosted-index-contract.ts';
import { metadataIndexContract } from '../../../test/contract/metadata-index-contract.ts';
import { type Digest, digestOf } from '../../oci/digest.ts';
import { parseRepository, parseTag, type Tag } from '../../oci/reference.ts';
import type { MetadataIndex } from '../metadata-index.ts';
import { prepareContentStatements } from './contents/sqlite-content-statements.ts';
import { prepareHostedStatements } from './hosted/sqlite-hosted-statements.ts';
import { openSqliteIndex } from './sqlite.ts';
import { adviceOn } from './sqlite-database.ts';
import { prepareImageStatements } from './sqlite-images.ts';
import { migrate, migrations } from './sqlite-migration.ts';
import { inTransaction } from './sqlite-transaction.ts';

metadataIndexContract('openSqliteIndex()', async (t) => {
  const file = await temporaryFile(t);
  const index = openIndex(t, file);
  return { index, readLastUse: async (digest) => readLastUse(file, digest) };
});

hostedIndexContract('openSqliteIndex()', async (t) => {
  const index = openSqliteIndex(await temporaryFile(t));
  t.after(() => index.close());
  return index;
});

const alpine = { registry: 'docker.io', repository: parseRepository('library/alpine') };
const latest = parseTag('latest');
const digest = digestOf(Buffer.from('an image'));
const entry = { digest, mediaType: 'application/vnd.oci.image.manifest.v1+json', sizeBytes: 1234, checkedAtMs: 99 };
const nowMs = Date.UTC(2026, 6, 28, 10, 15, 30, 123);

describe('an index in a SQLite file', () => {
  test('it is made with the folders above it, and only its owner reads it', async (t) => {
    const file = join(await temporaryFolder(t), 'not', 'there', 'index-v1.sqlite');
    const index = openSqliteIndex(file);
    await index.putTag(alpine, latest, entry);
    for (const suffix of ['', '-wal', '-shm']) assert.equal((await stat(file + suffix)).mode & 0o777, 0o600);
    await index.close();
    assert.deepEqual(await readdir(join(file, '..')), [basename(file)]);
  });

  test('it keeps everything when it is opened again', async (t) => {
    const file = await temporaryFile(t);
    const first = openSqliteIndex(file);
    await first.putTag(alpine, latest, entry);
    await first.link(alpine, digest, entry.mediaType, 1);
    await first.putContent(digest, 1234, 100);
    await first.recordUses(new Map([[digest, { atMs: 200, hits: 1 }]]));
    await first.close();

    const again = openIndex(t, file);
    assert.deepEqual(await again.getTag(alpine, latest), entry);
    assert.deepEqual(await again.getLink(alpine, digest), { mediaType: entry.mediaType, sizeBytes: 1234 });
    assert.deepEqual(await again.totals(), { contents: 1, sizeBytes: 1234 });
    assert.equal(readLastUse(file, digest), 200);
  });

  test('two may have one file open, and each sees what the other wrote', async (t) => {
    const file = await temporaryFile(t);
    const [here, there] = [openIndex(t, file), openIndex(t, file)];
    assert.equal(await there.getTag(alpine, latest), undefined);
    await here.putTag(alpine, latest, entry);
    assert.deepEqual(await there.getTag(alpine, latest), entry);
    await there.putTag(alpine, parseTag('3.22'), entry);
    assert.deepEqual(await here.listTags(alpine, {}), ['3.22', 'latest']);
    await there.putContent(digest, 10, 1);
    await here.putContent(digest, 10, 1);
    assert.deepEqual(await here.totals(), { contents: 1, sizeBytes: 10 });
    assert.equal(await there.removeTag(alpine, latest), true);
    assert.equal(await here.getTag(alpine, latest), undefined);
  });

  test('what another wrote is a change elsewhere, told once; what was only read is none', async (t) => {
    const file = await temporaryFile(t);
    const [here, there] = [openIndex(t, file), openIndex(t, file)];
    await there.putTag(alpine, latest, entry);
    assert.equal(await here.changedElsewhere(), true);
    assert.equal(await here.changedElsewhere(), false);
    await there.getTag(alpine, latest);
    await here.putContent(digest, 1, 1);
    assert.equal(await here.changedElsewhere(), false);
    assert.equal(await there.changedElsewhere(), true);
  });

  test('a failure while uses are noted leaves no transaction open', async (t) => {
    const file = await temporaryFile(t);
    const index = openIndex(t, file);
    await index.putContent(digest, 1, 100);
    const wrong = new Map([[digest, { atMs: 200.5, hits: 1 }]]); // which no column of integers takes
    await assert.rejects(index.recordUses(wrong), { code: 'ERR_SQLITE_ERROR' });
    assert.equal(readLastUse(file, digest), 100);
    await index.recordUses(new Map([[digest, { atMs: 300, hits: 1 }]]));
    assert.equal(readLastUse(file, digest), 300);
  });

  test('a file that cannot be opened is an error that names it, and is not moved', async (t) => {
    const folder = await temporaryFolder(t);
    const broken: string[] = [];
    assert.throws(() => openSqliteIndex(folder, { onBroken: (path) => broken.push(path) }), {
      code: 'INDEX_REFUSED',
      message: `Cannot open the index "${folder}": unable to open database file; this user has to be able to write in its folder, also just to read it`,
    });
    assert.deepEqual(broken, []);
    assert(existsSync(folder));
  });

  // On a full disk, whose shared memory file cannot grow (SQLITE_IOERR), it was the user's rights.
  test('what to do about a full disk is another thing than about missing rights', () => {
    for (const code of [10, 13]) assert.match(adviceOn(code), /^free some space on its file system/);
    for (const code of [3, 8, 14]) assert.match(adviceOn(code), /^this user has to be able to write/);
  });
});

describe('the lists of the index', () => {
  test('none of them sorts, or reads more of a table than its page', async (t) => {
    const file = await temporaryFile(t);
    await openSqliteIndex(file).close();
    const database = openRaw(t, file);
    const {
      listByUse,
      listByDigest,
      listReferrers,
      isPinned,
      listPinned,
      listUnread,
      referencesWithSizes,
      removeTags,
      isHeld,
    } = prepareContentStatements(database);
    const { listOfRepository, listAfter, listOfRegistryAfter } = prepareImageStatements(database);
    const lists = { listByUse, listByDigest, listReferrers, listUnread, referencesWithSizes, removeTags, isHeld };
    const hosted = prepareHostedStatements(database);
    const { totals, countRepositories, ...ofHosted } = hosted; // one row, and a step for each repository
    const statements = {
      ...lists,
      ...ofHosted,
      isPinned,
      listPinned,
      listOfRepository,
      listAfter,
      listOfRegistryAfter,
    };
    for (const [name, { sourceSQL }] of Object.entries(statements)) {
      const plan = database.prepare(`EXPLAIN QUERY PLAN ${sourceSQL}`).all();
      const steps = plan.map(({ detail }) => String(detail));
      // All of these is what is wanted: the page that was given, what was found from it, the pins, what is unread.
      const bad = steps.filter((step) =>
        /TEMP B-TREE FOR (ORDER|GROUP)|^SCAN (?!json_each|above|below|pins|unread|CONSTANT)/.test(step),
      );
      assert.deepEqual(bad, [], `${name}: ${steps.join('; ')}`);
    }
  });
});

describe('the migrations of the index', () => {
  test('each is applied once, and noted', async (t) => {
    const file = await temporaryFile(t);
    await openSqliteIndex(file).close();
    await openSqliteIndex(file).close(); // applied again, the first would fail: its tables are there
    const database = openRaw(t, file);
    const noted = database.prepare('SELECT id, name FROM migrations ORDER BY id').all();
    assert.deepEqual(
      noted.map((row) => ({ ...row })),
      migrations.map(({ id, name }) => ({ id, name })),
    );
  });

  test('their numbers count up from 1 without a gap', () => {
    assert.deepEqual(
      migrations.map(({ id }) => id),
      migrations.map((_, position) => position + 1),
    );
  });

  test('those that are new are applied to a file of an older version, and what it holds stays', async (t) => {
    const database = openRaw(t, await temporaryFile(t));
    const first = { id: 1, name: 'one', sql: 'CREATE TABLE things (name TEXT)' };
    migrate(database, [first]);
    database.exec(`INSERT INTO things VALUES ('kept')`);
    migrate(database, [first, { id: 2, name: 'two', sql: 'ALTER TABLE things ADD COLUMN size INTEGER DEFAULT 7' }]);
    assert.deepEqual({ ...database.prepare('SELECT * FROM things').get() }, { name: 'kept', size: 7 });
  });

  test('an index of the first schema keeps its tags, links, contents and uses', async (t) => {
    const file = await temporaryFile(t);
    const other = digestOf(Buffer.from('an index'));
    const blob = digestOf(Buffer.from('a blob'));
    const old = openRaw(t, file);
    migrate(old, migrations.slice(0, 1));
    old.exec(`
      INSERT INTO repositories VALUES (1, 'docker.io', 'library/alpine');
      INSERT INTO tags VALUES (1, 'latest', '${digest}', '${entry.mediaType}', 1234, 99);
      INSERT INTO links VALUES (1, '${digest}', '${entry.mediaType}', 5), (1, '${blob}', NULL, 5),
        (1, '${other}', 'application/vnd.oci.image.index.v1+json', 5);
      INSERT INTO contents VALUES ('${digest}', 1234, 70), ('${blob}', 10, 80), ('${other}', 1, 70)`);

    const index = openIndex(t, file);
    assert.deepEqual(await index.getTag(alpine, latest), entry);
    assert.deepEqual(await index.getLink(alpine, digest), { mediaType: entry.mediaType, sizeBytes: 1234 });
    assert.deepEqual(await index.totals(), { contents: 3, sizeBytes: 1245 });
    const contents = await index.listLeastRecentlyUsed({ count: 10 });
    assert.deepEqual(
      contents.map((content) => [content.digest, content.storedAtMs, content.usedAtMs, content.hits, content.level]),
      [
        [other, 70, 70, 0, 2],
        [digest, 70, 70, 0, 1],
        [blob, 80, 80, 0, 0],
      ],
    );
    const unread = await index.listUnreadManifests({ count: 10 });
    assert.deepEqual(new Set(unread.map((manifest) => manifest.digest)), new Set([digest, other]));
    assert.deepEqual(
      (await index.listManifests({ count: 10 })).flatMap(({ tags }) => tags),
      ['latest'],
    );
  });

  test('what an older version pinned of a hosted repository, before there were any, stays pinned', async (t) => {
    const file = await temporaryFile(t);
    const old = openRaw(t, file);
    migrate(old, migrations.slice(0, 2));
    old.exec(`
      INSERT INTO repositories VALUES (1, 'docker.io', 'library/alpine'), (2, 'hosted.entrepot', 'team/app');
      INSERT INTO pins VALUES (1, 'latest'), (2, 'v1')`);
    const index = openIndex(t, file);
    const app = { registry: 'hosted.entrepot', repository: parseRepository('team/app') };
    assert.deepEqual(await index.listPins(), [
      { ...alpine, reference: 'latest' },
      { ...app, reference: 'v1' },
    ]);
    assert.deepEqual(
      old
        .prepare('SELECT id FROM repositories ORDER BY id')
        .all()
        .map(({ id }) => id),
      [-2, 1],
    );
    await index.addBlob(app.repository, digest, 5, 1);
    assert.deepEqual(await index.totals(), { contents: 0, sizeBytes: 0 });
  });

  test('one that fails leaves the file as it was', async (t) => {
    const database = openRaw(t, await temporaryFile(t));
    const steps = [
      { id: 1, name: 'one', sql: 'CREATE TABLE things (name TEXT)' },
      { id: 2, name: 'two', sql: 'CREATE TABLE others (name TEXT); CREATE TABLE things (name TEXT)' },
    ];
    assert.throws(() => migrate(database, steps), { code: 'ERR_SQLITE_ERROR' });
    assert.deepEqual(database.prepare('SELECT name FROM sqlite_schema').all(), []);
    migrate(database, steps.slice(0, 1));
  });

  test('a file of a newer version is refused, and left as it is', async (t) => {
    const file = await temporaryFile(t);
    const broken: string[] = [];
    await openSqliteIndex(file).close();
    const database = openRaw(t, file);
    database.exec(`INSERT INTO migrations VALUES (99, 'from-the-future')`);
    assert.throws(() => openSqliteIndex(file, { onBroken: (path) => broken.push(path) }), {
      code: 'INDEX_NEWER',
      message: /^Cannot open the index ".*": a newer version wrote it \(migration 99\), start that version or move it/,
    });
    assert.deepEqual(broken, []);
    assert.equal(database.prepare('SELECT count(*) AS count FROM migrations').get()?.['count'], migrations.length + 1);
  });
});

describe('a damaged index', () => {
  test('a file that is no database is moved aside with the files beside it, and a new one is begun', async (t) => {
    const file = await temporaryFile(t);
    const words = 'these are words and no database '.repeat(100);
    for (const suffix of ['', '-wal', '-shm']) await writeFile(file + suffix, words + suffix);
    const { index, broken } = openReporting(t, file);
    assert.deepEqual(broken, [`${file}.broken-20260728T101530123Z`]);
    for (const suffix of ['', '-wal']) assert((await readFile(broken[0] + suffix, 'utf8')) === words + suffix, suffix);
    assert(existsSync(`${broken[0]}-shm`)); // scratch space, which SQLite writes anew on opening
    await index.putTag(alpine, latest, entry);
    assert.deepEqual(await index.getTag(alpine, latest), entry);
  });

  test('what was moved aside before stays, though it be of the same moment', async (t) => {
    const file = await temporaryFile(t);
    const kept = `${file}.broken-20260728T101530123Z`;
    await writeFile(kept, 'the first');
    await writeFile(file, 'the second, which is no database either '.repeat(100));
    assert.deepEqual(openReporting(t, file).broken, [`${kept}-2`]);
    assert.equal(await readFile(kept, 'utf8'), 'the first');
  });

  for (const [what, damage] of [
    ['whose end is missing', truncateToHalf],
    ['with a damaged page in the middle', overwriteMiddle],
    ['with a damaged first page', overwriteSchema],
  ] as const) {
    test(`a database ${what} is moved aside, and a new one is begun`, async (t) => {
      const file = await temporaryFile(t);
      await fill(openSqliteIndex(file));
      await damage(file);
      const damaged = await readFile(file);
      const { index, broken } = openReporting(t, file);
      assert.equal(broken.length, 1);
      assert.deepEqual(await readFile(broken[0]!), damaged);
      assert.equal(await index.getTag(alpine, latest), undefined);
      assert.deepEqual(await index.listRepositories(undefined, {}), []);
    });
  }

  test('a whole one is not moved', async (t) => {
    const file = await temporaryFile(t);
    await fill(openSqliteIndex(file));
    const { index, broken } = openReporting(t, file);
    assert.deepEqual(broken, []);
    assert.deepEqual(await index.getTag(alpine, latest), entry);
  });

  test('a log that a crash left is read, not moved', async (t) => {
    const file = await temporaryFile(t);
    const crashed = openIndex(t, file);
    await crashed.putTag(alpine, latest, entry);
    const copy = `${file}.copy`; // the files as a crash would leave them now
    for (const suffix of ['', '-wal']) await writeFile(copy + suffix, await readFile(file + suffix));
    const { index, broken } = openReporting(t, copy);
    assert.deepEqual(broken, []);
    assert.deepEqual(await index.getTag(alpine, latest), entry);
  });
});

test('a transaction gives what its work gives, and undoes it when it throws', async (t) => {
  const database = openRaw(t, await temporaryFile(t));
  database.exec('CREATE TABLE things (name TEXT)');
  const add = (name: string) => database.exec(`INSERT INTO things VALUES ('${name}')`);
  assert.equal(
    inTransaction(database, () => {
      add('kept');
      return 7;
    }),
    7,
  );
  const failure = new Error('in the middle');
  const failing = () =>
    inTransaction(database, () => {
      add('undone');
      throw failure;
    });
  assert.throws(failing, failure);
  assert.deepEqual(
    database
      .prepare('SELECT name FROM things')
      .all()
      .map((row) => row['name']),
    ['kept'],
  );
});

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-index-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

async function temporaryFile(t: TestContext): Promise<string> {
  return join(await temporaryFolder(t), 'index-v1.sqlite');
}

function openIndex(t: TestContext, file: string): ReturnType<typeof openSqliteIndex> {
  const index = openSqliteIndex(file);
  t.after(() => index.close());
  return index;
}

function openReporting(t: TestContext, file: string): { index: MetadataIndex; broken: string[] } {
  const broken: string[] = [];
  const index = openSqliteIndex(file, { onBroken: (path) => broken.push(path), now: () => nowMs });
  t.after(() => index.close());
  return { index, broken };
}

function openRaw(t: TestContext, file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  t.after(() => database.close());
  return database;
}

function readLastUse(file: string, digest: Digest): number | undefined {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const row = database.prepare('SELECT used_at_ms FROM contents WHERE digest = ?').get(digest);
    return row === undefined ? undefined : Number(row['used_at_ms']);
  } finally {
    database.close();
  }
}

// Enough for some hundred pages.
async function fill(index: MetadataIndex): Promise<void> {
  await index.putTag(alpine, latest, entry);
  for (let count = 0; count < 2000; count++) await index.putTag(alpine, `tag-${count}` as Tag, entry);
  await index.close();
}

async function truncateToHalf(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.truncate(Math.floor((await handle.stat()).size / 2));
  await handle.close();
}

async function overwriteMiddle(file: string): Promise<void> {
  await overwrite(file, Math.floor((await stat(file)).size / 2 / 4096) * 4096);
}

async function overwriteSchema(file: string): Promise<void> {
  await overwrite(file, 100); // after the header, which still says that it is a database
}

async function overwrite(file: string, position: number): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(Buffer.alloc(2000, 0xa5), 0, 2000, position);
  await handle.close();
}
