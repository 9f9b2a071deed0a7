import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { type ProgramCall, runProgram } from './run-program.ts';

const patient = new AbortController().signal;
const env = { PATH: process.env['PATH'] };

/** A call of a script of the shell, which is a program like any other here. */
function script(text: string, more: Partial<ProgramCall> = {}): ProgramCall {
  return { program: '/bin/sh', args: ['-c', text], env, ...more };
}

test('a program gets its arguments and its input as they are, and its output and exit code are told', async () => {
  const call = {
    program: '/bin/sh',
    args: ['-c', 'cat; echo "$1"; exit 3', 'sh', '$HOME; `ls` "'],
    input: 'in\n',
    env,
  };
  assert.deepEqual(await runProgram(call, patient), { exitCode: 3, output: 'in\n$HOME; `ls` "\n' });
});

test('a program that reads nothing of a large input is no failure', async () => {
  const { exitCode } = await runProgram(script('exit 0', { input: 'x'.repeat(1_000_000) }), patient);
  assert.equal(exitCode, 0);
});

test('what it says on standard error is not heard', async () => {
  assert.deepEqual(await runProgram(script('echo secret >&2; echo out'), patient), { exitCode: 0, output: 'out\n' });
});

test('it sees the environment, but for what is configured here', async () => {
  const given = {
    ...env,
    AWS_PROFILE: 'me',
    ENTREPOT_UPSTREAMS_DOCKER_IO_PASSWORD: 'a',
    REGISTRY_PROXY_PASSWORD: 'b',
    DOCKERHUB_PASSWORD: 'c',
    GHCR_PASSWORD: 'd',
  };
  const { output } = await runProgram({ program: 'env', args: [], env: given }, patient);
  const names = output.split('\n').map((line) => line.split('=')[0]);
  assert.ok(names.includes('AWS_PROFILE'));
  assert.deepEqual(
    names.filter((name) => name?.includes('PASSWORD')),
    [],
  );
});

test('a program that is not there cannot be started', async () => {
  const call = { program: 'no-such-program-anywhere', args: ['secret'], env };
  await assert.rejects(runProgram(call, patient), { message: 'it cannot be started (ENOENT)' });
});

test('a program that prints without end is ended', async () => {
  await assert.rejects(runProgram(script('yes secret'), patient), { message: 'it printed more than 262144 bytes' });
});

test('a program that was killed has no exit code', async () => {
  await assert.rejects(runProgram(script('kill -9 $$'), patient), { message: 'it was ended by SIGKILL' });
});

/** Whether a process is gone, or only waits to be noticed by its parent. */
function isGone(pid: string): boolean {
  const status = `/proc/${pid}/status`;
  return !existsSync(status) || /^State:\s+Z/m.test(readFileSync(status, 'utf8'));
}

test('a program that takes too long is ended, with all that it started', async (t) => {
  const file = join(tmpDir(t), 'pid');
  const call = script('sleep 600 & echo $! > "$FILE"; wait', { limitMs: 300, env: { ...env, FILE: file } });
  await assert.rejects(runProgram(call, patient), { message: 'it did not end within 300 ms' });
  if (!existsSync('/proc/self/status')) return; // nobody tells elsewhere
  const pid = readFileSync(file, 'utf8').trim();
  while (!isGone(pid)) await pause(1); // the kernel tells nobody, so it has to be asked
});

test('a program that nobody waits for any more is ended', async () => {
  const leaving = new AbortController();
  const running = runProgram(script('sleep 600'), leaving.signal);
  leaving.abort(new Error('left'));
  await assert.rejects(running, { message: 'left' });
});

test('what it says on standard error is told to whoever wants it', async () => {
  const call = script('echo wrong >&2; echo out; exit 1', { wantsErrors: true });
  assert.deepEqual(await runProgram(call, patient), { exitCode: 1, output: 'out\n', errors: 'wrong\n' });
});

test('a program that may print much may', async () => {
  const { output } = await runProgram(script('head -c 300000 /dev/zero', { maxOutputBytes: 1_000_000 }), patient);
  assert.equal(output.length, 300_000);
});

test('a program that is given time ends by itself when it is not to go on, and is killed when it does not', async (t) => {
  const folder = tmpDir(t);
  for (const [name, trap, graceMs] of [
    ['ends', 'trap "echo ended > $FILE; exit" TERM', 60_000],
    ['stays', 'trap "echo asked > $FILE" TERM', 400],
  ] as const) {
    const file = join(folder, name);
    const call = script(`${trap}; echo ready > "$FILE"; while :; do sleep 0.01; done`, {
      env: { ...env, FILE: file },
      endGraceMs: graceMs,
      limitMs: 60_000,
    });
    const leaving = new AbortController();
    const running = runProgram(call, leaving.signal);
    running.catch(() => {});
    while (!existsSync(file)) await pause(1);
    leaving.abort(new Error('left'));
    await assert.rejects(running, { message: 'left' });
    assert.equal(readFileSync(file, 'utf8').trim(), name === 'ends' ? 'ended' : 'asked');
  }
});
