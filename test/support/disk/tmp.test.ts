import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openBelow, tmpDir } from './tmp.ts';

/** Stands in for a test's context: runs hooks in the order they came, those too that hooks register. */
function hookRunner() {
  const hooks: (() => void)[] = [];
  return {
    after: (hook: () => void) => void hooks.push(hook),
    run() {
      for (const hook of hooks) hook();
    },
  };
}

test('tmpDir() gives a new directory, which goes after all hooks of the test', () => {
  const context = hookRunner();
  const directory = tmpDir(context);
  assert.notEqual(tmpDir(context), directory);
  writeFileSync(join(directory, 'file'), 'x');
  context.after(() => assert.ok(existsSync(directory)));
  context.run();
  assert.equal(existsSync(directory), false);
});

test('tmpDir() fails a test that leaves a file open, if asked to and where the system tells', () => {
  const isTold = existsSync('/proc/self/fd');
  const context = hookRunner();
  const directory = tmpDir(context, { assertClosed: true });
  const left = openSync(join(directory, 'left'), 'w');
  try {
    assert.deepEqual(openBelow(directory), isTold ? [join(directory, 'left')] : []);
    if (isTold) assert.throws(() => context.run(), /still open/);
    else context.run();
    assert.equal(existsSync(directory), false);
  } finally {
    closeSync(left);
  }
});

test('tmpDir() is content with a file that a later hook closes', (t) => {
  const directory = tmpDir(t, { assertClosed: true });
  const file = openSync(join(directory, 'file'), 'w');
  t.after(() => closeSync(file));
});
