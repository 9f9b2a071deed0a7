import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

// It ended with a stack of Node.js, and a bench left behind what it had pulled.
test('that nobody reads on, as `| head` does, keeps no command from ending well', async () => {
  const child = spawn(process.execPath, [main, 'setup'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  child.stderr.setEncoding('utf8');
  let error = '';
  child.stderr.on('data', (text: string) => {
    error += text;
  });
  const [code] = await once(child, 'close');
  assert.deepEqual([code, error], [0, '']);
});

test('what cannot be written ends with 1, and with the reason', () => {
  const stdio = ['ignore', openSync('/dev/full', 'w'), 'pipe'] as const;
  const { status, stderr } = spawnSync(process.execPath, [main, 'setup'], { stdio: [...stdio], encoding: 'utf8' });
  assert.deepEqual(
    [status, stderr],
    [1, 'Cannot write what was asked for: no space left on device (ENOSPC), free some space on its file system\n'],
  );
});
