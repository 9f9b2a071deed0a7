import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import type { Log } from '../../util/log/log.ts';
import type { Credentials } from './credential-source.ts';
import type { CredentialTools } from './credential-tools.ts';
import { type CredentialSettings, openCredentials } from './open-credentials.ts';

const patient = new AbortController().signal;
const server = new URL('https://registry.corp');
const none: CredentialSettings = {
  username: undefined,
  password: undefined,
  passwordFile: undefined,
  dockerConfig: undefined,
  tokenCommand: undefined,
};

/** Where a source gets its credentials from, as a test sees it. */
interface Origin {
  readonly settings: CredentialSettings;
  /** Puts another password in the place of the first. */
  rotate(password: string): void;
  /** Has it fail from now on. */
  fail(): void;
}

const passwordOf = (password: string) => Buffer.from(`u:${password}`).toString('base64');

/** A program in a folder of its own that prints what a file says, and notes each of its runs in another. */
function program(t: TestContext, name: string, ending = '') {
  const folder = tmpDir(t);
  const [path, says, runs] = [join(folder, name), join(folder, 'says'), join(folder, 'runs')];
  writeFileSync(runs, '');
  writeFileSync(path, `#!/bin/sh\necho run >> ${runs}\ncat ${says}${ending}\n`, { mode: 0o755 });
  return { folder, path, say: (text: string) => writeFileSync(says, text), stop: () => rmSync(says), runs };
}

/** Every kind of source whose credentials can change. */
const kinds: Record<string, (t: TestContext) => Origin & { env?: Record<string, string>; runs?: string }> = {
  'a password file': (t) => {
    const passwordFile = join(tmpDir(t), 'password');
    const rotate = (password: string) => writeFileSync(passwordFile, `${password}\n`);
    rotate('first');
    return { settings: { ...none, username: 'u', passwordFile }, rotate, fail: () => rmSync(passwordFile) };
  },
  'a docker config.json': (t) => {
    const dockerConfig = join(tmpDir(t), 'config.json');
    const rotate = (password: string) =>
      writeFileSync(dockerConfig, JSON.stringify({ auths: { 'registry.corp': { auth: passwordOf(password) } } }));
    rotate('first');
    return { settings: { ...none, dockerConfig }, rotate, fail: () => rmSync(dockerConfig) };
  },
  'a docker credential helper': (t) => {
    const { folder, say, stop, runs } = program(t, 'docker-credential-test');
    const dockerConfig = join(folder, 'config.json');
    writeFileSync(dockerConfig, '{"credHelpers":{"registry.corp":"test"}}');
    const rotate = (password: string) => say(JSON.stringify({ ServerURL: 'x', Username: 'u', Secret: password }));
    rotate('first');
    const env = { PATH: `${folder}:${process.env['PATH']}` };
    return { settings: { ...none, dockerConfig }, rotate, fail: stop, env, runs };
  },
  'a token command': (t) => {
    const { path, say, stop, runs } = program(t, 'print-token');
    say('first\n');
    const settings = { ...none, username: 'u', tokenCommand: [path] } as const;
    return { settings, rotate: (password) => say(`${password}\n`), fail: stop, runs };
  },
};

interface Warning {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly event: string;
}

function setUp(t: TestContext, origin: ReturnType<(typeof kinds)[string]>) {
  const clock = new ManualClock();
  const warnings: Warning[] = [];
  const fail = () => assert.fail('only warnings are expected');
  const log: Log = { debug: fail, info: fail, error: fail, warn: (facts, event) => warnings.push({ facts, event }) };
  const env = origin.env ?? { PATH: process.env['PATH'] };
  const stopping = new AbortController();
  t.after(() => stopping.abort());
  const tools: CredentialTools = { upstream: 'registry.corp', clock, log, env, stopping: stopping.signal };
  const source = openCredentials(origin.settings, tools);
  assert.ok(source);
  const current = () => source.current(server, patient);
  const refuse = (credentials: Credentials | undefined) => source.refused(server, credentials!);
  const runs = () => (origin.runs === undefined ? 0 : readFileSync(origin.runs, 'utf8').split('\n').length - 1);
  return { source, clock, warnings, current, refuse, runs };
}

for (const [kind, open] of Object.entries(kinds)) {
  describe(kind, () => {
    test('gives the same object to all, and is asked once for all of them', async (t) => {
      const { current, runs } = setUp(t, open(t));
      const all = await Promise.all([...Array.from({ length: 8 }, current), current()]);
      assert.deepEqual(all[0], { username: 'u', password: 'first' });
      assert.equal(new Set([...all, await current()]).size, 1);
      assert.ok(runs() <= 1);
    });

    test('gives the new ones after the old ones were refused', async (t) => {
      const origin = open(t);
      const { clock, current, refuse } = setUp(t, origin);
      const old = await current();
      origin.rotate('second');
      clock.advance(60_000);
      refuse(old);
      assert.deepEqual(await current(), { username: 'u', password: 'second' });
    });

    test('gives the new ones after a while, though nobody refused the old ones', async (t) => {
      const origin = open(t);
      const { clock, current } = setUp(t, origin);
      await current();
      origin.rotate('second');
      clock.advance(300_000);
      assert.deepEqual(await current(), { username: 'u', password: 'second' });
    });

    test('is not asked again and again for what is refused for good', async (t) => {
      const { clock, current, refuse, runs } = setUp(t, open(t));
      for (let request = 0; request < 20; request++) {
        refuse(await current());
        clock.advance(100);
      }
      assert.ok(runs() <= 1);
    });

    test('keeps the old ones while it cannot be asked, and says so in the log without a secret', async (t) => {
      const origin = open(t);
      const { clock, current, warnings } = setUp(t, origin);
      const old = await current();
      origin.fail();
      for (let look = 0; look < 3; look++) {
        clock.advance(300_000);
        assert.equal(await current(), old);
      }
      assert.ok(warnings.length > 0);
      for (const { facts, event } of warnings) {
        assert.deepEqual([event, facts['upstream']], ['credentials unavailable', 'registry.corp']);
        assert.match(String(facts['reason']), /^(ENOENT|it ended with 1)$/);
      }
      assert.ok(!JSON.stringify(warnings).includes('first'));
    });

    test('that was never there is an error for clients that names the upstream, and nothing else', async (t) => {
      const origin = open(t);
      origin.fail();
      const { current, warnings } = setUp(t, origin);
      await assert.rejects(current(), {
        code: 'UNAVAILABLE',
        message: 'Cannot get the credentials for upstream registry.corp: the log of the cache says why',
      });
      assert.equal(warnings.length, 1);
    });

    test('gives a waiter who left the reason of the signal', async (t) => {
      const { source } = setUp(t, open(t));
      await assert.rejects(source.current(server, AbortSignal.abort(new Error('left'))), { message: 'left' });
    });
  });
}

describe('a docker config.json', () => {
  /** A source over this file, and helpers that print these texts and end with these codes. */
  function setUpHelpers(t: TestContext, config: object, helpers: Record<string, [text: string, exitCode: number]>) {
    const folder = tmpDir(t);
    const dockerConfig = join(folder, 'config.json');
    const write = (text: object) => writeFileSync(dockerConfig, JSON.stringify(text));
    write(config);
    for (const [name, [text, exitCode]] of Object.entries(helpers)) {
      const code = `#!/bin/sh\necho "$1 $(cat)" > ${folder}/asked\ncat <<'END'\n${text}\nEND\nexit ${exitCode}\n`;
      writeFileSync(join(folder, `docker-credential-${name}`), code, { mode: 0o755 });
    }
    const env = { PATH: `${folder}:${process.env['PATH']}` };
    const settings = { ...none, dockerConfig };
    const asked = () => readFileSync(join(folder, 'asked'), 'utf8').trim();
    return { ...setUp(t, { settings, env, rotate() {}, fail() {} }), write, asked };
  }

  const auths = { 'registry.corp': { auth: passwordOf('in-file') } };

  test('has its helper asked by “get” with the server on standard input', async (t) => {
    const printed = JSON.stringify({ Username: 'u', Secret: 's' });
    const { current, asked } = setUpHelpers(t, { credsStore: 'store' }, { store: [printed, 0] });
    assert.deepEqual(await current(), { username: 'u', password: 's' });
    assert.equal(asked(), 'get registry.corp');
  });

  test('gives an identity token, where the helper calls the user so', async (t) => {
    const printed = JSON.stringify({ Username: '<token>', Secret: 'identity' });
    const { current } = setUpHelpers(t, { credsStore: 'store' }, { store: [printed, 0] });
    assert.deepEqual(await current(), { identityToken: 'identity' });
  });

  test('counts itself where its helper has nothing; nobody is logged in where it has nothing, either', async (t) => {
    const nothing: [string, number] = ['credentials not found in native keychain', 1];
    const { current, warnings } = setUpHelpers(t, { auths, credsStore: 'store' }, { store: nothing });
    assert.deepEqual(await current(), { username: 'u', password: 'in-file' });
    const other = setUpHelpers(t, { credsStore: 'store' }, { store: nothing });
    assert.equal(await other.current(), undefined);
    assert.deepEqual([...warnings, ...other.warnings], []);
  });

  test('whose helper fails is an error in the log, with its exit code and without its output', async (t) => {
    const failures: Record<string, [printed: string, exitCode: number, reason: string]> = {
      locked: ['error: the secret is locked', 7, 'it ended with 7'],
      talks: ['secret', 0, 'it printed no JSON'],
      forgets: ['{"Username":"secret"}', 0, 'it printed no Username and Secret'],
    };
    for (const [name, [printed, exitCode, reason]] of Object.entries(failures)) {
      const { current, warnings } = setUpHelpers(t, { auths, credsStore: name }, { [name]: [printed, exitCode] });
      await assert.rejects(current(), { code: 'UNAVAILABLE' });
      const facts = { upstream: 'registry.corp', source: `docker-credential-${name}`, reason };
      assert.deepEqual(warnings, [{ facts, event: 'credentials unavailable' }]);
    }
  });

  test('whose helper is not installed is an error in the log', async (t) => {
    const { current, warnings } = setUpHelpers(t, { auths, credsStore: 'missing' }, {});
    await assert.rejects(current(), { code: 'UNAVAILABLE' });
    assert.equal(warnings[0]?.facts['reason'], 'it cannot be started (ENOENT)');
  });

  test('that is changed has another helper, or none, from then on', async (t) => {
    const printed = JSON.stringify({ Username: 'u', Secret: 's' });
    const { clock, current, write } = setUpHelpers(t, { credsStore: 'store' }, { store: [printed, 0] });
    await current();
    write({ auths });
    clock.advance(2_000);
    assert.deepEqual(await current(), { username: 'u', password: 'in-file' });
  });
});

describe('a token command', () => {
  test('that prints a life time is run again before its end', async (t) => {
    const { path, say, runs } = program(t, 'print-token');
    say('{"username":"u","password":"first","expiresInSeconds":3600}');
    const settings = { ...none, tokenCommand: [path] } as const;
    const { clock, current, runs: count } = setUp(t, { settings, runs, rotate() {}, fail() {} });
    assert.deepEqual(await current(), { username: 'u', password: 'first' });
    clock.advance(3_600_000 - 300_001);
    await current();
    assert.equal(count(), 1);
    say('{"username":"u","password":"second","expiresInSeconds":3600}');
    clock.advance(300_001);
    assert.deepEqual(await current(), { username: 'u', password: 'second' });
    assert.equal(count(), 2);
  });

  test('that fails is told in the log by its program and exit code, not by its arguments or output', async (t) => {
    const { path, say, folder } = program(t, 'print-token', '; exit 4');
    say('secret');
    const settings = { ...none, username: 'u', tokenCommand: [path, 'secret-argument'] } as const;
    const { current, warnings } = setUp(t, { settings, rotate() {}, fail() {} });
    await assert.rejects(current(), { code: 'UNAVAILABLE' });
    const facts = { upstream: 'registry.corp', source: 'print-token', reason: 'it ended with 4' };
    assert.deepEqual(warnings, [{ facts, event: 'credentials unavailable' }]);
    assert.ok(!JSON.stringify(warnings).includes(folder));
  });
});

test('a name and a password never change, and nothing at all is nobody', async (t) => {
  const { current, refuse } = setUp(t, {
    settings: { ...none, username: 'u', password: 'p' },
    rotate() {},
    fail() {},
  });
  refuse(await current());
  assert.deepEqual(await current(), { username: 'u', password: 'p' });
  const tools = { upstream: 'x', clock: new ManualClock(), env: {}, stopping: patient } as unknown as CredentialTools;
  assert.equal(openCredentials(none, tools), undefined);
});
