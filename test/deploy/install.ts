import { strict as assert } from 'node:assert';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { isThere } from './tools.ts';

const library = 'usr/local/lib/entrepot';
const unit = 'usr/local/lib/systemd/system/entrepot.service';

/**
 * Runs what `make config`, `make install` and `make uninstall` run, in a copy of the project and into a folder (`DESTDIR`).
 * @throws AssertionError
 */
export function testInstall(root: string, scratch: string): void {
  const project = join(scratch, 'project');
  const to = join(scratch, 'destination');
  copyProject(root, project);
  const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`, DESTDIR: to };
  const run = (script: string, given: NodeJS.ProcessEnv = {}, ...args: string[]) =>
    spawnSync(join(project, 'deploy/systemd', script), args, {
      env: { ...env, ...given },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });

  testConfigure(project, run);

  const first = run('install.sh');
  assert.equal(first.status, 0, first.stderr);
  assert.match(first.stdout, /wrote \/usr\/local\/lib\/entrepot\n/);
  const program = (...args: string[]) =>
    execFileSync(join(to, library, 'bin/node'), [join(to, library, 'dist/cli/main.js'), ...args], { encoding: 'utf8' });
  assert.match(program('--version'), /^\d+\.\d+\.\d+/);
  assert.match(program('config', 'check', '--config', join(to, 'etc/entrepot/entrepot.yaml')), /registry\.test/);
  assert.equal(statSync(join(to, 'etc/entrepot/entrepot.env')).mode & 0o777, 0o600);
  assert.ok(!existsSync(join(to, library, 'node_modules/typescript')), 'what is for development was left out');

  writeFileSync(join(to, 'etc/entrepot/entrepot.yaml'), '# mine\n');
  const before = statSync(join(to, library)).ino;
  const second = run('install.sh');
  assert.equal(second.status, 0, second.stderr);
  assert.doesNotMatch(second.stdout, /wrote/);
  assert.equal(statSync(join(to, library)).ino, before);
  assert.equal(readFileSync(join(to, 'etc/entrepot/entrepot.yaml'), 'utf8'), '# mine\n');

  checkUnit(to, scratch);

  const gone = run('install.sh', {}, '--uninstall');
  assert.equal(gone.status, 0, gone.stderr);
  const left = readdirSync(to, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  assert.deepEqual(left.map(({ name }) => name).sort(), ['entrepot.env', 'entrepot.yaml']);

  const wrong = run('install.sh', { PREFIX: 'a b' });
  assert.equal(wrong.status, 1);
  assert.match(wrong.stderr, /cannot use PREFIX=a b/);
}

/** What the scripts need of the project, and a program that was built just now. */
function copyProject(root: string, project: string): void {
  mkdirSync(project);
  for (const path of ['deploy/systemd', 'src', 'scripts/build.ts', 'package.json', 'package-lock.json', 'LICENSE']) {
    cpSync(join(root, path), join(project, path), { recursive: true });
  }
  for (const path of ['tsconfig.json', 'tsconfig.build.json']) cpSync(join(root, path), join(project, path));
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'));
  execFileSync(process.execPath, [join(project, 'scripts/build.ts')], { stdio: 'pipe' });
}

function testConfigure(
  project: string,
  run: (script: string, given: NodeJS.ProcessEnv) => { status: number | null; stdout: string; stderr: string },
): void {
  const file = join(project, 'entrepot.yaml');
  const secrets = 'auth.docker.io:someone:a"b$c`d\\e ghcr.io:x:y';
  for (const [given, said] of [
    [{ LISTEN: ':5000 }, x: {' }, /cannot use LISTEN/],
    [{ LISTEN: ':70000' }, /nothing was written/],
    [{ DATA: 'data' }, /cannot use DATA=data: expected an absolute path/],
    [{ REGISTRY_CACHE_AUTH_REGISTRIES: 'nobody' }, /nothing was written/],
  ] as const) {
    const { status, stderr } = run('configure.sh', given);
    assert.equal(status, 1, JSON.stringify(given));
    assert.match(stderr, said);
    assert.ok(!existsSync(file));
  }
  const done = run('configure.sh', { DOMAIN: 'registry.test', REGISTRY_CACHE_AUTH_REGISTRIES: secrets });
  assert.equal(done.status, 0, done.stderr);
  assert.match(readFileSync(file, 'utf8'), /^domain: registry\.test$/m);
  assert.doesNotMatch(readFileSync(file, 'utf8'), /someone/);
  const env = readFileSync(join(project, 'entrepot.env'), 'utf8');
  // A shell takes the same four characters for its own in double quotes as systemd does.
  const read = spawnSync('sh', ['-c', `${env}printf %s "$REGISTRY_CACHE_AUTH_REGISTRIES"`], { encoding: 'utf8' });
  assert.equal(read.stdout, secrets);
  const again = run('configure.sh', { DOMAIN: 'other.test' });
  assert.match(again.stdout, /is there, and stays as it is/);
  assert.match(readFileSync(file, 'utf8'), /registry\.test/);
}

/** systemd reads the unit, and finds little that is open to it. */
function checkUnit(to: string, scratch: string): void {
  if (!isThere('systemd-analyze')) {
    console.log('deploy: skipped the unit of systemd (needs systemd-analyze)');
    return;
  }
  const text = readFileSync(join(to, unit), 'utf8');
  const file = join(scratch, 'entrepot.service');
  // The program is not where the unit says, as it was installed into a folder.
  writeFileSync(file, text.replaceAll('=/usr/local/lib/entrepot', `=${join(to, library)}`));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
  const own = stderr.split('\n').filter((line) => line.includes('entrepot.service'));
  assert.deepEqual([status, own], [0, []]);
  // In tenths; 13 of 100 when this was written.
  execFileSync('systemd-analyze', ['security', '--offline=yes', '--threshold=15', file], { stdio: 'pipe' });
}
