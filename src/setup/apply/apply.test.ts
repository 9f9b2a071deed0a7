import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { machine } from '../../../test/support/command/setup-machine.ts';
import { setupViewOf, setupViews } from '../../../test/support/command/setup-views.ts';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { buildkit } from '../targets/buildkit.ts';
import { docker } from '../targets/docker.ts';
import { buildah, podman } from '../targets/podman.ts';
import { applyFiles } from './apply.ts';
import { type DurableFiles, systemFiles } from './durable-files.ts';

const daemonJson = 'etc/docker/daemon.json';
const dropIn = '/etc/containers/registries.conf.d/50-entrepot.conf';

test('a file is changed, twice is once, and undone it has every byte and right that it had', async (t) => {
  const here = machine(t, { [daemonJson]: '{"bip": "10.1.0.1/24"}' });
  chmodSync(join(here.root, daemonJson), 0o640);
  const before = here.tree();
  const [changed] = await here.apply(docker);
  assert.equal(changed?.change, 'changed');
  assert.equal(here.read(changed?.backup ?? ''), '{"bip": "10.1.0.1/24"}');
  assert.equal(statSync(join(here.root, changed?.backup ?? '')).mode & 0o777, 0o600);
  assert.equal(statSync(join(here.root, daemonJson)).mode & 0o777, 0o640);
  assert.match(here.read(daemonJson), /10\.0\.0\.5:5000/);

  const after = here.tree();
  assert.deepEqual(await here.apply(docker), [{ path: '/etc/docker/daemon.json', change: 'none' }]);
  assert.deepEqual(here.tree(), after);

  assert.deepEqual(await here.undo(docker), [{ path: '/etc/docker/daemon.json', change: 'restored', hasMore: false }]);
  assert.deepEqual(here.tree(), before);
  assert.deepEqual(await here.undo(docker), []);
});

test('what was not there is gone again, with the folders that were made for it and no others', async (t) => {
  for (const files of [{}, { 'etc/docker/certs.d/mine/ca.crt': 'x' }]) {
    const here = machine(t, files);
    const before = here.tree();
    const changes = await here.apply(docker, setupViews['secure']);
    assert.deepEqual(new Set(changes.map(({ change }) => change)), new Set(['made']));
    const undone = await here.undo(docker);
    assert.deepEqual(new Set(undone.map(({ change }) => change)), new Set(['removed']));
    assert.deepEqual(here.tree(), before);
  }
});

test('another address takes the place of the one before, and undone is what was there before both', async (t) => {
  const here = machine(t, { [daemonJson]: '{"registry-mirrors": ["https://a.test"]}' });
  const before = here.tree();
  await here.apply(docker, setupViewOf({ address: 'https://one.test' }));
  await here.apply(docker, setupViewOf({ address: 'https://two.test' }));
  assert.equal(here.read(daemonJson), '{"registry-mirrors": ["https://two.test", "https://a.test"]}');
  await here.undo(docker);
  assert.deepEqual(here.tree(), before);
});

test('what somebody has changed since is refused by undo, and kept beside it by force', async (t) => {
  const here = machine(t, { [daemonJson]: '{"a": 1}' });
  const before = here.tree();
  await here.apply(docker);
  writeFileSync(join(here.root, daemonJson), 'mine');
  const changed = here.tree();
  const message =
    /^Cannot undo docker: since it was applied, "\/etc\/docker\/daemon\.json" was changed, what was there before is in "(\/var\/lib\/entrepot-setup\/[0-9a-f]{64}\.backup)"\. Nothing was done; --force/;
  await assert.rejects(here.undo(docker), { name: 'SetupError', code: 'CANNOT_UNDO', message });
  assert.deepEqual(here.tree(), changed);
  const [undone] = await here.undo(docker, true);
  assert.equal(here.read(undone?.aside ?? ''), 'mine');
  assert.match(undone?.aside ?? '', /daemon\.json\.entrepot-kept-[0-9a-f]{12}$/);
  rmSync(join(here.root, undone?.aside ?? ''));
  assert.deepEqual(here.tree(), before);
});

test('what was removed since is refused by undo, and restored by force', async (t) => {
  const here = machine(t, { [daemonJson]: '{"a": 1}' });
  const before = here.tree();
  await here.apply(docker);
  rmSync(join(here.root, daemonJson));
  await assert.rejects(here.undo(docker), /"\/etc\/docker\/daemon\.json" was removed/);
  await here.undo(docker, true);
  assert.deepEqual(here.tree(), before);
});

/** The file system, but that somebody does something once, right before one of our files is written or cleaned up. */
function meddled(path: string, meddle: () => void): DurableFiles {
  const before = (given: string) => {
    if (!given.endsWith(path)) return;
    path = '/nothing more';
    meddle();
  };
  return {
    ...systemFiles,
    put(given, bytes, rights) {
      before(given);
      return systemFiles.put(given, bytes, rights);
    },
    clean(given) {
      before(given);
      return systemFiles.clean(given);
    },
  };
}

test('what somebody changes while it is applied stays, and nothing is noted of what was not done', async (t) => {
  const here = machine(t, { [daemonJson]: '{"a": 1}' });
  const before = here.tree();
  const mine = () => writeFileSync(join(here.root, daemonJson), '{"mine": true}');
  await assert.rejects(here.apply(docker, undefined, meddled('journal.json', mine)), /changed it meanwhile, try again/);
  assert.deepEqual(await here.undo(docker), []);
  assert.equal(here.read(daemonJson), '{"mine": true}');
  assert.deepEqual(Object.keys(here.tree()), Object.keys(before));

  await here.apply(docker);
  const after = here.read(daemonJson);
  await assert.rejects(
    here.apply(docker, setupViewOf({ address: 'https://two.test' }), meddled('journal.json', mine)),
    /meanwhile/,
  );
  writeFileSync(join(here.root, daemonJson), after);
  await here.undo(docker);
  assert.equal(here.read(daemonJson), '{"mine": true}');
});

test('of several files those that were written before one failed can be taken back', async (t) => {
  const here = machine(t, { [daemonJson]: '{"a": 1}' });
  const before = here.tree();
  const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  const system: DurableFiles = {
    ...systemFiles,
    put: (path, ...rest) => (path.endsWith('.crt') ? Promise.reject(full) : systemFiles.put(path, ...rest)),
  };
  const secure = setupViewOf({ address: 'https://cache.example.com', ca: 'new' });
  await assert.rejects(here.apply(docker, secure, system), full);
  const undone = await here.undo(docker);
  assert.deepEqual(undone, [{ path: '/etc/docker/daemon.json', change: 'restored', hasMore: false }]);
  assert.deepEqual(here.tree(), before);
});

test('what somebody changes while it is undone stays', async (t) => {
  const here = machine(t, { [daemonJson]: '{"a": 1}' });
  await here.apply(docker);
  const mine = () => writeFileSync(join(here.root, daemonJson), 'mine');
  await assert.rejects(here.undo(docker, false, meddled('daemon.json', mine)), {
    code: 'CANNOT_UNDO',
    message: /changed it meanwhile/,
  });
  assert.equal(here.read(daemonJson), 'mine');
  await assert.rejects(here.undo(docker), /since it was applied, ".*" was changed/);
});

// It said that there was nothing to undo.
test('what another target was put on top of is undone after that one', async (t) => {
  const here = machine(t);
  const before = here.tree();
  await here.apply(podman);
  writeFileSync(join(here.root, dropIn), `${here.read(dropIn)}# mine\n`);
  const edited = here.read(dropIn);
  await here.apply(buildah);
  await assert.rejects(here.undo(podman), {
    code: 'CANNOT_UNDO',
    message: /and then for buildah\. .*undo buildah first$/,
  });
  await here.undo(buildah);
  assert.equal(here.read(dropIn), edited);
  writeFileSync(join(here.root, dropIn), edited.replace('# mine\n', ''));
  await here.undo(podman);
  assert.deepEqual(here.tree(), before);
});

test('what is applied after somebody has changed the file is taken back to that change first', async (t) => {
  const here = machine(t, { [daemonJson]: '{"a": 1}' });
  await here.apply(docker);
  const edited = here.read(daemonJson).replace('"a": 1', '"a": 2');
  writeFileSync(join(here.root, daemonJson), edited);
  await here.apply(docker, setupViewOf({ address: 'https://two.test' }));
  assert.match(here.read(daemonJson), /two\.test.*10\.0\.0\.5/);
  assert.deepEqual(await here.undo(docker), [{ path: '/etc/docker/daemon.json', change: 'restored', hasMore: true }]);
  assert.equal(here.read(daemonJson), edited);
  await assert.rejects(here.undo(docker), /was changed/);
});

test('nothing is written when one of the files cannot be', async (t) => {
  const here = machine(t, { 'etc/buildkit/buildkitd.toml': 'debug = true\n', 'etc/buildkit/entrepot-ca.crt/x': '' });
  const before = here.tree();
  await assert.rejects(here.apply(buildkit, setupViews['secure']), {
    code: 'CANNOT_WRITE',
    message: /entrepot-ca\.crt": it is no file/,
  });
  writeFileSync(join(here.root, 'etc/buildkit/buildkitd.toml'), Buffer.from([0x61, 0xff]));
  await assert.rejects(here.apply(buildkit), { code: 'UNREADABLE_FILE', message: /it is not UTF-8/ });
  writeFileSync(join(here.root, 'etc/buildkit/buildkitd.toml'), 'debug = true\n');
  assert.deepEqual(here.tree(), before);
});

test('a link is left to whoever has made it', async (t) => {
  const here = machine(t, { 'mine.json': '{}', 'etc/docker/x': '' });
  symlinkSync('/mine.json', join(here.root, daemonJson));
  await assert.rejects(here.apply(docker), { code: 'CANNOT_WRITE', message: /it is a link to "\/mine\.json"/ });
  assert.equal(here.read('mine.json'), '{}');
});

test('nothing is written outside of the root', async (t) => {
  const outside = tmpDir(t);
  const here = machine(t, { 'etc/x': '' });
  symlinkSync(outside, join(here.root, 'etc/docker'));
  await assert.rejects(here.apply(docker), {
    code: 'CANNOT_WRITE',
    message: /a link leads from there to ".*", out of "/,
  });
  assert.deepEqual(readdirSync(outside), []);
});

test('no journal is kept outside of the root', async (t) => {
  const outside = tmpDir(t);
  const here = machine(t, { [daemonJson]: '{"a": 1}' });
  symlinkSync(outside, join(here.root, 'var'));
  for (const work of [here.apply(docker), here.undo(docker)]) {
    await assert.rejects(work, {
      code: 'CANNOT_WRITE',
      message: /journal\.json": a link leads from there to ".*", out of "/,
    });
  }
  assert.equal(here.read(daemonJson), '{"a": 1}');
  assert.deepEqual(readdirSync(outside), []);
});

test('a folder that is a link within the root is followed', async (t) => {
  const here = machine(t, { 'opt/docker/daemon.json': '{"a": 1}', 'etc/x': '' });
  symlinkSync('../opt/docker', join(here.root, 'etc/docker'));
  await here.apply(docker);
  assert.match(here.read('opt/docker/daemon.json'), /10\.0\.0\.5/);
});

test('a backup that is damaged or gone is told of, and nothing is restored from it', async (t) => {
  const here = machine(t, { [daemonJson]: '{"a": 1}' });
  const [changed] = await here.apply(docker);
  const backup = join(here.root, changed?.backup ?? '');
  writeFileSync(backup, '{"a": 2}');
  const after = here.tree();
  await assert.rejects(here.undo(docker), {
    code: 'CANNOT_UNDO',
    message: /backup ".*" of "\/etc\/docker\/daemon\.json": it is damaged/,
  });
  assert.deepEqual(here.tree(), after);
  rmSync(backup);
  await assert.rejects(here.undo(docker, true), /it is gone/);
  const entry = { path: '/etc/docker/daemon.json', targets: ['docker'], after: [], before: null };
  const of = (given: object) => JSON.stringify({ version: 1, folders: [], entries: [{ ...entry, ...given }] });
  for (const text of ['{', '{"version": 2}', of({ before: {} }), of({ targets: 'docker' }), of({ path: 1 })]) {
    writeFileSync(join(here.root, 'var/lib/entrepot-setup/journal.json'), text);
    const refused = here.apply(docker, setupViewOf({ address: 'https://x.test' }));
    await assert.rejects(refused, { code: 'CANNOT_UNDO', message: /is no journal of this version/ }, text);
  }
});

test('a file that two targets share stays until both are undone', async (t) => {
  const here = machine(t);
  const before = here.tree();
  await here.apply(podman);
  assert.deepEqual(await here.apply(buildah), [{ path: dropIn, change: 'none' }]);
  assert.deepEqual(await here.undo(podman), [{ path: dropIn, change: 'kept', hasMore: false }]);
  assert.deepEqual(await here.undo(podman), []);
  assert.ok(existsSync(join(here.root, dropIn)));
  assert.deepEqual(await here.undo(buildah), [{ path: dropIn, change: 'removed', hasMore: false }]);
  assert.deepEqual(here.tree(), before);
});

test('targets that are applied at the same time know of each other', async (t) => {
  const here = machine(t, { [daemonJson]: '{"a": 1}' });
  const before = here.tree();
  await Promise.all([docker, podman, buildkit].map((target) => here.apply(target)));
  for (const target of [docker, podman, buildkit]) assert.equal((await here.undo(target)).length, 1, target.name);
  assert.deepEqual(here.tree(), before);
});

test('a file that is to be given to another program cannot be applied', async (t) => {
  const file = { path: 'cloud-init.yaml', about: '', render: () => '' };
  await assert.rejects(applyFiles([file], { root: tmpDir(t), target: 'x' }), /print it by --file cloud-init\.yaml/);
});
