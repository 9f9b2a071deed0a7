import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openBelow } from '../disk/tmp.ts';
import { type Stage, type StageOptions, setStage } from './stage.ts';

const pollMs = 1; // the system tells nobody when its thread has closed a file, so it has to be asked
const limitMs = 10_000; // what is open then was forgotten, and the stage says so

/** Sets a stage for a test that reads stored blobs: nobody waits for such a file to be closed, so the stage does. */
export async function setDoorStage(t: TestContext, options: StageOptions = {}): Promise<Stage> {
  const stage = await setStage(t, options);
  t.after(async () => {
    const beganAtMs = performance.now();
    while (openBelow(stage.data).length > 0 && performance.now() - beganAtMs < limitMs) await pause(pollMs);
  });
  return stage;
}
