import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { Clock } from '../../../src/util/time/clock.ts';
import { type ByteSource, memorySource, paddedTo, sliceOf } from '../content/byte-source.ts';
import type { Answer } from './answer.ts';
import type { FaultKind } from './faults.ts';
import type { Listener } from './listener.ts';
import type { Quirks } from './quirks.ts';
import type { RecordedRequest } from './recorder.ts';

/** One request under way. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: RecordedRequest;
  readonly quirks: Quirks;
  readonly fault: FaultKind;
  readonly clock: Clock;
  readonly listener: Listener;
  /** Fires when the connection is gone, or the answer is over. */
  readonly gone: AbortSignal;
}

interface Cut {
  readonly afterBytes: number;
  readonly by: 'reset' | 'end';
}

interface WireForm {
  readonly headers: Record<string, string>;
  readonly body: ByteSource;
  readonly cut: Cut | undefined;
}

/** Sends an answer as the quirks and the fault have it. Rejects only when the fault makes no sense for the answer. */
export async function send(answer: Answer, exchange: Exchange): Promise<void> {
  const { request, response, record, quirks, fault } = exchange;
  const form = applyWireQuirks(answer, quirks);
  const body = request.method === 'HEAD' ? memorySource(Buffer.alloc(0)) : form.body;
  const cut = fault.kind === 'cut' ? fault : form.cut;
  const breakBytes = fault.kind === 'cut' || fault.kind === 'stall' ? fault.afterBytes : 0;
  if (breakBytes > body.sizeBytes) {
    throw new Error(`Cannot ${fault.kind} "${record.line}" after ${breakBytes} bytes: its body has ${body.sizeBytes}`);
  }
  record.status = answer.status;
  response.writeHead(answer.status, form.headers);
  response.flushHeaders();
  await sendBody(body, request.method === 'HEAD' ? undefined : cut, exchange);
}

function applyWireQuirks(answer: Answer, quirks: Quirks): WireForm {
  const headers: Record<string, string> = { ...answer.headers };
  let { body } = answer;
  if (quirks.hugeHeaders !== undefined) headers['x-filler'] = 'x'.repeat(quirks.hugeHeaders);
  if (answer.status >= 400 && quirks.hugeErrorBody !== undefined) body = paddedTo(body, quirks.hugeErrorBody);
  if (answer.content !== undefined && quirks.gzipForced) {
    // In one piece, so not for a blob of many megabytes.
    body = memorySource(gzipSync(body.read(0, body.sizeBytes), { level: 1 }));
    headers['content-encoding'] = 'gzip';
  }
  const isBlob = answer.content === 'blob';
  const lengthError = isBlob ? (quirks.wrongContentLength ?? 0) : 0;
  const declaredBytes = Math.max(0, body.sizeBytes + lengthError);
  if (!(answer.content !== undefined && quirks.noContentLength)) headers['content-length'] = `${declaredBytes}`;
  if (lengthError < 0) body = sliceOf(body, 0, declaredBytes);
  const missingBytes = isBlob ? (quirks.endsShort ?? 0) : 0;
  const isShort = missingBytes > 0 || lengthError > 0;
  const afterBytes = Math.max(0, body.sizeBytes - missingBytes);
  return { headers, body, cut: isShort ? { afterBytes, by: 'end' } : undefined };
}

const pieceBytes = 64 * 1024; // a few pieces for the smallest blob that a fault cuts, and little memory for the largest

/** Sends a body at the client's pace, and breaks it where it shall break. Returns early when the client has gone. */
async function sendBody(body: ByteSource, cut: Cut | undefined, exchange: Exchange): Promise<void> {
  const { response, record, fault, clock, gone } = exchange;
  const stall = fault.kind === 'stall' ? fault : undefined;
  const throttle = fault.kind === 'throttle' ? fault : undefined;
  const stops = [body.sizeBytes, cut?.afterBytes ?? Infinity, stall?.afterBytes ?? Infinity];
  for (let position = 0; !gone.aborted; ) {
    if (position === stall?.afterBytes) await unlessGone(stall.gate.pass(), gone);
    if (position === cut?.afterBytes) return breakOff(cut.by, exchange);
    if (position === body.sizeBytes) return void response.end();
    const nextStop = Math.min(...stops.filter((stop) => stop > position));
    const end = Math.min(position + (throttle?.pieceBytes ?? pieceBytes), nextStop);
    const bytes = body.read(position, end);
    const isRoomLeft = response.write(bytes);
    record.bodyBytes += bytes.length;
    position = end;
    if (!isRoomLeft) await unlessGone(once(response, 'drain', { signal: gone }), gone);
    if (throttle !== undefined) await unlessGone(clock.sleep(throttle.everyMs, gone), gone);
  }
}

async function breakOff(by: 'reset' | 'end', { request, listener }: Exchange): Promise<void> {
  if (by === 'reset') return listener.reset(request.socket);
  request.socket.end();
}

/** Waits for something, or until the client has gone: then nothing is worth waiting for. */
export async function unlessGone(waitedFor: Promise<unknown>, gone: AbortSignal): Promise<void> {
  const left = Promise.withResolvers<void>();
  const leave = () => left.resolve();
  if (gone.aborted) leave();
  gone.addEventListener('abort', leave, { once: true });
  try {
    await Promise.race([waitedFor, left.promise]);
  } catch (error) {
    if (!gone.aborted) throw error;
  } finally {
    gone.removeEventListener('abort', leave);
  }
}
