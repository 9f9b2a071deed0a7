import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runProgram } from '../../../src/cli/program.ts';
import { tmpDir } from '../../support/disk/tmp.ts';

function machine(t: TestContext) {
  const root = tmpDir(t);
  const run = async (...args: string[]) => {
    const said = { out: '', error: '', code: 0 };
    said.code = await runProgram(['setup', ...args, '--root', root], {
      env: {},
      writeOut: (text) => {
        said.out += text;
      },
      writeError: (text) => {
        said.error += text;
      },
    });
    return said;
  };
  return { root, run };
}

test('a machine is set up by the command line without a server, and taken back', async (t) => {
  const { root, run } = machine(t);
  mkdirSync(join(root, 'etc/docker'), { recursive: true });
  writeFileSync(join(root, 'etc/docker/daemon.json'), '{"debug": true}\n');
  const applied = await run('docker', '--address', '10.0.0.5:5000', '--apply');
  assert.equal(applied.error, '');
  assert.match(
    applied.out,
    /^changed: \/etc\/docker\/daemon\.json; what was there is kept in \/var\/lib\/entrepot-setup\/[0-9a-f]{64}\.backup\n/,
  );
  assert.match(applied.out, /\nThen run:\n\n {2}systemctl reload docker/);
  assert.match(applied.out, /\nTaken back by: entrepot setup docker --undo --root \/.*\n$/);
  assert.match(
    readFileSync(join(root, 'etc/docker/daemon.json'), 'utf8'),
    /"registry-mirrors": \["http:\/\/10\.0\.0\.5:5000"\]/,
  );

  const again = await run('docker', '--address', '10.0.0.5:5000', '--apply');
  assert.equal(again.out, 'as it should be: /etc/docker/daemon.json\n');
  const undone = await run('docker', '--undo');
  assert.match(undone.out, /^restored: \/etc\/docker\/daemon\.json\n/);
  assert.equal(readFileSync(join(root, 'etc/docker/daemon.json'), 'utf8'), '{"debug": true}\n');
  assert.deepEqual(readdirSync(root), ['etc']);
  assert.equal((await run('docker', '--undo')).out, 'There is nothing to undo of docker\n');
});

// It said that what was there was kept in "undefined".
test('a file that was made here and is changed has nothing that is kept', async (t) => {
  const { run } = machine(t);
  await run('podman', '--address', '10.0.0.5:5000', '--apply');
  const { out } = await run('podman', '--address', '10.0.0.6:5000', '--apply');
  assert.match(out, /^changed: \/etc\/.*50-entrepot\.conf; it was not there before setup\n/);
});

test('what was changed since is an error of undo, which --force overrides', async (t) => {
  const { root, run } = machine(t);
  const path = join(root, 'etc/containers/registries.conf.d/50-entrepot.conf');
  await run('podman', '--address', '10.0.0.5:5000', '--apply');
  writeFileSync(path, '# mine\n');
  const refused = await run('podman', '--undo');
  assert.equal(refused.code, 1);
  assert.match(
    refused.error,
    /^Cannot undo podman: since it was applied, ".*50-entrepot\.conf" was changed, and was not there before/,
  );
  const forced = JSON.parse((await run('podman', '--undo', '--force', '--json')).out) as { files: { aside: string }[] };
  assert.ok(!existsSync(path));
  assert.equal(readFileSync(join(root, forced.files[0]?.aside ?? ''), 'utf8'), '# mine\n');
});

test('what cannot be is said before anything is done', async (t) => {
  const { root, run } = machine(t);
  for (const [args, message, code] of [
    [['--apply'], /name a target/, 1],
    [['cloud-init', '--apply'], /print it by --file cloud-init\.yaml/, 1],
    // They were ignored: nothing was written where somebody thought that it was.
    [['docker'], /^Cannot use --root alone: it goes with --apply, or with --undo\n$/, 1],
    [['docker', '--merge'], /^Cannot use --root alone/, 1],
    [['docker', '--apply', '--force'], /^Cannot use --force without --undo/, 1],
    [['docker', '--apply', '--undo'], /--undo' cannot be used with option '--apply'/, 2],
  ] as const) {
    const said = await run(...args);
    assert.match(said.error, message);
    assert.equal(said.code, code);
  }
  assert.deepEqual(readdirSync(root), []);
  rmdirSync(root);
  const said = await run('docker', '--apply');
  assert.match(said.error, /^Cannot use --root ".*": no such file or directory \(ENOENT\)\n$/);
  mkdirSync(root);
});
