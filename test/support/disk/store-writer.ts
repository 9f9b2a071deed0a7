import { randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import { digestOf } from '../../../src/oci/digest.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import { type FileStores, openFileStores } from '../../../src/store/files/fs.ts';

// A process that writes uploads and records until it is killed: `node store-writer.ts FOLDER FIRST`. What it
// prints is acknowledged, a line each: `record NAME NUMBER`, `removed NAME`, `blob DIGEST`; or begun: `removing NAME`.

const [folder = '', first = ''] = process.argv.slice(2);
const repository = parseRepository('team/app');
const recordBytes = 9000; // some blocks of the disk, so that a half could be seen
const names = ['app/_tags/latest', 'app/_tags/Latest', 'team/deep/app/_tags/v1', 'team/app/_manifests/sha256/0a'];

/** A record's bytes say which it is, from the first to the last. */
function recordOf(number: number): Buffer {
  return Buffer.alloc(recordBytes, `${number};`);
}

// In one call of the system, and before anything else is done: what was printed was acknowledged.
function acknowledge(line: string): void {
  writeSync(1, `${line}\n`);
}

async function writeRecords({ records }: FileStores, name: string): Promise<never> {
  for (let number = Number(first); ; number++) {
    await records.putRecord(name, recordOf(number));
    acknowledge(`record ${name} ${number}`);
    if (randomInt(10) > 0) continue;
    acknowledge(`removing ${name}`);
    await records.removeRecord(name);
    acknowledge(`removed ${name}`);
  }
}

async function writeUploads({ uploads }: FileStores, writer: number): Promise<never> {
  for (let number = Number(first); ; number++) {
    const bytes = Buffer.alloc(randomInt(1, 200_000), `${writer}.${number};`);
    let upload = await uploads.beginUpload(repository);
    const cut = randomInt(bytes.length);
    await upload.append(bytes.subarray(0, cut));
    await upload.close();
    upload = (await uploads.openUpload(upload.id))!;
    await upload.append(bytes.subarray(cut));
    const digest = digestOf(bytes);
    await upload.commit(digest);
    acknowledge(`blob ${digest}`);
    await upload.close();
  }
}

const stores = await openFileStores(folder);
const writers = [0, 1, 2].map((writer) => writeUploads(stores, writer));
await Promise.all([...names.map((name) => writeRecords(stores, name)), ...writers]);
