import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tmpDir } from '../../support/disk/tmp.ts';
import { projectRoot } from '../../support/pages/pages.ts';

test('make config writes a configuration that says what it was given', (t) => {
  const project = tmpDir(t);
  for (const path of ['Makefile', 'package.json', 'deploy/systemd']) {
    cpSync(join(projectRoot, path), join(project, path), { recursive: true });
  }
  for (const path of ['node_modules', 'src']) symlinkSync(join(projectRoot, path), join(project, path));
  const given = ['LISTEN=:5055', 'PROXY=none', 'DOMAIN=', 'MAX_BYTES=7GB', 'REGISTRY_CACHE_AUTH_REGISTRIES='];
  // What is installed is that of the project, and as new as it has to be: make must not install anything here.
  const installed = ['--assume-old=node_modules/.package-lock.json'];
  const options = { cwd: project, encoding: 'utf8', stdio: 'pipe', timeout: 60_000 } as const;
  const said = execFileSync('make', ['--silent', ...installed, 'config', `DATA=${project}/data`, ...given], options);
  assert.match(said, /wrote .*entrepot\.yaml/);
  const yaml = readFileSync(join(project, 'entrepot.yaml'), 'utf8');
  assert.match(yaml, /listen: ":5055"/);
  assert.match(yaml, /maxBytes: 7GB/);
});

test('no target of make runs a script through `npm exec --`, which takes a path for the name of a package', () => {
  const makefile = readFileSync(join(projectRoot, 'Makefile'), 'utf8');
  const programs = [...makefile.matchAll(/npm exec -- (\S+)/g)].map(([, program]) => program);
  assert.ok(programs.length > 2);
  assert.deepEqual(
    programs.filter((program) => program !== 'node'),
    [],
    'take `npm exec --call`',
  );
});
