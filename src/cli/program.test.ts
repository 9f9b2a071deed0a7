import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommandLine } from '../../test/support/command/run-tool.ts';
import { describeFailure, makeProgram } from './program.ts';

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return runCommandLine(args, { env });
}

function withFile<T>(text: string, use: (file: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-cli-'));
  const file = join(folder, 'entrepot.yaml');
  writeFileSync(file, text);
  return use(file).finally(() => rmSync(folder, { recursive: true }));
}

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  assert.deepEqual(await run(['--version']), { code: 0, out: `${version}\n`, error: '' });
});

test('--help tells of the commands and their flags', async () => {
  const program = await run(['--help']);
  assert.equal(program.code, 0);
  for (const word of ['serve', 'config', 'Exit codes']) assert.ok(program.out.includes(word), word);
  for (const command of [['serve'], ['config', 'check']]) {
    const { code, out } = await run([...command, '--help']);
    assert.equal(code, 0);
    for (const flag of ['--config <FILE>', '--data <DIR>', '--listen <ADDR>', '--default <NAME>', '--domain <NAME>']) {
      assert.ok(out.includes(flag), flag);
    }
    for (const flag of ['--log-level <', '--log-format <', '--set <KEY=VALUE>']) assert.ok(out.includes(flag), flag);
  }
});

test('every command that the help tells of can be named alone, and goes by that name', async () => {
  const terminal = { env: {}, writeOut() {}, writeError() {} };
  const whole = await makeProgram(terminal);
  assert.ok(whole.commands.length > 15);
  for (const command of whole.commands) {
    const alone = await makeProgram(terminal, command.name());
    assert.deepEqual(
      [command.name()],
      alone.commands.map((only) => only.name()),
    );
  }
});

test('a wrong command line ends with 2, and says on standard error what is wrong', async () => {
  for (const args of [
    ['sevre'],
    ['serve', '--lisen', 'x'],
    ['serve', '--data'],
    ['config', 'chekc'],
    ['serve', 'more'],
    [],
  ]) {
    const { code, out, error } = await run(args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(out, '', args.join(' '));
    assert.notEqual(error, '', args.join(' '));
  }
});

test('config check prints the effective configuration with the flags that serve takes', async () => {
  await withFile('cache: { tagTtl: 5m }\n', async (file) => {
    const flags = ['--data', '/d', '--listen', ':80', '--default', 'ghcr.io', '--domain', 'd.example'];
    const more = [
      '--log-level',
      'warn',
      '--log-format',
      'json',
      '--set',
      'cache.maxBytes=1GB',
      '--set',
      'shutdown.grace=1s',
    ];
    const { code, out, error } = await run(['config', 'check', '--config', file, ...flags, ...more]);
    assert.equal(error, '');
    assert.equal(code, 0);
    const lines = [
      'data: /d # --data',
      'domain: d.example # --domain',
      '    listen: :80 # --listen',
      '    default: ghcr.io # --default',
      '  maxBytes: 1GB # --set cache.maxBytes',
      `  tagTtl: 5m # ${file}:1`,
      '  level: warn # --log-level',
      '  format: json # --log-format',
      '  grace: 1s # --set shutdown.grace',
    ];
    for (const line of lines) assert.ok(out.split('\n').includes(line), `${line}\nis in\n${out}`);
  });
});

test('config check --json prints the configuration and the origins', async () => {
  const env = { DOCKERHUB_USERNAME: 'u', DOCKERHUB_PASSWORD: 'swordfish' };
  const { code, out } = await run(['config', 'check', '--json'], env);
  assert.equal(code, 0);
  const { config, origins } = JSON.parse(out);
  assert.equal(config.upstreams['docker.io'].username, 'u');
  assert.equal(config.upstreams['docker.io'].password, '[redacted]');
  assert.equal(origins['upstreams.docker.io.username'], 'DOCKERHUB_USERNAME');
  assert.equal(config.cache.maxBytes, '50GB');
});

test('a configuration that cannot be used ends with 1 and every problem, without a stack', async () => {
  await withFile('dta: x\n', async (file) => {
    for (const command of [['config', 'check'], ['serve']]) {
      const { code, out, error } = await run([...command, '-c', file, '--log-level', 'loud']);
      assert.deepEqual([code, out], [1, '']);
      assert.equal(
        error,
        'Cannot use the configuration: it has 2 problems\n' +
          `  ${file}:1: Unknown key "dta": did you mean "data"?\n` +
          '  --log-level: Cannot use log.level "loud": expected one of trace, debug, info, warn, error, fatal, silent\n',
      );
    }
  });
});

test('config check --json prints the problems as JSON, too', async () => {
  const { code, out, error } = await run(['config', 'check', '--json', '--log-level', 'loud']);
  assert.equal(code, 1);
  assert.deepEqual(
    JSON.parse(out).problems.map(({ where }: { where: string }) => where),
    ['--log-level'],
  );
  assert.match(error, /--log-level: Cannot use log.level "loud"/);
});

test('what the system refuses is told in its words, with the file', () => {
  const error = Object.assign(new Error("EACCES: permission denied, scandir 'data/ca'"), {
    ...{ code: 'EACCES', errno: -13, path: 'data/ca' },
  });
  assert.match(
    describeFailure(error),
    /^Cannot use "data\/ca": permission denied \(EACCES\), run this as the user that it/,
  );
});

test('of several errors each is told', () => {
  const taken = Object.assign(new Error('Cannot start: listen EADDRINUSE: …'), { code: 'EADDRINUSE' });
  const gone = Object.assign(new Error('EIO: i/o error, close'), { code: 'EIO' });
  assert.equal(
    describeFailure(new AggregateError([taken, gone])),
    'Cannot start: listen EADDRINUSE: …\nCannot go on: EIO: i/o error, close',
  );
});
