import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSqliteIndex } from '../../src/index/sqlite/sqlite.ts';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { blobPath, shardFolder, storeFolders } from '../../src/store/files/fs-layout.ts';

/** A data folder that looks as if images had been pulled for months. */
export interface FilledData {
  readonly contents: number;
  readonly sizeBytes: number;
}

const blobsPerImage = 9;
const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const usedAtMs = Date.UTC(2026, 0, 1); // long ago, so that what is pulled now stays

/**
 * Fills a data folder with images of small blobs, with files and index as Entrepot itself leaves them, only without
 * waiting for the disk after each.
 */
export async function fillData(data: string, contents: number, blobBytes: number): Promise<FilledData> {
  mkdirSync(data, { recursive: true });
  const folders = storeFolders(data);
  const index = openSqliteIndex(join(data, 'index-v1.sqlite'));
  let sizeBytes = 0;
  const put = async (key: Parameters<typeof index.link>[0], bytes: Buffer, mediaType?: string): Promise<Digest> => {
    const digest = digestOf(bytes);
    mkdirSync(shardFolder(folders, digest), { recursive: true });
    writeFileSync(blobPath(folders, digest), bytes);
    await index.putContent(digest, bytes.length, usedAtMs);
    await index.link(key, digest, mediaType, usedAtMs);
    sizeBytes += bytes.length;
    return digest;
  };
  try {
    for (let image = 0; image < contents / (blobsPerImage + 1); image++) {
      const key = { registry: 'origin.test', repository: parseRepository(`filled/image-${image}`) };
      const blobs: Digest[] = [];
      for (let at = 0; at < blobsPerImage; at++) blobs.push(await put(key, Buffer.alloc(blobBytes, `${image}/${at} `)));
      const [config, ...layers] = blobs.map((digest) => ({ digest, size: blobBytes }));
      const manifest = JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config, layers });
      await index.putReferences(await put(key, Buffer.from(manifest), manifestType), blobs);
    }
    return { contents: (await index.totals()).contents, sizeBytes };
  } finally {
    await index.close();
  }
}

/** How much content a data folder has, as its index tells, also while it is in use. */
export async function countContents(data: string): Promise<number> {
  const index = openSqliteIndex(join(data, 'index-v1.sqlite'));
  try {
    return (await index.totals()).contents;
  } finally {
    await index.close();
  }
}
