import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { firstBootScript } from '../../src/setup/script/first-boot.ts';
import { planScript } from '../../src/setup/script/plan-script.ts';
import { SetupError } from '../../src/setup/target.ts';
import { docker } from '../../src/setup/targets/docker.ts';
import { machine } from '../support/command/setup-machine.ts';
import { setupViewOf, setupViews } from '../support/command/setup-views.ts';
import { tmpDir } from '../support/disk/tmp.ts';

const daemonJson = 'etc/docker/daemon.json';

/** Files that dockerd takes, as people write them. */
const existing = {
  empty: '',
  blank: '\r\n\t',
  'without members': '{}',
  'on one line': '{"debug":true,"log-opts":{"max-size":"10m"}}',
  'with lines as Windows ends them':
    '{\r\n\t"bip": "10.1.0.1/24",\r\n\t"registry-mirrors": ["https://a.test"]\r\n}\r\n',
  'with a mark of its byte order': '\ufeff{\n  "mtu": 1400\n}\n',
  'with a list that is null': '{"registry-mirrors": null, "insecure-registries": []}',
  'with a key twice': '{"registry-mirrors": ["https://a.test"], "registry-mirrors": ["https://b.test"]}',
  'with escapes, and what looks like a key':
    '{"labels": ["a=\\u0022registry-mirrors\\u0022: [", "b=}"], "hosts": ["fd://"]}',
};

/** Files that it does not take. */
const refused: readonly string[] = ['{', '{} {}', '[]', '{"registry-mirrors": "https://a.test"}', '{"a": 1,}'];

/** The tests of what is put into daemon.json, by a dockerd at a path. */
export function testDockerd(program: string): void {
  for (const [name, view] of Object.entries(setupViews)) {
    for (const shape of docker.shapes) {
      if ((shape === 'vhost') !== (view.domain !== undefined)) continue;
      test(`takes daemon.json, by itself and with what was there: ${name}, ${shape}`, async (t) => {
        // What others have written is treated alike, whatever is put there.
        const befores = name === 'plain' ? Object.values(existing) : [existing['on one line']];
        for (const before of [undefined, ...befores]) {
          const here = machine(t, before === undefined ? {} : { [daemonJson]: before });
          await here.apply(docker, { ...view, shape });
          const { error } = validate(program, join(here.root, daemonJson));
          assert.equal(error, undefined, `${before}\n${here.read(daemonJson)}`);
        }
      });
    }
  }

  test('takes what was there by itself, so that the check is one of what was put there', (t) => {
    for (const text of Object.values(existing)) assert.equal(validate(program, fileOf(t, text)).error, undefined, text);
  });

  for (const text of refused) {
    test(`refuses ${text}, as \`entrepot setup docker --apply\` does, which leaves it as it is`, async (t) => {
      assert.match(validate(program, fileOf(t, text)).error ?? '', /unable to configure the Docker daemon/);
      const here = machine(t, { [daemonJson]: text });
      await assert.rejects(here.apply(docker), (error) => error instanceof SetupError);
      assert.equal(here.read(daemonJson), text);
    });
  }

  test('refuses a key that it does not have: the check is one that can fail', (t) => {
    const { error } = validate(program, fileOf(t, '{"registry_mirrors": ["http://10.0.0.5:5000"]}'));
    assert.match(error ?? '', /don't match any configuration option: registry_mirrors/);
  });

  test('takes what the served script writes, and what a first boot merges', (t) => {
    const { files } = docker.plan(setupViewOf());
    const served = run(t, planScript(docker, docker.plan(setupViewOf())), undefined);
    assert.equal(validate(program, served).error, undefined);
    const merged = run(t, firstBootScript(files), '{"debug": true, "registry-mirrors": ["https://a.test"]}');
    assert.equal(validate(program, merged).error, undefined);
    const { debug, 'registry-mirrors': mirrors } = JSON.parse(readFileSync(merged, 'utf8'));
    assert.deepEqual([debug, mirrors], [true, ['http://10.0.0.5:5000', 'https://a.test']]);
  });
}

function validate(program: string, path: string): { readonly error: string | undefined } {
  const { status, stdout, stderr } = spawnSync(program, ['--validate', '--config-file', path], { encoding: 'utf8' });
  if (status === 0) assert.match(stdout + stderr, /configuration OK/);
  return { error: status === 0 ? undefined : `${stdout}${stderr}` };
}

function fileOf(t: TestContext, text: string): string {
  const path = join(tmpDir(t), 'daemon.json');
  writeFileSync(path, text);
  return path;
}

/** Runs a script on a machine that may have a daemon.json, and gives what there is then. */
function run(t: TestContext, script: string, before: string | undefined): string {
  const root = tmpDir(t);
  const path = join(root, daemonJson);
  mkdirSync(dirname(path), { recursive: true });
  if (before !== undefined) writeFileSync(path, before);
  const { status, stderr } = spawnSync('sh', ['-s'], {
    input: script,
    encoding: 'utf8',
    env: { ...process.env, ENTREPOT_ROOT: root },
  });
  assert.equal(status, 0, stderr);
  return path;
}
