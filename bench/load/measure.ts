import { execFile, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { BlobClientResult } from './blob-client.ts';
import type { Latencies } from './latency-client.ts';
import type { PushClientResult } from './push-client.ts';

const run = promisify(execFile);

/** Fetches a blob over so many connections at once, from a process of its own. */
export async function fetchBlob(url: string, connections: number): Promise<BlobClientResult> {
  const script = new URL('./blob-client.ts', import.meta.url).pathname;
  const { stdout } = await run(process.execPath, [script, url, String(connections)]);
  return JSON.parse(stdout) as BlobClientResult;
}

/** Pushes a new blob in one PUT, or in a PATCH before it, from a process of its own; gives how long it took. */
export function pushBlob(url: string, sizeBytes: number, how: 'put' | 'patch'): Promise<number> {
  return runPushClient(url, 'blob', String(sizeBytes), how);
}

/** Pushes so many small, new images over some connections, from a process of its own; gives how long all of it took. */
export function pushImages(url: string, count: number, connections: number): Promise<number> {
  return runPushClient(url, 'images', String(count), String(connections));
}

async function runPushClient(...args: readonly string[]): Promise<number> {
  const script = new URL('./push-client.ts', import.meta.url).pathname;
  const { stdout } = await run(process.execPath, [script, ...args]);
  return (JSON.parse(stdout) as PushClientResult).totalMs;
}

// Without the header, docker-registry does not give an OCI manifest.
const accept = 'application/vnd.oci.image.manifest.v1+json';

/** Fetches something once, so that it is there. @throws Error when the answer is not 200 */
export async function fetchOnce(url: string): Promise<void> {
  const answer = await fetch(url, { headers: { accept } });
  for await (const _ of answer.body!);
  if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}`);
}

/**
 * How many answers a second come over 32 connections, by wrk.
 * @throws Error when any answer was not 200
 */
export async function requestsPerSecond(url: string, seconds: number): Promise<number> {
  const { stdout } = await run('wrk', ['-t1', '-c32', `-d${seconds}s`, '-H', `Accept: ${accept}`, url]);
  if (/Non-2xx/.test(stdout)) throw new Error(`wrk: not every answer of ${url} was right:\n${stdout}`);
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1];
  if (rate === undefined) throw new Error(`wrk said nothing of ${url}:\n${stdout}`);
  return Number(rate);
}

/** How long small answers take over so many connections while something else goes on, from a process of its own. */
export async function latenciesDuring(
  url: string,
  connections: number,
  work: () => Promise<unknown>,
): Promise<Latencies> {
  const script = new URL('./latency-client.ts', import.meta.url).pathname;
  const args = [script, url, String(connections)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const told = text(child.stdout);
  try {
    await work();
  } finally {
    child.stdin.end();
  }
  return JSON.parse(await told) as Latencies;
}

/** The value in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)]!;
}
