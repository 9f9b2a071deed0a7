import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Digest, hexOf } from '../../../src/oci/digest.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { takeBytes } from '../../support/http/body-reader.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { rawFetch, rawRequest } from '../../support/http/raw-http.ts';
import { type ChildCache, startChildCache } from '../../support/stages/child-cache.ts';
import { repository } from '../../support/stages/stage.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const mebibyte = 1024 * 1024;
const downloadCount = 200; // as many as go on at a time
const downloadBytes = 2 * mebibyte;
const slowCount = 500;
const slowBytes = 6 * mebibyte; // more than the system keeps for a client that does not read
const readOnCount = 25; // of the slow, so that the test is over soon; the others leave

/**
 * What may be in memory at most, in MiB:
 *   the process at rest, with its threads and code                               150
 *   blocks of 200 downloads, 4 of 1 MiB for the first 4 and 4 of 128 KiB each    114
 *   buffers of 700 readers, 2 of 64 KiB each beyond the first 40 (40 MiB)        123
 *   700 connections from clients and 200 to upstream, with what parses them       45
 *   garbage that was not yet collected, and what the allocator keeps               170
 * What must not be in memory: 400 MiB of downloads, and 3 GiB that the slow have not taken.
 */
const maxResidentBytes = 602 * mebibyte;

const notLinux = existsSync('/proc/self/status') ? false : 'only Linux tells of the memory of another process';

test('200 downloads and 500 slow clients take bounded memory, and leave no descriptor', {
  skip: notLinux,
}, async (t) => {
  const origin = await startTestRegistry();
  t.after(() => origin.close());
  const put = (count: number, seed: string, sizeBytes: number) =>
    Array.from({ length: count }, (_, index) => origin.content.putGenerated(repository, `${seed} ${index}`, sizeBytes));
  const [slow, downloads] = [put(5, 'slow', slowBytes), put(downloadCount, 'download', downloadBytes)];
  const child = await startChildCache(t, join(tmpDir(t), 'data'), origin);
  const request = (digest: Digest) => rawRequest(`${child.url}/v2/${repository}/blobs/${digest}`);
  const [first] = put(1, 'first', downloadBytes);
  await assertWhole(await request(first!), first!);
  // Connections to upstream stay open for a while, to be used again.
  const used = () => descriptors(child) - origin.connectionsOpen;
  const atRest = used();

  // Nobody reads on of these, until the end.
  const stuck = await Promise.all(Array.from({ length: slowCount }, (_, index) => request(slow[index % 5]!)));
  const gate = origin.faults.stallAfterBytes('GET blob', mebibyte, { times: downloadCount });
  const messages = await Promise.all(downloads.map((digest) => request(digest)));
  const begun = await Promise.all(messages.map((message) => takeBytes(message, mebibyte / 2)));
  assert.deepEqual(await inFlight(child), downloadCount);
  gate.release();
  await Promise.all(messages.map((message, index) => assertWhole(message, downloads[index]!, begun[index]!)));
  await child.log.waitFor('blob stored', 1 + 5 + downloadCount);

  for (const message of stuck.slice(readOnCount)) message.destroy();
  await Promise.all(stuck.slice(0, readOnCount).map((message, index) => assertWhole(message, slow[index % 5]!)));
  const peakBytes = residentPeak(child);
  t.diagnostic(`peak ${Math.round(peakBytes / mebibyte)} MiB`);
  assert.ok(peakBytes < maxResidentBytes, `${Math.round(peakBytes / mebibyte)} MiB at the peak`);

  await child.log.waitFor('request', 1 + slowCount + downloadCount);
  while (used() > atRest) {
    t.signal.throwIfAborted();
    await rawFetch(`${child.url}/healthz`);
  }
});

/** Reads what is left of an answer, and sees that the whole has the digest. */
async function assertWhole(
  message: IncomingMessage,
  digest: Digest,
  begun: Uint8Array = Buffer.alloc(0),
): Promise<void> {
  assert.equal(message.statusCode, 200);
  const hash = createHash('sha256').update(begun);
  message.on('data', (piece: Buffer) => hash.update(piece));
  await once(message, 'end');
  assert.equal(hash.digest('hex'), hexOf(digest));
}

async function inFlight({ url }: ChildCache): Promise<number> {
  const { body } = await rawFetch(`${url}/metrics`);
  return parsePrometheusText(body.toString()).value('entrepot_downloads_in_flight');
}

/** The largest share of the memory that a process has had. */
function residentPeak({ pid }: ChildCache): number {
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  assert.ok(kibibytes, 'the system tells of the peak');
  return Number(kibibytes) * 1024;
}

function descriptors({ pid }: ChildCache): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
