import type { AskDoor } from '../../warm/door-registry.ts';
import { parseStatus } from '../server/parse-status.ts';

const answerMs = 5_000; // it is only to say why something failed
const maxStatusBytes = 4 * 1024 * 1024; // what is longer comes from somebody else

/** What the server says that fails of its disk; nothing when it does not say, as to a login that may only pull. */
export async function askTroubles(ask: AskDoor): Promise<readonly string[]> {
  try {
    const answer = await ask('GET', '/status', {}, AbortSignal.timeout(answerMs));
    const parts: Buffer[] = [];
    let sizeBytes = 0;
    for await (const part of answer as AsyncIterable<Buffer>) {
      sizeBytes += part.length;
      if (sizeBytes > maxStatusBytes) return [];
      parts.push(part);
    }
    if (answer.statusCode !== 200) return [];
    return parseStatus(Buffer.concat(parts).toString('utf8')).troubles ?? [];
  } catch {
    return []; // what failed before is told, in any case
  }
}
