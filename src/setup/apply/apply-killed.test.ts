import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { machine, withoutState } from '../../../test/support/command/setup-machine.ts';
import { setupViewOf } from '../../../test/support/command/setup-views.ts';
import { docker } from '../targets/docker.ts';
import { type DurableFiles, systemFiles } from './durable-files.ts';

const daemonJson = 'etc/docker/daemon.json';

class Killed extends Error {}

/** A system on which the process is killed at an operation: before it, or with what it leaves when it is half done. Nothing is done after, unless it goes on: then it was a failure that passed. */
function killedAt(operation: number, half: boolean, goesOn = false): DurableFiles {
  let count = 0;
  const step = async (work: () => Promise<void>, halfWork: () => void) => {
    count += 1;
    if (count < operation || (goesOn && count > operation)) return work();
    if (half && count === operation) halfWork();
    throw new Killed();
  };
  const fresh = (path: string) => join(dirname(path), `.${path.slice(dirname(path).length + 1)}.entrepot-new`);
  return {
    put: (path, bytes, rights) =>
      step(
        () => systemFiles.put(path, bytes, rights),
        () => writeFileSync(fresh(path), bytes.subarray(0, 3)),
      ),
    remove: (path) =>
      step(
        () => systemFiles.remove(path),
        () => rmSync(path, { force: true }),
      ),
    clean: (path) =>
      step(
        () => systemFiles.clean(path),
        () => rmSync(fresh(path), { force: true }),
      ),
    makeFolder: (path, mode) =>
      step(
        () => systemFiles.makeFolder(path, mode),
        () => mkdirSync(path, { recursive: true }),
      ),
    removeFolder: (path) =>
      step(
        () => systemFiles.removeFolder(path),
        () => undefined,
      ),
  };
}

/** A view for which docker needs two files. */
const withAuthority = setupViewOf({ address: 'https://cache.example.com', ca: 'new' });

test('killed at any step, each file is as it was or as it is to be, and can be finished or taken back', async (t) => {
  const view = withAuthority;
  const files = { [daemonJson]: '{"a": 1}', 'etc/docker/certs.d/cache.example.com/entrepot.crt': 'old' };
  const whole = machine(t, files);
  await whole.apply(docker, view);
  const after = whole.tree();
  for (const half of [false, true]) {
    let wasKilled = true;
    for (let operation = 1; wasKilled; operation += 1) {
      const here = machine(t, files);
      const before = here.tree();
      wasKilled = await here.apply(docker, view, killedAt(operation, half)).then(() => false, isKilled);
      for (const path of Object.keys(files)) {
        const now = here.tree()[path];
        assert.ok(now === before[path] || now === after[path], `${path} after ${operation}`);
      }
      if (operation % 2 === 0) await here.apply(docker, view);
      if (operation % 2 === 0)
        assert.deepEqual(withoutState(here.tree()), withoutState(after), `finished after ${operation}`);
      await here.undo(docker);
      assert.deepEqual(withoutState(here.tree()), withoutState(before), `undone after ${operation}`);
    }
  }
});

test('whatever step fails, each file is as it was or as it is to be, and what was done can be taken back', async (t) => {
  const files = { [daemonJson]: '{"a": 1}', 'etc/docker/certs.d/cache.example.com/entrepot.crt': 'old' };
  const older = setupViewOf({ address: 'https://older.example.com' });
  for (const half of [false, true]) {
    let failed = true;
    for (let operation = 1; failed; operation += 1) {
      const here = machine(t, files);
      const before = here.tree();
      // Also where there is an entry that the change goes on with.
      if (operation % 2 === 0) await here.apply(docker, older);
      const was = here.tree();
      failed = await here.apply(docker, withAuthority, killedAt(operation, half, true)).then(() => false, isKilled);
      for (const path of Object.keys(files)) {
        const isNew = here.read(path).includes(path.endsWith('.crt') ? 'new' : '//cache.example.com');
        assert.ok(isNew || here.tree()[path] === was[path], `${path} after ${operation}`);
      }
      await here.undo(docker);
      assert.deepEqual(withoutState(here.tree()), withoutState(before), `undone after ${operation}`);
    }
  }
});

test('killed at any step of undo, it is finished by the next', async (t) => {
  const view = withAuthority;
  for (const half of [false, true]) {
    let wasKilled = true;
    for (let operation = 1; wasKilled; operation += 1) {
      const here = machine(t, { [daemonJson]: '{"a": 1}' });
      const before = here.tree();
      await here.apply(docker, view);
      wasKilled = await here.undo(docker, false, killedAt(operation, half)).then(() => false, isKilled);
      const now = here.read(daemonJson);
      assert.ok(now === '{"a": 1}' || now.includes('cache.example.com'), now);
      await here.undo(docker);
      assert.deepEqual(withoutState(here.tree()), withoutState(before), `after ${operation}`);
    }
  }
});

function isKilled(error: unknown): true {
  assert.ok(error instanceof Killed, String(error));
  return true;
}
