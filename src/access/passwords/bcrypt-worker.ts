import { parentPort } from 'node:worker_threads';
import { compareSync } from 'bcryptjs';
import type { PasswordAnswer, PasswordQuestion } from './password-checker.ts';

// Runs in a thread of its own: one hash takes as long as thousands of hits.
parentPort!.on('message', ({ password, hash }: PasswordQuestion) => {
  const answer: PasswordAnswer = { isRight: compareSync(password, hash) };
  parentPort!.postMessage(answer);
});
