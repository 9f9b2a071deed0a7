import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import type { RecordStore } from '../../src/store/record-store.ts';

/** Makes an empty store, which is removed when the test ends. Its clock is the system's. */
export type MakeRecordStore = (t: TestContext) => Promise<RecordStore>;

/** The tests that every `RecordStore` passes. */
export function recordStoreContract(name: string, make: MakeRecordStore): void {
  describe(`${name} is a store of records`, () => {
    describe('records', () => storedRecords(make));
    describe('the names of records', () => namesOfRecords(make));
    describe('what is listed', () => listedRecords(make));
  });
}

function storedRecords(make: MakeRecordStore): void {
  test('a record that was never written is none', async (t) => {
    const records = await make(t);
    assert.equal(await records.getRecord('app/_tags/latest'), undefined);
    assert.equal(await records.removeRecord('app/_tags/latest'), false);
  });

  test('a record is read as it was written, whatever its bytes', async (t) => {
    const records = await make(t);
    const all = Uint8Array.from({ length: 70_000 }, (_, index) => index % 251);
    for (const bytes of [utf8('{"digest":"sha256:…"}'), utf8(''), all]) {
      await records.putRecord('app/_tags/latest', bytes);
      assert.deepEqual(new Uint8Array((await records.getRecord('app/_tags/latest'))!), bytes);
    }
  });

  test('what was written does not change with the bytes that were handed in', async (t) => {
    const records = await make(t);
    const bytes = utf8('as it was');
    await records.putRecord('app/_tags/latest', bytes);
    bytes.fill(0);
    assert.equal(await read(records, 'app/_tags/latest'), 'as it was');
  });

  test('a removed record is none, and can be written again', async (t) => {
    const records = await make(t);
    await records.putRecord('app/_tags/latest', utf8('first'));
    assert.equal(await records.removeRecord('app/_tags/latest'), true);
    assert.equal(await records.getRecord('app/_tags/latest'), undefined);
    assert.equal(await records.removeRecord('app/_tags/latest'), false);
    await records.putRecord('app/_tags/latest', utf8('second'));
    assert.equal(await read(records, 'app/_tags/latest'), 'second');
  });

  test('of those that are written at once to one name one stands, as a whole', async (t) => {
    const records = await make(t);
    const texts = Array.from({ length: 16 }, (_, index) => `${index}`.repeat(500 + index));
    await Promise.all(texts.map((text) => records.putRecord('new/app/_tags/latest', utf8(text))));
    assert(texts.includes((await read(records, 'new/app/_tags/latest'))!));
  });

  test('several are written together, after what they wait for', async (t) => {
    const records = await make(t);
    const names = ['app/_manifests/sha256/0a', 'app/_tags/latest', 'app/_tags/v1'];
    const all = names.map((name) => ({ name, bytes: utf8(name) }));
    const stored = Promise.withResolvers<void>();
    const written = records.putRecords(all, stored.promise);
    assert.deepEqual(await list(records), []);
    stored.resolve();
    await written;
    for (const name of names) assert.equal(await read(records, name), name);
    await records.putRecords([]);
  });

  test('several of which one may not be, or whose condition fails, are not written', async (t) => {
    const records = await make(t);
    const all = [{ name: 'app/_tags/latest', bytes: utf8('x') }];
    const failure = new Error('no');
    await assert.rejects(records.putRecords(all, Promise.reject(failure)), failure);
    const wrong = [...all, { name: '../x', bytes: utf8('x') }];
    await assert.rejects(records.putRecords(wrong, Promise.reject(failure)), /Cannot name a record/);
    assert.deepEqual(await list(records), []);
  });

  test('many can be written at once, also into folders that are new', async (t) => {
    const records = await make(t);
    const names = Array.from({ length: 50 }, (_, index) => `team${index % 3}/app${index % 7}/_tags/v${index}`);
    await Promise.all(names.map((name) => records.putRecord(name, utf8(name))));
    for (const name of names) assert.equal(await read(records, name), name);
  });
}

function namesOfRecords(make: MakeRecordStore): void {
  test('names that differ in case only are of two records', async (t) => {
    const records = await make(t);
    const names = [
      'app/_tags/latest',
      'app/_tags/Latest',
      'app/_tags/LATEST',
      'app/_tags/lateST',
      'app/_tags/V1.0-RC1',
    ];
    for (const name of names) await records.putRecord(name, utf8(name));
    for (const name of names) assert.equal(await read(records, name), name);
    assert.deepEqual((await list(records)).map(({ name }) => name).sort(), names.toSorted());
    assert.equal(await records.removeRecord('app/_tags/Latest'), true);
    assert.equal(await read(records, 'app/_tags/latest'), 'app/_tags/latest');
    assert.equal(await records.getRecord('app/_tags/Latest'), undefined);
  });

  test('the longest names that a registry has are names of records', async (t) => {
    const records = await make(t);
    const names = [
      `${'a'.repeat(255)}/_tags/${'Z'.repeat(128)}`,
      `${'a/'.repeat(127)}a/_manifests/sha512/${'f'.repeat(128)}`,
      `a/_tags/${'aB'.repeat(64)}`,
      `a/_tags/_-.${'9'.repeat(125)}`,
    ];
    for (const name of names) await records.putRecord(name, utf8(name));
    assert.deepEqual((await list(records)).map(({ name }) => name).sort(), names.toSorted());
  });

  test('a name that is none is refused, and nothing is written, read or removed', async (t) => {
    const records = await make(t);
    const long = ['a'.repeat(256), 'A'.repeat(129), `${'a/'.repeat(600)}a`];
    const odd = ['a b', 'a\0', 'a\n', 'ä', 'a\\b', 'a:b', 'a=8', 'a%2fb', 'a+b', '~a', '*'];
    for (const name of ['', '/', '/a', 'a/', 'a//b', '.', '..', 'a/../b', '../a', 'a/.b', '.new/a', ...odd, ...long]) {
      const isRefused = /^Error: Cannot name a record/;
      await assert.rejects(records.putRecord(name, utf8('x')), isRefused, name);
      await assert.rejects(records.getRecord(name), isRefused, name);
      await assert.rejects(records.removeRecord(name), isRefused, name);
    }
    assert.deepEqual(await list(records), []);
  });

  test('a name is not that of a record and of what is above another', async (t) => {
    const records = await make(t);
    await records.putRecord('app/_tags/latest', utf8('it stays'));
    await assert.rejects(records.putRecord('app/_tags', utf8('above')));
    await assert.rejects(records.putRecord('app/_tags/latest/deeper', utf8('below')));
    assert.deepEqual(await list(records), [{ name: 'app/_tags/latest', text: 'it stays' }]);
  });
}

function listedRecords(make: MakeRecordStore): void {
  test('every record is listed once, with its bytes and the time of its writing', async (t) => {
    const records = await make(t);
    assert.deepEqual(await list(records), []);
    const expected = [];
    for (let index = 0; index < 100; index++) {
      const repository = `team${index % 10}/app`;
      const hex = digestOf(utf8(`${index}`)).slice('sha256:'.length);
      const name = index % 2 === 0 ? `${repository}/_tags/V${index}` : `${repository}/_manifests/sha256/${hex}`;
      expected.push({ name, text: `record ${index}` });
    }
    await Promise.all(expected.map(({ name, text }) => records.putRecord(name, utf8(text))));
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
    assert.deepEqual((await list(records)).sort(byName), expected.sort(byName));
    for await (const { writtenAtMs } of records.listRecords()) {
      assert(Math.abs(writtenAtMs - Date.now()) < 60_000, `${writtenAtMs} is about now`);
    }
  });

  test('only what is wanted is listed, when that is said', async (t) => {
    const records = await make(t);
    for (let index = 0; index < 40; index++) await records.putRecord(`app/_tags/v${index}`, utf8('x'));
    const names: string[] = [];
    for await (const { name } of records.listRecords((wanted) => wanted.endsWith('7'))) names.push(name);
    assert.deepEqual(names.sort(), ['app/_tags/v17', 'app/_tags/v27', 'app/_tags/v37', 'app/_tags/v7']);
  });

  test('records may be removed while they are listed', async (t) => {
    const records = await make(t);
    for (let index = 0; index < 40; index++) await records.putRecord(`app/_tags/v${index}`, utf8('x'));
    for await (const { name } of records.listRecords()) await records.removeRecord(name);
    assert.deepEqual(await list(records), []);
  });

  test('a list may be left before its end', async (t) => {
    const records = await make(t);
    for (let index = 0; index < 40; index++) await records.putRecord(`app/_tags/v${index}`, utf8('x'));
    for await (const { name } of records.listRecords()) {
      assert.match(name, /^app\/_tags\/v\d+$/);
      break;
    }
    assert.equal((await list(records)).length, 40);
  });
}

async function read(records: RecordStore, name: string): Promise<string | undefined> {
  const bytes = await records.getRecord(name);
  return bytes && Buffer.from(bytes).toString();
}

async function list(records: RecordStore): Promise<{ name: string; text: string }[]> {
  const listed = [];
  for await (const { name, bytes } of records.listRecords()) listed.push({ name, text: Buffer.from(bytes).toString() });
  return listed;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
