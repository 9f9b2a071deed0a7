import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { blockBytes, readHeader, writeHeader } from './header.ts';
import { readPax, writePax } from './pax.ts';
import { listTar, type ReadableFile } from './read-tar.ts';
import { TarWriter } from './write-tar.ts';

function fileOf(bytes: Buffer, sizeBytes = bytes.length): ReadableFile {
  const read = async (into: Uint8Array, position: number) => bytes.copy(into, 0, Math.min(position, bytes.length));
  return { sizeBytes, read };
}

async function write(files: readonly (readonly [string, Buffer])[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  const tar = new TarWriter(async (bytes) => void parts.push(Buffer.from(bytes)));
  for (const [name, bytes] of files) await tar.file(name, bytes.length, [bytes]);
  await tar.end();
  return Buffer.concat(parts);
}

async function read(bytes: Buffer): Promise<[string, Buffer][]> {
  const files: [string, Buffer][] = [];
  for await (const { name, position, sizeBytes } of listTar(fileOf(bytes))) {
    files.push([name, bytes.subarray(position, position + sizeBytes)]);
  }
  return files;
}

const name = fc.stringMatching(/^[a-z0-9./é-]{1,300}$/);

test('what is written is read again, whatever the names and sizes', async () => {
  const files = fc.array(
    fc.tuple(
      name,
      fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 5 },
  );
  await fc.assert(
    fc.asyncProperty(files, async (given) => {
      const archive = await write(given);
      assert.equal(archive.length % blockBytes, 0);
      assert.deepEqual(await read(archive), given);
    }),
    { numRuns: 60 },
  );
});

test('whatever bytes are given, reading ends, and gives nothing beyond them', async () => {
  const soup = fc.uint8Array({ maxLength: 4 * blockBytes }).map((bytes) => Buffer.from(bytes));
  const spoilt = fc.tuple(fc.nat(3 * blockBytes), fc.nat(255)).map(([at, value]) => ({ at, value }));
  const archive = await write([
    ['a'.repeat(120), Buffer.alloc(700, 7)],
    ['b', Buffer.from('b')],
  ]);
  const spoil = spoilt.map(({ at, value }) => {
    const bytes = Buffer.from(archive);
    bytes[at] = value;
    return bytes;
  });
  await fc.assert(
    fc.asyncProperty(fc.oneof(soup, spoil), async (bytes) => {
      try {
        for await (const { position, sizeBytes } of listTar(fileOf(bytes))) {
          assert.ok(sizeBytes >= 0 && position + sizeBytes <= bytes.length);
        }
      } catch (error) {
        assert.ok(error instanceof Error && !(error instanceof assert.AssertionError), String(error));
      }
    }),
  );
});

test('the records of a long name and of a size beyond eight GiB are read as they are written', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-zé/]{101,1100}$/),
      fc.integer({ min: 8 ** 11, max: Number.MAX_SAFE_INTEGER }),
      (path, sizeBytes) => {
        assert.deepEqual(readPax(writePax(path, sizeBytes)), { path, sizeBytes });
      },
    ),
  );
  assert.equal(writePax('short', 8 ** 11 - 1).length, 0);
});

test('a size beyond eight GiB is taken from its record, and from the binary form of GNU', async () => {
  const sizeBytes = 20 * 2 ** 30;
  const pax = writePax('big', sizeBytes);
  const header = writeHeader('big', 'file', 8 ** 11 - 1);
  const bytes = Buffer.concat([
    writeHeader('pax', 'pax', pax.length),
    pax,
    Buffer.alloc(blockBytes - pax.length),
    header,
  ]);
  const listed = [];
  for await (const entry of listTar(fileOf(bytes, bytes.length + sizeBytes))) listed.push(entry);
  assert.deepEqual(listed, [{ name: 'big', position: bytes.length, sizeBytes }]);
  const binary = writeHeader('big', 'file', 0);
  binary[124] = 0x80;
  binary.fill(0, 125, 136);
  binary.writeBigUInt64BE(BigInt(sizeBytes), 128);
  binary.fill(0x20, 148, 156);
  const sum = binary.reduce((total, byte) => total + byte, 0);
  binary.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  assert.equal(readHeader(binary)?.sizeBytes, sizeBytes);
});

test('what GNU tar writes is read, but for links, and it reads what is written here', async (t) => {
  const folder = tmpDir(t);
  const long = `${'deep/'.repeat(25)}file`;
  mkdirSync(join(folder, 'deep/'.repeat(25)), { recursive: true });
  writeFileSync(join(folder, long), 'long');
  writeFileSync(join(folder, 'short'), 'short');
  symlinkSync('/etc/passwd', join(folder, 'link'));
  for (const format of ['gnu', 'ustar', 'posix']) {
    const archive = join(folder, `${format}.tar`);
    execFileSync('tar', ['-cf', archive, `--format=${format}`, '-C', folder, 'short', 'link', 'deep']);
    const files = await read(readFileSync(archive));
    assert.deepEqual(
      files.map(([file, bytes]) => [file, bytes.toString()]),
      [
        ['short', 'short'],
        [long, 'long'],
      ],
      format,
    );
  }
  const ours = join(folder, 'ours.tar');
  writeFileSync(
    ours,
    await write([
      [long, Buffer.from('long')],
      ['x', Buffer.alloc(512, 1)],
    ]),
  );
  assert.equal(execFileSync('tar', ['-tf', ours]).toString(), `${long}\nx\n`);
  assert.equal(execFileSync('tar', ['-xOf', ours, long]).toString(), 'long');
});

test('an archive that breaks off, or says what cannot be, is refused', async () => {
  const archive = await write([['a', Buffer.alloc(1000, 1)]]);
  const wrong = Buffer.from(archive);
  wrong[0] = 0x62;
  const sparse = Buffer.from(archive);
  sparse.write('S', 156);
  sparse.fill(0x20, 148, 156);
  const sum = sparse.subarray(0, blockBytes).reduce((total, byte) => total + byte, 0);
  sparse.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const cases: [Buffer, RegExp][] = [
    [archive.subarray(0, 900), /ends in the middle of an entry/],
    [archive.subarray(0, 100), /ends in the middle of an entry/],
    [wrong, /wrong checksum/],
    [sparse, /sparse file, which is not supported/],
  ];
  for (const [bytes, problem] of cases) await assert.rejects(read(bytes), problem);
  await assert.rejects(
    write([]).then(() => new TarWriter(async () => {}).file('a', 2, [Buffer.from('abc')])),
    /another size/,
  );
});
