import { createHash, type Hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { HashQuestion } from './hasher.ts';

// Runs in a thread of its own: hashing costs more than all the rest of a download, and this way it takes nobody's turn.
const hashes = new Map<number, Hash>();

parentPort!.on('message', (question: HashQuestion) => {
  const { id } = question;
  if (question.kind === 'begin') hashes.set(id, createHash(question.algorithm));
  else if (question.kind === 'update') {
    hashes.get(id)!.update(question.bytes);
    parentPort!.postMessage({ id });
  } else {
    const hash = hashes.get(id);
    hashes.delete(id);
    parentPort!.postMessage(question.kind === 'end' ? { id, hex: hash!.digest('hex') } : { id });
  }
});
