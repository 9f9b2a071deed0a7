import type { AskDoor } from '../../warm/door-registry.ts';
import { answerMs, readStatusBody } from '../server/ask-status.ts';
import { parseStatus } from '../server/parse-status.ts';

/** What the server says that fails of its disk; nothing when it does not say, as to a login that may only pull. */
export async function askTroubles(ask: AskDoor): Promise<readonly string[]> {
  try {
    const answer = await ask('GET', '/status', {}, AbortSignal.timeout(answerMs));
    const body = await readStatusBody(answer);
    return answer.statusCode === 200 ? (parseStatus(body).troubles ?? []) : [];
  } catch {
    return []; // what failed before is told, in any case
  }
}
