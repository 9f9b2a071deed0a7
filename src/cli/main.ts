#!/usr/bin/env node
import { nodeVersionProblem } from './node-version.ts';

const problem = nodeVersionProblem(process.versions.node);
if (problem !== undefined) {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 1;
} else {
  // Only now: what it imports may not even load on an older Node.js.
  const [{ runProgram }, { systemReason }] = await Promise.all([
    import('./program.ts'),
    import('../util/system/system-reason.ts'),
  ]);
  let isWritten = true;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Who reads no further, as `head`, has had enough: what is being done is done all the same, and put in order.
    if (error.code === 'EPIPE') return;
    if (isWritten) process.stderr.write(`Cannot write what was asked for: ${systemReason(error) ?? error.message}\n`);
    isWritten = false;
    process.exitCode = 1;
  });
  process.stderr.on('error', () => {}); // there is nobody to tell
  const exitCode = await runProgram(process.argv.slice(2), {
    env: process.env,
    isWatched: process.stderr.isTTY === true,
    isRead: process.stdout.isTTY === true,
    writeOut: (text) => process.stdout.write(text),
    writeError: (text) => process.stderr.write(text),
  });
  process.exitCode = isWritten ? exitCode : 1;
}
