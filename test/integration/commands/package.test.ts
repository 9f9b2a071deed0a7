import assert from 'node:assert/strict';
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

// What `npm pack` makes is installed into an empty folder, as on a machine that never saw the sources, and used there.

const root = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);
const npmLimitMs = 180_000; // an install may have to ask the network

/** The environment of npm without what an `npm test` around us sets: it would install into this project. */
function npmEnvironment(): NodeJS.ProcessEnv {
  const own = /^npm_(?:package|lifecycle|command|execpath|node_execpath|config_(?:local_|global_)?prefix)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
}

/** The environment of the installed program: nothing but the Node.js that runs this test. */
const programEnvironment = { PATH: `${dirname(process.execPath)}${delimiter}/usr/bin${delimiter}/bin` };

async function packAndInstall(folder: string): Promise<string> {
  const packed = join(folder, 'packed');
  const installed = join(folder, 'installed');
  for (const path of [packed, installed]) mkdirSync(path);
  const options = { env: npmEnvironment(), timeout: npmLimitMs };
  await run('npm', ['pack', '--pack-destination', packed], { ...options, cwd: root });
  const [tarball = ''] = readdirSync(packed);
  const flags = ['--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', '--prefix', installed];
  await run('npm', ['install', join(packed, tarball), ...flags], { ...options, cwd: installed });
  return installed;
}

/** Resolves with what a pattern finds in the lines of a stream. */
async function lineOf(stream: Readable, pattern: RegExp): Promise<string> {
  const seen: string[] = [];
  for await (const line of createInterface({ input: stream })) {
    seen.push(line);
    const found = pattern.exec(line)?.[1];
    if (found !== undefined) return found;
  }
  throw new Error(`Cannot find ${pattern} in:\n${seen.join('\n')}`);
}

describe('the packed package', () => {
  const folder = tmpDir({ after });
  let installed = '';
  let program = '';

  before(async () => {
    installed = await packAndInstall(folder);
    program = join(installed, 'node_modules/.bin/entrepot');
  });

  test('holds what runs and what is read, and none of the tests', () => {
    const files = readdirSync(join(installed, 'node_modules/entrepot'), { recursive: true, encoding: 'utf8' });
    for (const file of ['dist/cli/main.js', 'dist/app.js', 'docs/configuration.md', 'package.json']) {
      assert.ok(files.includes(file), `${file} is in it`);
    }
    assert.deepEqual(
      files.filter((file) => /\.test\.|\.ts$|^(?:src|test|scripts|bench)\b/.test(file)),
      [],
    );
    const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const name of Object.keys(devDependencies)) {
      assert.ok(!existsSync(join(installed, 'node_modules', name)), `${name} is not installed`);
    }
  });

  test('says its version', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const { stdout } = await run(program, ['--version'], { env: programEnvironment });
    assert.equal(stdout, `${version}\n`);
  });

  test('checks a configuration', async () => {
    const { stdout } = await run(program, ['config', 'check', '--set', 'cache.tagTtl=5m'], { env: programEnvironment });
    assert.match(stdout, /^ {2}tagTtl: 5m # --set cache\.tagTtl$/m);
    await assert.rejects(run(program, ['config', 'check', '--log-level', 'loud'], { env: programEnvironment }), {
      code: 1,
    });
  });

  test('serves an image from an upstream, and ends with 0 at SIGTERM', async (t) => {
    const origin = await startTestRegistry();
    t.after(() => origin.close());
    const image = makeImage({ seed: 'package', layers: [100_000] });
    origin.content.push('team/app', image, 'latest');
    const upstreams = { [origin.authority]: { url: origin.url, alias: 'origin.example' } };
    const flags = [
      '--listen',
      '127.0.0.1:0',
      '--set',
      'doors.hosted.listen=none',
      '--set',
      'doors.proxy.listen=none',
      '--log-format',
      'json',
    ];
    flags.push('--data', join(tmpDir(t), 'data'));
    const child: ChildProcessByStdio<null, Readable, Readable> = spawn(program, ['serve', ...flags], {
      env: { ...programEnvironment, ENTREPOT_UPSTREAMS: JSON.stringify(upstreams) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.after(() => child.kill('SIGKILL'));
    child.stdout.resume();
    const exited = once(child, 'exit');

    const url = await lineOf(child.stderr, /listens on (http:\S+)/);
    const ping = await fetch(`${url}/v2/`);
    assert.deepEqual([ping.status, await ping.json()], [200, {}]);
    const manifest = await fetch(`${url}/v2/origin.example/team/app/manifests/latest`);
    assert.equal(manifest.headers.get('docker-content-digest'), image.manifest.digest);
    assert.deepEqual(Buffer.from(await manifest.arrayBuffer()), image.manifest.bytes);
    for (const { digest, bytes } of image.blobs) {
      const blob = await fetch(`${url}/v2/origin.example/team/app/blobs/${digest}`);
      assert.deepEqual(Buffer.from(await blob.arrayBuffer()), bytes);
    }

    child.stderr.resume();
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  });

  test('ends with 1 and without a stack when its address is taken', async (t) => {
    const other = await startTestRegistry();
    t.after(() => other.close());
    const flags = ['--listen', other.authority, '--data', join(tmpDir(t), 'data')];
    await assert.rejects(run(program, ['serve', ...flags], { env: programEnvironment }), (error: unknown) => {
      const { code, stderr } = error as { code: number; stderr: string };
      assert.equal(code, 1);
      assert.match(stderr, /^Cannot start: .*EADDRINUSE.*; choose another address with --listen\n$/);
      return true;
    });
  });
});
