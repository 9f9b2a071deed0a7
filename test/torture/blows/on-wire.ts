import { setTimeout as delay } from 'node:timers/promises';
import type { WireState } from '../world/wire.ts';
import type { HandTools } from './blow.ts';

/** The origin cannot be reached. */
export async function cut(tools: HandTools): Promise<void> {
  tools.judge.figures.cuts++;
  await hold(tools, { kind: 'cut' });
}

/** The origin says nothing any more. */
export async function stall(tools: HandTools): Promise<void> {
  tools.judge.figures.stalls++;
  await hold(tools, { kind: 'stalled' });
}

/** The origin's answers end too early. */
export async function cutShort(tools: HandTools): Promise<void> {
  tools.judge.figures.truncations++;
  await hold(tools, { kind: 'truncated', afterBytes: tools.random.whole(100, 3_000_000) });
}

/** The origin sends wrong bytes. */
export async function spoil(tools: HandTools): Promise<void> {
  tools.judge.figures.spoilings++;
  // Beyond any head, and up to 1 MB: what tells which bytes are right has to be right itself.
  await hold(tools, { kind: 'spoilt', atByte: Math.round(10 ** (3.7 + 2.3 * tools.random.next())) });
}

async function hold({ wire, random }: HandTools, state: WireState): Promise<void> {
  wire.set(state);
  await delay(random.whole(200, 3_000));
  wire.set({ kind: 'whole' });
}
