import type { TestBlob } from '../../support/content/images.ts';
import type { Asked, Asker, AskOptions } from '../ask.ts';
import type { Random } from '../random.ts';

/** What sends blobs. */
export interface BlobSender {
  ask(path: string, options: AskOptions): Promise<Asked>;
  readonly random: Random;
  /** Repositories that a blob may be mounted from, as the client thinks. */
  sourcesOf(blob: TestBlob): readonly string[];
}

/** A way to send a blob; whether it is acknowledged. Tried once: whoever calls it tries again, perhaps in another way. */
type Way = (sender: BlobSender, repository: string, blob: TestBlob) => Promise<boolean>;

const type = { 'content-type': 'application/octet-stream' };

/** Sends a blob in one of the ways that clients have; some look first whether it is there. */
export async function sendBlob(sender: BlobSender, repository: string, blob: TestBlob): Promise<boolean> {
  const { random } = sender;
  if (random.chance(0.4) && (await isThere(sender, repository, blob))) return true;
  return random.pick([atOnce, inPut, inPatch, inChunks, inChunks, byMount])(sender, repository, blob);
}

/** Sends it as it is, even if it is there: what is there may be damaged. */
export const inPut: Way = async (sender, repository, { digest, bytes }) => {
  const at = await begin(sender, repository);
  if (at === undefined) return false;
  const streamed = sender.random.chance(0.3);
  return isStatus(
    await sender.ask(withDigest(at, digest), { method: 'PUT', headers: type, body: bytes, streamed }),
    201,
  );
};

const atOnce: Way = async (sender, repository, { digest, bytes }) => {
  const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
  return isStatus(await sender.ask(path, { method: 'POST', headers: type, body: bytes }), 201);
};

const inPatch: Way = async (sender, repository, { digest, bytes }) => {
  const at = await begin(sender, repository);
  if (at === undefined) return false;
  const { random } = sender;
  // Some clients go away in the middle, and never come back.
  const breaks = random.chance(0.1) ? { breakAfterBytes: random.whole(0, bytes.length) } : {};
  const streamed = random.chance(0.7);
  const sent = await sender.ask(at, { method: 'PATCH', headers: type, body: bytes, streamed, ...breaks });
  const next = locationOf(sent, 202);
  return next !== undefined && finish(sender, next, digest);
};

const byMount: Way = async (sender, repository, blob) => {
  const { random } = sender;
  const sources = sender.sourcesOf(blob);
  const from = sources.length > 0 && random.chance(0.7) ? `&from=${random.pick(sources)}` : '';
  const path = `/v2/${repository}/blobs/uploads/?mount=${blob.digest}${from}`;
  const asked = await sender.ask(path, { method: 'POST', body: Buffer.alloc(0) });
  if (isStatus(asked, 201)) return true;
  const at = locationOf(asked, 202);
  if (at === undefined) return false;
  const options = { method: 'PUT', headers: type, body: blob.bytes } as const;
  return isStatus(await sender.ask(withDigest(at, blob.digest), options), 201);
};

/** In pieces that say where they belong; what breaks is gone on with where the registry says that it is. */
const inChunks: Way = async (sender, repository, { digest, bytes }) => {
  const { random } = sender;
  const chunkBytes = random.whole(Math.ceil(bytes.length / 6) || 1, bytes.length || 1);
  let at = await begin(sender, repository);
  let sentBytes = 0;
  for (let breaks = 0; at !== undefined && sentBytes < bytes.length; ) {
    const end = Math.min(sentBytes + chunkBytes, bytes.length);
    const body = bytes.subarray(sentBytes, end);
    const headers: Record<string, string> = { ...type, 'content-range': `${sentBytes}-${end - 1}` };
    const breakAfter = random.chance(0.1) ? { breakAfterBytes: random.whole(0, body.length) } : {};
    const asked: Asked = await sender.ask(at, { method: 'PATCH', headers, body, ...breakAfter });
    const next = locationOf(asked, 202);
    if (next !== undefined) {
      [at, sentBytes] = [next, end];
      continue;
    }
    if (++breaks > 5) return false;
    const state = await sender.ask(at, {});
    const arrived = /^0-(\d+)$/.exec(state.kind === 'whole' ? String(state.headers.range ?? '') : '')?.[1];
    if (!isStatus(state, 204) || arrived === undefined || arrived === '0') return false; // of which 0 says little
    sentBytes = Number(arrived) + 1;
  }
  return at !== undefined && finish(sender, at, digest);
};

async function begin(sender: BlobSender, repository: string): Promise<string | undefined> {
  const path = `/v2/${repository}/blobs/uploads/`;
  return locationOf(await sender.ask(path, { method: 'POST', body: Buffer.alloc(0) }), 202);
}

async function finish(sender: BlobSender, at: string, digest: string): Promise<boolean> {
  return isStatus(await sender.ask(withDigest(at, digest), { method: 'PUT', body: Buffer.alloc(0) }), 201);
}

async function isThere(sender: BlobSender, repository: string, { digest }: TestBlob): Promise<boolean> {
  return isStatus(await sender.ask(`/v2/${repository}/blobs/${digest}`, { method: 'HEAD' }), 200);
}

function withDigest(at: string, digest: string): string {
  return `${at}${at.includes('?') ? '&' : '?'}digest=${digest}`;
}

function locationOf(asked: Asked, status: number): string | undefined {
  return asked.kind === 'whole' && asked.status === status ? asked.headers.location : undefined;
}

/** Whether an answer came, and with this status. */
export function isStatus(asked: Awaited<ReturnType<Asker['ask']>>, status: number): boolean {
  return asked.kind === 'whole' && asked.status === status;
}
