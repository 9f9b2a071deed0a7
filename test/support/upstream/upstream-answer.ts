import { BlockPool } from '../../../src/upstream/transport/blocks.ts';
import { Body } from '../../../src/upstream/transport/body.ts';
import type { Answer } from '../../../src/upstream/transport/connection.ts';
import { framingOf } from '../../../src/upstream/transport/framing.ts';
import type { ResponseHead } from '../../../src/upstream/transport/head.ts';

/** What a body did to the connection that it came from, in order. */
export type ConnectionCall = 'pause' | 'resume' | 'finished' | 'abandon';

/** An answer that no connection brought. */
export interface FedAnswer extends Answer {
  readonly calls: readonly ConnectionCall[];
}

/** The head of an answer. */
export function headOf(status: number, headers: Readonly<Record<string, string>> = {}): ResponseHead {
  return { status, headers: new Map(Object.entries(headers)), persistent: true };
}

/** An answer whose body has yet to come. */
export function openAnswer(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  pool = new BlockPool(),
): FedAnswer {
  const head = headOf(status, headers);
  const calls: ConnectionCall[] = [];
  const note = (call: ConnectionCall) => () => void calls.push(call);
  const source = { pause: note('pause'), resume: note('resume'), finished: note('finished'), abandon: note('abandon') };
  const body = new Body(framingOf('GET', head), pool, source);
  body.begin();
  return { head, body, calls };
}

/** An answer whose body came in these pieces, as they stand on the wire; then the connection ended. */
export function answerOf(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  ...pieces: readonly (string | Uint8Array)[]
): FedAnswer {
  const answer = openAnswer(status, headers);
  for (const piece of pieces) feed(answer.body, Buffer.from(piece as Uint8Array));
  answer.body.connectionEnded(undefined);
  return answer;
}

/** Brings bytes to a body as a connection does: as many at a time as it has room for. */
export function feed(body: Body, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    const count = bytes.copy(body.room(), 0, at);
    at += count;
    body.received(count);
  }
}
