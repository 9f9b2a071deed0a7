import assert from 'node:assert/strict';
import { appendFileSync, lstatSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fakeSystem } from '../../../test/support/command/fake-system.ts';
import { setupViewOf } from '../../../test/support/command/setup-views.ts';
import { shells } from '../../../test/support/pages/shells.ts';
import type { SetupPlan } from '../target.ts';
import { buildkit } from '../targets/buildkit.ts';
import { k3s } from '../targets/clusters/k3s.ts';
import { containerd } from '../targets/containerd.ts';
import { docker } from '../targets/docker.ts';
import { setupPlan, setupTargets } from '../targets.ts';
import { planScript } from './plan-script.ts';

const view = setupViewOf({ hostedNames: ['localhost:5001'] });
const script = planScript(containerd, setupPlan(containerd, view));
const hub = 'etc/containerd/certs.d/docker.io/hosts.toml';

for (const shell of shells) {
  describe(shell.join(' '), () => {
    test('writes every file as it is to be, says so, and does nothing the second time', (t) => {
      const system = fakeSystem(t, {}, []);
      const { code, out, error } = system.run(shell, script, []);
      assert.deepEqual([code, error], [0, '']);
      const { files } = containerd.plan(view);
      for (const { path, render } of files) {
        assert.equal(system.tree()[path], `644\n${render(undefined)}`);
        assert.match(out, new RegExp(`^write: ${path}$`, 'm'));
      }
      assert.match(out, /^Then run:\n {2}containerd config dump/m);
      const after = system.tree();
      const again = system.run(shell, script, []);
      assert.equal(again.out.match(/^as it is: /gm)?.length, files.length);
      assert.doesNotMatch(again.out, /^write: /m);
      assert.deepEqual(system.tree(), after);
    });

    test('leaves another’s file alone, and then does nothing at all', (t) => {
      const system = fakeSystem(t, { [hub]: 'server = "https://own.corp"\n' }, []);
      const before = system.tree();
      const { code, error } = system.run(shell, script, []);
      assert.equal(code, 1);
      assert.match(
        error,
        /^Nothing was done, as there is already: \/etc\/containerd\/certs\.d\/docker\.io\/hosts\.toml$/m,
      );
      assert.deepEqual(system.tree(), before);
    });

    test('renews its own, and keeps what it was', (t) => {
      const system = fakeSystem(t, {}, []);
      system.run(shell, script, []);
      const older = system.tree()[`/${hub}`];
      const moved = setupViewOf({ address: 'http://cache.lan:6000' });
      const { code } = system.run(shell, planScript(containerd, setupPlan(containerd, moved)), []);
      assert.equal(code, 0);
      assert.match(system.tree()[`/${hub}`] ?? '', /cache\.lan:6000/);
      assert.equal(system.tree()[`/${hub}.entrepot-old`], older);
    });

    // A file of JSON, and one whose first line is another's, have no line that says who wrote them: none of them was renewed.
    for (const [target, path] of [
      [docker, 'etc/docker/daemon.json'],
      [buildkit, 'etc/buildkit/buildkitd.toml'],
    ] as const) {
      test(`renews ${path} of its own, and nobody else’s`, (t) => {
        const system = fakeSystem(t, {}, []);
        const scriptOf = (name: string) =>
          planScript(target, setupPlan(target, setupViewOf({ address: `http://${name}.lan:5000` })));
        for (const name of ['one', 'two', 'two', 'three']) {
          assert.equal(system.run(shell, scriptOf(name), []).code, 0, name);
          assert.match(system.tree()[`/${path}`] ?? '', new RegExp(`${name}\\.lan`));
        }
        assert.match(system.tree()[`/${path}.entrepot-old`] ?? '', /one\.lan/);
        assert.match(system.tree()[`/${path}.entrepot-old-2`] ?? '', /two\.lan/);
        const before = system.tree();
        const dry = system.run(shell, scriptOf('four'), ['--dry-run']);
        assert.deepEqual([dry.code, system.tree()], [0, before]);
        appendFileSync(join(system.root, path), '\n');
        const edited = system.tree();
        const { code, error } = system.run(shell, scriptOf('four'), []);
        assert.equal(code, 1);
        assert.match(error, new RegExp(`there is already: /${path.replaceAll('.', '\\.')}$`, 'm'));
        assert.deepEqual(system.tree(), edited);
      });
    }

    test('leaves a link to whoever has made it, also one to what is ours', (t) => {
      const system = fakeSystem(t, {}, []);
      system.run(shell, script, []);
      const moved = planScript(containerd, setupPlan(containerd, setupViewOf({ address: 'http://cache.lan:6000' })));
      renameSync(join(system.root, hub), join(system.root, 'etc/mine.toml'));
      symlinkSync('/etc/mine.toml', join(system.root, hub));
      const { code, error } = system.run(shell, moved, []);
      assert.equal(code, 1);
      assert.match(error, /there is already: \/etc\/containerd\/certs\.d\/docker\.io\/hosts\.toml$/m);
      assert.ok(lstatSync(join(system.root, hub)).isSymbolicLink());
    });

    test('goes on where it was killed before it had noted what it wrote', (t) => {
      const path = 'etc/docker/daemon.json';
      const scriptOf = (name: string) =>
        planScript(docker, setupPlan(docker, setupViewOf({ address: `http://${name}.lan:5000` })));
      const system = fakeSystem(t, {}, []);
      system.run(shell, scriptOf('one'), []);
      const older = readFileSync(join(system.root, `${path}.entrepot-made`));
      system.run(shell, scriptOf('two'), []);
      writeFileSync(join(system.root, `${path}.entrepot-made`), older);
      for (const name of ['two', 'three']) assert.equal(system.run(shell, scriptOf(name), []).code, 0, name);
    });

    test('renews the authority, which says nothing of who wrote it', (t) => {
      const system = fakeSystem(t, {}, []);
      const address = 'https://cache.lan:5000';
      for (const ca of ['the older\n', 'the newer\n']) {
        const text = planScript(containerd, setupPlan(containerd, setupViewOf({ address, ca })));
        assert.deepEqual([system.run(shell, text, []).code, ca], [0, ca]);
      }
      assert.equal(system.tree()['/etc/containerd/entrepot-ca.crt'], '644\nthe newer\n');
    });

    // What was kept of the second change took the place of what was kept of the first.
    test('keeps all that it was, however often it is renewed', (t) => {
      const system = fakeSystem(t, {}, []);
      const names = ['one', 'two', 'three'];
      for (const name of names) {
        const plan = setupPlan(k3s, setupViewOf({ address: `http://${name}.lan:5000` }));
        assert.equal(system.run(shell, planScript(k3s, plan), []).code, 0);
        appendFileSync(join(system.root, 'etc/rancher/k3s/registries.yaml'), `# ${name}, by hand\n`);
      }
      assert.equal(system.run(shell, planScript(k3s, setupPlan(k3s, view)), []).code, 0);
      const kept = Object.entries(system.tree()).filter(([path]) => path.includes('yaml.entrepot-old'));
      for (const name of names)
        assert.ok(
          kept.some(([, text]) => text.endsWith(`# ${name}, by hand\n`)),
          name,
        );
    });

    test('leaves a file alone that others have written behind what is ours', (t) => {
      const system = fakeSystem(t, {}, []);
      system.run(shell, script, []);
      appendFileSync(join(system.root, hub), '[host."https://own.corp"]\n');
      const before = system.tree();
      const moved = setupViewOf({ address: 'http://cache.lan:6000' });
      const { code, error } = system.run(shell, planScript(containerd, setupPlan(containerd, moved)), []);
      assert.equal(code, 1);
      assert.match(error, /there is already: \/etc\/containerd\/certs\.d\/docker\.io\/hosts\.toml$/m);
      assert.deepEqual(system.tree(), before);
    });

    test('says in a dry run what it would do, and knows no other word', (t) => {
      const system = fakeSystem(t, { 'etc/hostname': 'a\n' }, []);
      const before = system.tree();
      const { code, out } = system.run(shell, script, ['--dry-run']);
      assert.equal(code, 0);
      assert.match(out, /^write: [\s\S]*^Nothing was done: this was a dry run$/m);
      assert.deepEqual(system.tree(), before);
      assert.equal(system.run(shell, script, ['--undoo']).code, 2);
    });
  });
}

test('whatever a plan says is text to the script, and modes are kept', (t) => {
  const odd = 'END\n$(touch x) `id` \\ \'quoted\' "$HOME" %s\nEND_\n';
  const files = [{ path: "/etc/it's here", about: '', mode: 0o600, render: () => odd }];
  const plan: SetupPlan = { files, steps: ['one\ntwo'], notes: [odd] };
  const system = fakeSystem(t, {}, []);
  const { code, out, error } = system.run(['sh'], planScript(containerd, plan), []);
  assert.deepEqual([code, error], [0, '']);
  const made = `600\n${odd}`;
  assert.deepEqual(system.tree(), { '/etc': '755', "/etc/it's here": made, "/etc/it's here.entrepot-made": made });
  assert.ok(out.includes(odd));
});

test('the script of every target is one that a shell understands', (t) => {
  for (const target of setupTargets) {
    const plan = setupPlan(target, setupViewOf({ proxyAddress: 'http://10.0.0.5:3128' }));
    const { error } = fakeSystem(t, {}, []).run(['sh', '-n'], planScript(target, plan), []);
    assert.equal(error, '', target.name);
  }
});
