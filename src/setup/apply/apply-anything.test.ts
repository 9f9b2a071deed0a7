import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'smol-toml';
import { machineWith } from '../../../test/support/command/setup-machine.ts';
import { setupViews } from '../../../test/support/command/setup-views.ts';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { SetupError } from '../target.ts';
import { buildkit } from '../targets/buildkit.ts';
import { docker } from '../targets/docker.ts';
import { podman } from '../targets/podman.ts';

const daemonJson = 'etc/docker/daemon.json';

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
