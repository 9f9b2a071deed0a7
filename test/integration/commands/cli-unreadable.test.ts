import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openServerStorage } from '../../../src/storage.ts';
import { systemClock } from '../../../src/util/time/clock.ts';
import { runCommandLine } from '../../support/command/run-tool.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { certificates } from '../../support/tls/certs.ts';

// A configuration that names keys and passwords, which only the server's user can read.

/** What of it cannot be read, by the key, and the line that names it. */
const unreadable = [
  ['doors.registry.tls.key', 3],
  ['auth.htpasswd', 4],
  ['dockerConfig', 5],
  ['passwordFile', 7],
  ['ca', 8],
  ['cert', 8],
  ['key', 8],
  ['dockerConfig', 9],
] as const;

async function setUp(t: TestContext) {
  const folder = tmpDir(t);
  const data = join(folder, 'data');
  const secret = (name: string) => join(folder, 'secrets', name);
  writeFileSync(join(folder, 'door.crt'), certificates().server.cert);
  const file = join(folder, 'entrepot.yaml');
  writeFileSync(
    file,
    `data: ${data}
builtinUpstreams: false
doors: { registry: { listen: 1, default: a.test, tls: { cert: ${join(folder, 'door.crt')}, key: ${secret('key')} } } }
auth: { htpasswd: ${secret('htpasswd')} }
dockerConfig: ${secret('config.json')}
upstreams:
  a.test: { username: u, passwordFile: ${secret('password')} }
  b.test: { ca: ${secret('ca')}, cert: ${secret('cert')}, key: ${secret('key')} }
  c.test: { dockerConfig: ${secret('other.json')} }
`,
  );
  await (await openServerStorage(data, { clock: systemClock, maxPartialBytes: 1, onBroken() {} })).close();
  return (...args: readonly string[]) => runCommandLine([...args, '--config', file]);
}

test('a command that needs no key and no password reads none', async (t) => {
  const run = await setUp(t);
  const commands = [
    'status',
    'ls',
    'du',
    'prune --dry-run --to-size 1GB',
    'gc --dry-run',
    'verify',
    'ca renew',
    'ca show',
    'setup docker',
  ];
  for (const command of commands) {
    const { code, error } = await run(...command.split(' '));
    assert.deepEqual([code, /secrets/.test(error)], [0, false], `${command}: ${error}`);
  }
});

test('the server does not start without them, and `config check` tells of each what, where, and what to do', async (t) => {
  const run = await setUp(t);
  for (const command of [['config', 'check'], ['serve']]) {
    const { code, error } = await run(...command);
    assert.equal(code, 1);
    const problems = error.split('\n').filter((line) => line.startsWith('  '));
    assert.equal(problems.length, unreadable.length, error);
    for (const [key, line] of unreadable) {
      const told = problems.some(
        (problem) =>
          problem.includes(`entrepot.yaml:${line}: `) &&
          problem.includes(`${key} "`) &&
          /there is no such file: correct the path/.test(problem),
      );
      assert.ok(told, `${key}: ${error}`);
    }
  }
});
