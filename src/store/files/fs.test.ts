import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { blobStoreContract } from '../../../test/contract/blob-store-contract.ts';
import { type Digest, digestOf, hexOf } from '../../oci/digest.ts';
import type { BlobStore } from '../blob-store.ts';
import { syncFolder } from '../folders/folder.ts';
import { type FileStoreOptions, openFileStores } from './fs.ts';

blobStoreContract('openFileStores()', async (t) => openFileStore(await temporaryFolder(t)));

const hourMs = 60 * 60 * 1000;
const bytes = new TextEncoder().encode('the bytes of a layer');
const digest = digestOf(bytes);

describe('the layout of a file store', () => {
  test('a blob is a file by its digest, and the spool is empty after the commit', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFileStore(folder);
    const long = digestOf(bytes, 'sha512');
    await storeBlob(store, digest);
    await storeBlob(store, long);
    for (const [algorithm, hex] of [
      ['sha256', hexOf(digest)],
      ['sha512', hexOf(long)],
    ] as const) {
      const path = join(folder, 'blobs-v1', algorithm, hex.slice(0, 2), hex);
      assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
    }
    assert.deepEqual(await spoolNames(folder), []);
    assert.deepEqual((await readdir(folder)).sort(), ['blobs-v1', 'records-v1', 'spool-v1', 'uploads-v1']);
  });

  test('what is committed replaces what is there, which may have rotted; whoever reads that goes on', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFileStore(folder);
    await storeBlob(store, digest);
    const path = join(folder, 'blobs-v1', 'sha256', hexOf(digest).slice(0, 2), hexOf(digest));
    const rotten = bytes.map((byte) => byte ^ 1);
    await writeFile(path, rotten);
    const reader = (await store.open(digest))!;
    await storeBlob(store, digest);
    assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
    const read = new Uint8Array(bytes.length);
    await reader.read(read, 0);
    assert.deepEqual(read, rotten);
    await reader.close();
  });

  test('a growing blob is a file of its own that only its owner reads', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFileStore(folder);
    const writer = await store.create(digest);
    const other = await store.create(digest);
    const names = await spoolNames(folder);
    const [lock, ...parts] = names.sort((a, b) => a.length - b.length);
    assert.match(lock!, /^[0-9a-f]{8}\.lock$/);
    assert.equal(parts.length, 2);
    for (const name of names) assert.equal((await stat(join(folder, 'spool-v1', name))).mode & 0o777, 0o600);
    for (const name of parts) {
      assert.match(name, new RegExp(`^${hexOf(digest)}\\.[0-9a-f]{16}\\.part$`));
    }
    await writer.close();
    await other.close();
    assert.deepEqual(await spoolNames(folder), []);
  });

  test('files that are no blobs are not listed, and stay', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFileStore(folder);
    await storeBlob(store, digest);
    const shard = dirname(blobFile(folder, digest));
    const elsewhere = join(folder, 'blobs-v1', 'sha256', 'zz');
    const strays = [
      join(folder, 'blobs-v1', 'README'),
      join(folder, 'blobs-v1', 'sha256', 'lost'),
      join(shard, 'notes.txt'),
      join(shard, `${hexOf(digest)}.bak`),
      join(elsewhere, hexOf(digest)),
    ];
    await mkdir(elsewhere);
    await mkdir(join(shard, hexOf(digest).slice(0, 2).padEnd(64, '0')));
    for (const stray of strays) await writeFile(stray, 'stray');
    const listed = [];
    for await (const entry of store.list()) listed.push(entry);
    const { mtimeMs } = await stat(blobFile(folder, digest));
    assert.deepEqual(listed, [{ digest, sizeBytes: bytes.length, writtenAtMs: mtimeMs }]);
    for (const stray of strays) assert.equal(await readFile(stray, 'utf8'), 'stray');
  });

  test('files that belong to no layout are the leftovers, and can be removed; what is in other folders is not', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFileStore(folder);
    await storeBlob(store, digest);
    const writer = await store.create(digest);
    const shard = dirname(blobFile(folder, digest));
    const elsewhere = join(folder, 'blobs-v1', 'lost+found');
    const wrongShard = join(folder, 'blobs-v1', 'sha256', hexOf(digest).startsWith('00') ? '01' : '00');
    await mkdir(elsewhere);
    await mkdir(wrongShard);
    const leftovers = [
      join(folder, 'blobs-v1', 'README'),
      join(folder, 'blobs-v1', 'sha256', 'lost'),
      join(shard, 'notes.txt'),
      join(wrongShard, hexOf(digest)),
      join(folder, 'spool-v1', 'notes.part'),
    ];
    for (const path of [...leftovers, join(elsewhere, 'kept'), join(folder, 'kept')]) await writeFile(path, 'left');
    const listed = [];
    for await (const leftover of store.listLeftovers()) {
      listed.push(leftover.path);
      assert.deepEqual([leftover.sizeBytes, leftover.writtenAtMs], [4, (await stat(leftover.path)).mtimeMs]);
      await leftover.remove();
      await leftover.remove();
    }
    assert.deepEqual(listed.sort(), leftovers.sort());
    for await (const { path } of store.listLeftovers()) assert.fail(path);
    assert.equal(await store.size(digest), bytes.length);
    assert.equal((await spoolNames(folder)).length, 2); // the writer's, and its lock
    for (const path of [join(elsewhere, 'kept'), join(folder, 'kept')])
      assert.equal(await readFile(path, 'utf8'), 'left');
    await writer.close();
  });

  test('it goes on after its folder was emptied', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFileStore(folder);
    await storeBlob(store, digest);
    await rm(join(folder, 'blobs-v1'), { recursive: true });
    await rm(join(folder, 'spool-v1'), { recursive: true });
    assert.equal(await store.size(digest), undefined);
    await storeBlob(store, digest);
    assert.equal(await store.size(digest), bytes.length);
    await rm(join(folder, 'spool-v1'), { recursive: true });
    await store.put(digest, bytes);
    assert.equal(await store.size(digest), bytes.length);
  });

  test('whoever stores many blobs makes all folders for them at once, and they may be removed again', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFileStore(folder);
    const top = join(folder, 'blobs-v1', 'sha256');
    const counts = new Set<number>();
    for (let index = 0; index < 40; index++) {
      const blob = new TextEncoder().encode(`blob ${index}`);
      await store.put(digestOf(blob), blob);
      counts.add((await readdir(top)).length);
    }
    assert.deepEqual([...counts], [...Array.from({ length: 15 }, (_, index) => index + 1), 256]);
    await rm(top, { recursive: true });
    await store.put(digest, bytes);
    assert.deepEqual(await readdir(top), [hexOf(digest).slice(0, 2)]);
  });

  test('a blob that was cut short on the disk is replaced when it is written again', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFileStore(folder);
    await storeBlob(store, digest);
    await truncate(blobFile(folder, digest), 3);
    await storeBlob(store, digest);
    assert.equal(await store.size(digest), bytes.length);
  });
});

describe('a file store after a crash, and beside another process', () => {
  test('a writer that lives keeps its spool, though another store is opened and it is asked for', async (t) => {
    const folder = await temporaryFolder(t);
    const writer = await (await openFileStore(folder)).create(digest);
    await writer.write(bytes.subarray(0, 5), 0);
    const names = await spoolNames(folder);
    const store = await openFileStore(folder, { clock: { now: () => Date.now() + 48 * hourMs } });
    assert.equal(await store.resume(digest), undefined);
    assert.deepEqual(await spoolNames(folder), names);
    await writer.write(bytes.subarray(5), 5);
    await writer.commit();
    await writer.close();
    assert.deepEqual(new Uint8Array(await readFile(blobFile(folder, digest))), bytes);
    assert.deepEqual(await spoolNames(folder), []);
  });

  test('what a process wrote before it was killed is taken over by the next, by one of them only', async (t) => {
    const folder = await temporaryFolder(t);
    await writeInKilledProcess(folder);
    assert.equal((await spoolNames(folder)).length, 2); // with its lock
    const stores = await Promise.all([openFileStore(folder), openFileStore(folder)]);
    assert.equal(await stores[0].size(digest), undefined);
    assert.deepEqual(await spoolNames(folder), [`${hexOf(digest)}.kept`]);
    const partials = await Promise.all(stores.map((store) => store.resume(digest)));
    const [partial, ...others] = partials.filter((taken) => taken !== undefined);
    assert.deepEqual(others, []);
    assert.equal(partial?.sizeBytes, 5);
    await partial.writer.write(bytes.subarray(5), 5);
    await partial.writer.commit();
    await partial.writer.close();
    assert.deepEqual(new Uint8Array(await readFile(blobFile(folder, digest))), bytes);
    assert.deepEqual(await spoolNames(folder), []);
  });

  test('what writers left is removed after a day, and nothing else is', async (t) => {
    const folder = await temporaryFolder(t);
    await openFileStore(folder);
    const nowMs = 1_750_000_000_000;
    const oldLong = `${hexOf(digestOf(bytes, 'sha512'))}.0123456789abcdef.part`;
    const young = `${hexOf(digest)}.fedcba9876543210.part`;
    const othersDigest = hexOf(digestOf(new Uint8Array(1)));
    const old = `${othersDigest}.kept`;
    const others = ['notes.part', `${hexOf(digest)}.part`, `${old}.bak`, `x${old}`];
    for (const name of [old, oldLong, young, ...others]) {
      const path = join(folder, 'spool-v1', name);
      await writeFile(path, 'left over');
      const at = new Date(nowMs - (name === young ? 23 : 25) * hourMs);
      await utimes(path, at, at);
    }
    const clock = { nowMs, now: () => clock.nowMs };
    const store = await openFileStore(folder, { clock });
    const kept = `${hexOf(digest)}.kept`;
    assert.deepEqual(await spoolNames(folder), [kept, ...others].sort());
    clock.nowMs += 0.5 * hourMs;
    await (await store.create(digest)).close();
    assert.deepEqual(await spoolNames(folder), [kept, ...others].sort());
    clock.nowMs += hourMs;
    await (await store.create(digest)).close();
    assert.deepEqual(await spoolNames(folder), others.sort());
  });

  test('what writers left and cannot be removed is in no writer’s way', async (t) => {
    const folder = await temporaryFolder(t);
    const clock = { nowMs: Date.now(), now: () => clock.nowMs };
    const store = await openFileStore(folder, { clock });
    const odd = `${hexOf(digestOf(new Uint8Array(1)))}.kept`;
    await symlink(odd, join(folder, 'spool-v1', odd)); // which nobody can follow
    clock.nowMs += 2 * hourMs;
    const writer = await store.create(digest);
    await writer.write(bytes, 0);
    await writer.close({ keep: true });
    assert.deepEqual(await spoolNames(folder), [`${hexOf(digest)}.kept`, odd].sort());
    assert.equal((await store.resume(digest))?.sizeBytes, bytes.length);
  });

  test('what was left half written in one go is removed at a start when it is old, and is no leftover before', async (t) => {
    const folder = await temporaryFolder(t);
    await openFileStore(folder);
    const [old, young] = ['0', '1'].map((digit) => join(folder, 'spool-v1', `${digit.repeat(32)}.new`));
    for (const path of [old!, young!]) await writeFile(path, 'ha');
    await utimes(old!, Date.now() / 1000, (Date.now() - 2 * hourMs) / 1000);
    const store = await openFileStore(folder);
    assert.deepEqual(await spoolNames(folder), [`${'1'.repeat(32)}.new`]);
    for await (const { path } of store.listLeftovers()) assert.fail(path);
  });

  test('of what writers left no more is kept than may be, the youngest first', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFileStore(folder, { maxPartialBytes: 2 * bytes.length });
    const names = ['first', 'second', 'third'].map((text) => digestOf(new TextEncoder().encode(text)));
    for (const [index, name] of names.entries()) {
      const writer = await store.create(name);
      await writer.write(bytes, 0);
      const [path] = (await spoolNames(folder)).filter((file) => file.endsWith('.part'));
      await utimes(join(folder, 'spool-v1', path!), 1000 + index, Date.now() / 1000 - 100 + index);
      await writer.close({ keep: true });
    }
    assert.deepEqual(
      await spoolNames(folder),
      names
        .slice(1)
        .map((name) => `${hexOf(name)}.kept`)
        .sort(),
    );
    assert.deepEqual(await store.partials(), { count: 2, sizeBytes: 2 * bytes.length });
  });

  test('what one store commits the other reads, lists and removes', async (t) => {
    const folder = await temporaryFolder(t);
    const [here, there] = [await openFileStore(folder), await openFileStore(folder)];
    await storeBlob(here, digest);
    assert.equal(await there.size(digest), bytes.length);
    assert.equal(await there.remove(digest), true);
    assert.equal(await here.size(digest), undefined);
  });

  test('both may write and commit one blob at the same time', async (t) => {
    const folder = await temporaryFolder(t);
    const stores = await Promise.all([openFileStore(folder), openFileStore(folder)]);
    await Promise.all(stores.map((store) => storeBlob(store, digest)));
    assert.deepEqual(new Uint8Array(await readFile(blobFile(folder, digest))), bytes);
    assert.deepEqual(await spoolNames(folder), []);
  });
});

describe('a failing file store', () => {
  const noMount = canMount() ? false : 'mounting a small file system needs the right CAP_SYS_ADMIN';
  test('a full disk is ENOSPC, and what was written stays readable', { skip: noMount }, async (t) => {
    const store = await openFileStore(mountTinyFileSystem(t));
    const much = Buffer.alloc(1024 * 1024, 'much');
    const writer = await store.create(digestOf(much));
    await assert.rejects(writer.write(much, 0), { code: 'ENOSPC', message: /^Cannot write ".*\.part": no space left/ });
    const readBack = Buffer.alloc(much.length);
    const count = await writer.read(readBack, 0);
    assert(count > 0 && count < much.length, `${count} bytes were written before the disk was full`);
    assert(readBack.subarray(0, count).equals(much.subarray(0, count)));
    await writer.close();
    await storeBlob(store, digest); // the space is free again
    assert.equal(await store.size(digest), bytes.length);
  });

  test('a folder that may not be entered is EACCES, never "not stored"', async (t) => {
    const folder = await temporaryFolder(t);
    await chmod(folder, 0o755); // whoever the test becomes reaches the store in it
    const store = await openFileStore(folder);
    await storeBlob(store, digest);
    await chmod(dirname(blobFile(folder, digest)), 0o000);
    await asOrdinaryUser(async () => {
      await assert.rejects(store.size(digest), { code: 'EACCES' });
      await assert.rejects(store.open(digest), { code: 'EACCES' });
      await assert.rejects(store.remove(digest), { code: 'EACCES' });
      await assert.rejects(store.list()[Symbol.asyncIterator]().next(), { code: 'EACCES' });
    });
    await chmod(dirname(blobFile(folder, digest)), 0o700);
  });

  test('a file in the place of a folder is ENOTDIR, never "not stored"', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFileStore(folder);
    await writeFile(dirname(blobFile(folder, digest)), 'in the way');
    await assert.rejects(store.size(digest), { code: 'ENOTDIR' });
    await assert.rejects(store.open(digest), { code: 'ENOTDIR' });
    await assert.rejects(store.remove(digest), { code: 'ENOTDIR' });
  });

  test('a folder in the place of a blob is EISDIR, and no blob', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFileStore(folder);
    await mkdir(blobFile(folder, digest), { recursive: true });
    await assert.rejects(store.size(digest), { code: 'EISDIR' });
    await assert.rejects(store.open(digest), { code: 'EISDIR' });
    await assert.rejects(storeBlob(store, digest), { code: 'EISDIR' });
    assert.deepEqual(await spoolNames(folder), []);
  });

  test('a blob that cannot be stored in one call leaves nothing', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFileStore(folder);
    await writeFile(dirname(blobFile(folder, digest)), 'in the way');
    await assert.rejects(store.put(digest, bytes), { code: 'ENOTDIR' });
    assert.deepEqual(await spoolNames(folder), []);
  });

  test('a commit that fails leaves the blob readable, and nothing after it is closed', async (t) => {
    const folder = await temporaryFolder(t);
    const store = await openFileStore(folder);
    await writeFile(dirname(blobFile(folder, digest)), 'in the way');
    const writer = await store.create(digest);
    await writer.write(bytes, 0);
    await assert.rejects(writer.commit(), { code: 'ENOTDIR' });
    const buffer = new Uint8Array(bytes.length);
    assert.equal(await writer.read(buffer, 0), bytes.length);
    assert.deepEqual(buffer, bytes);
    await writer.close();
    assert.deepEqual(await spoolNames(folder), []);
  });

  test('a store that cannot be opened says where, and keeps the code', async (t) => {
    const file = join(await temporaryFolder(t), 'file');
    await writeFile(file, '');
    await assert.rejects(openFileStore(file), {
      code: 'ENOTDIR',
      message: `Cannot open the store "${file}": not a directory (ENOTDIR)`,
    });
  });

  test('what was closed gives no bytes, though its descriptor may be of another file', async (t) => {
    const store = await openFileStore(await temporaryFolder(t));
    await storeBlob(store, digest);
    const blob = await store.open(digest);
    assert(blob);
    await blob.close();
    const next = await store.open(digest); // takes the number of the descriptor that is free
    await assert.rejects(blob.read(new Uint8Array(4), 0), { message: /^Cannot read .* it was closed before$/ });
    await assert.rejects(blob.close(), { message: /^Cannot close .* it was closed before$/ });
    await next?.close();
  });
});

const notLinux = process.platform === 'linux' ? false : 'only Linux shows open files in /proc';

test('no file stays open after everything was closed', { skip: notLinux }, async (t) => {
  const folder = await temporaryFolder(t);
  const store = await openFileStore(folder);
  await storeBlob(store, digest);
  await (await store.create(digest)).close();
  await (await store.open(digest))?.close();
  for await (const _ of store.list()) break; // a list that is left early
  assert.deepEqual(openFilesBelow(folder), []);
  const blob = await store.open(digest);
  assert.deepEqual(openFilesBelow(folder), [blobFile(folder, digest)]);
  await blob?.close();
});

test('a file system that cannot sync folders is no failure', { skip: notLinux }, async () => {
  await syncFolder('/proc'); // where it is EINVAL
  await assert.rejects(syncFolder('/proc/missing'), { code: 'ENOENT' });
});

async function openFileStore(folder: string, options?: FileStoreOptions): Promise<BlobStore> {
  return (await openFileStores(folder, options)).store;
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-store-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** Writes the first bytes of the blob in a process that is killed then. */
async function writeInKilledProcess(folder: string): Promise<void> {
  const module = JSON.stringify(new URL('./fs.ts', import.meta.url));
  const script = `
    const { openFileStores } = await import(${module});
    const writer = await (await openFileStores(${JSON.stringify(folder)})).store.create(${JSON.stringify(digest)});
    await writer.write(Buffer.from('${Buffer.from(bytes.subarray(0, 5)).toString('hex')}', 'hex'), 0);
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'ignore' });
  const [, signal] = await once(child, 'exit');
  assert.equal(signal, 'SIGKILL');
}

async function storeBlob(store: BlobStore, name: Digest): Promise<void> {
  const writer = await store.create(name);
  try {
    await writer.write(bytes, 0);
    await writer.commit();
  } finally {
    await writer.close();
  }
}

function blobFile(folder: string, name: Digest): string {
  return join(folder, 'blobs-v1', 'sha256', hexOf(name).slice(0, 2), hexOf(name));
}

async function spoolNames(folder: string): Promise<string[]> {
  return (await readdir(join(folder, 'spool-v1'))).sort();
}

function openFilesBelow(folder: string): string[] {
  const targets = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      return ''; // the descriptor that the list was read by
    }
  });
  return targets.filter((target) => target.startsWith(folder));
}

// Root may enter every folder, so a test that is run by root becomes somebody else for a moment.
async function asOrdinaryUser(action: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65534);
  try {
    await action();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

// The right to mount, not the user, decides: root in a container has often lost it.
function canMount(): boolean {
  if (process.platform !== 'linux') return false;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  const sysAdminBit = 21n;
  return (BigInt(`0x${effective}`) >> sysAdminBit) % 2n === 1n;
}

function mountTinyFileSystem(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-tiny-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  t.after(() => {
    execFileSync('umount', ['-l', folder]);
    rmdirSync(folder);
  });
  return folder;
}
