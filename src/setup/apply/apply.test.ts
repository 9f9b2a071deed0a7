import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'smol-toml';
import { setupViewOf, setupViews } from '../../../test/support/setup-views.ts';
import { tmpDir } from '../../../test/support/tmp.ts';
import { SetupError, type SetupTarget, type SetupView } from '../target.ts';
import { buildkit } from '../targets/buildkit.ts';
import { docker } from '../targets/docker.ts';
import { buildah, podman } from '../targets/podman.ts';
import { applyFiles } from './apply.ts';
import { type DurableFiles, systemFiles } from './durable-files.ts';
import { undoFiles } from './undo.ts';

type Tree = Readonly<Record<string, string>>;

/** Every file and folder below a root: the bytes and the rights. */
function treeOf(root: string): Tree {
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    paths.map((path) => {
      const found = lstatSync(join(root, path));
      const what = found.isDirectory() ? 'folder' : readFileSync(join(root, path)).toString('base64');
      return [path, `${(found.mode & 0o7777).toString(8)} ${what}`];
    }),
  );
}

/** A machine with these files, and what is done to it. */
function machineWith(root: string, files: Readonly<Record<string, string | Buffer>>) {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const apply = (target: SetupTarget, view: SetupView = setupViewOf(), system: DurableFiles = systemFiles) =>
    applyFiles(target.plan(view).files, { root, target: target.name, files: system });
  const undo = (target: SetupTarget, force = false, system: DurableFiles = systemFiles) =>
    undoFiles({ root, target: target.name, force, files: system });
  const read = (path: string) => readFileSync(join(root, path), 'utf8');
  return { root, apply, undo, read, tree: () => treeOf(root) };
}

function machine(t: TestContext, files: Readonly<Record<string, string | Buffer>> = {}) {
  return machineWith(tmpDir(t), files);
}

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
  writeFileSync(join(here.root, 'var/lib/entrepot-setup/journal.json'), '{');
  await assert.rejects(here.apply(docker, setupViewOf({ address: 'https://x.test' })), /is no journal of this version/);
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

class Killed extends Error {}

/** A system on which the process is killed at an operation: before it, or with what it leaves when it is half done. */
function killedAt(operation: number, half: boolean): { readonly system: DurableFiles; readonly count: () => number } {
  let count = 0;
  const step = async (work: () => Promise<void>, halfWork: () => void) => {
    count += 1;
    if (count < operation) return work();
    if (half && count === operation) halfWork();
    throw new Killed();
  };
  const fresh = (path: string) => join(dirname(path), `.${path.slice(dirname(path).length + 1)}.entrepot-new`);
  const system: DurableFiles = {
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
  return { system, count: () => count };
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
      const { system, count } = killedAt(operation, half);
      wasKilled = await here.apply(docker, view, system).then(() => false, isKilled);
      assert.ok(count() <= operation);
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

test('killed at any step of undo, it is finished by the next', async (t) => {
  const view = withAuthority;
  for (const half of [false, true]) {
    let wasKilled = true;
    for (let operation = 1; wasKilled; operation += 1) {
      const here = machine(t, { [daemonJson]: '{"a": 1}' });
      const before = here.tree();
      await here.apply(docker, view);
      wasKilled = await here.undo(docker, false, killedAt(operation, half).system).then(() => false, isKilled);
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

/** Without what only says what was done: of a run that was killed there may be some left, which is no client's. */
function withoutState(tree: Tree): Tree {
  return Object.fromEntries(Object.entries(tree).filter(([path]) => !/^var(\/|$)/.test(path)));
}

const indent = fc.constantFrom(undefined, 2, 4, '\t');
const daemon = fc
  .tuple(
    fc.record(
      {
        'registry-mirrors': fc.array(fc.webUrl()),
        'insecure-registries': fc.array(fc.domain()),
        debug: fc.boolean(),
        labels: fc.array(fc.string()),
      },
      { requiredKeys: [] },
    ),
    indent,
    fc.constantFrom('', '\n', '\r\n\r\n'),
  )
  .map(([value, space, end]) => JSON.stringify(value, null, space) + end);
const table = fc.record(
  { mirrors: fc.array(fc.domain()), http: fc.constant(true), insecure: fc.boolean() },
  { requiredKeys: [] },
);
const toml = fc
  .record(
    {
      debug: fc.boolean(),
      root: fc.string(),
      registry: fc.dictionary(fc.constantFrom('docker.io', 'quay.io', '10.0.0.5:5000'), table),
    },
    { requiredKeys: [] },
  )
  .map((value) => `# mine\n${stringify(value)}`);
const anything = fc.oneof(fc.string(), fc.constantFrom('', '{}', '[', '\ufeff{}', 'a = 1'));

test('whatever the files hold: applied, applied again and undone, the machine is as it was, byte for byte', async (t) => {
  const root = tmpDir(t);
  let applied = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.option(fc.oneof({ weight: 4, arbitrary: daemon }, anything), { nil: undefined }),
      fc.option(fc.oneof({ weight: 4, arbitrary: toml }, anything), { nil: undefined }),
      fc.constantFrom(...Object.values(setupViews)),
      async (json, text, view) => {
        rmSync(root, { recursive: true });
        mkdirSync(root);
        const here = machineWith(root, {
          ...(json === undefined ? {} : { [daemonJson]: json }),
          ...(text === undefined ? {} : { 'etc/buildkit/buildkitd.toml': text }),
        });
        const before = here.tree();
        for (const target of [docker, buildkit, podman]) {
          const was = here.tree();
          try {
            await here.apply(target, view);
          } catch (error) {
            assert.ok(error instanceof SetupError && error.code === 'UNREADABLE_FILE', String(error));
            assert.deepEqual(here.tree(), was);
            continue;
          }
          applied += 1;
          const once = here.tree();
          for (const { change } of await here.apply(target, view)) assert.equal(change, 'none');
          assert.deepEqual(here.tree(), once);
        }
        for (const target of [docker, podman, buildkit]) await here.undo(target);
        assert.deepEqual(here.tree(), before);
        assert.ok(!existsSync(join(root, 'var')));
      },
    ),
    { numRuns: 60 },
  );
  assert.ok(applied > 60, String(applied));
});
