import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

// A page at a time, in a process that then gives all of it back.
const script = `
  const held = [];
  for (let left = Number(process.argv[1]); left > 0; left -= 256 << 20) {
    const piece = Buffer.allocUnsafeSlow(256 << 20);
    for (let at = 0; at < piece.length; at += 4096) piece[at] = 1;
    held.push(piece);
  }`;

/**
 * Has the machine's free memory in place for what is written next. The host of a virtual machine takes back what was
 * free for two seconds, and then the first touch of a page costs more than copying it: what a server needs for writing
 * a blob would depend on how long it took to start.
 */
export async function touchMemory(bytes: number): Promise<void> {
  await run(process.execPath, ['-e', script, String(bytes)]);
}

/** Resolves when everything that was written is on the disk. */
export async function diskAtRest(): Promise<void> {
  await run('sync');
}
