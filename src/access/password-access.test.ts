import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hashSync } from 'bcryptjs';
import { tmpDir } from '../../test/support/disk/tmp.ts';
import { EventLog } from '../../test/support/event-log.ts';
import { ManualClock } from '../../test/support/time/clock.ts';
import { parseRepository } from '../oci/reference.ts';
import { nobody } from './access.ts';
import { openPasswordAccess } from './password-access.ts';
import type { AccessRule } from './rules.ts';

const patient = new AbortController().signal;
const target = { registry: 'hosted.entrepot', repository: parseRepository('team/app') };

async function setUp(
  t: TestContext,
  { rules, text = line('alice', 'secret') }: { rules?: AccessRule[]; text?: string },
) {
  const path = join(tmpDir(t), 'htpasswd');
  writeFileSync(path, text);
  const clock = new ManualClock();
  const log = new EventLog();
  const access = await openPasswordAccess({
    htpasswd: path,
    rules,
    rememberForMs: 300_000,
    clock,
    log,
    counted: () => {},
  });
  t.after(() => access.close());
  const login = (name: string, password: string) =>
    access.identify(`Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`, '10.0.0.1', patient);
  return { path, clock, log, access, login };
}

function line(name: string, password: string): string {
  return `${name}:${hashSync(password, 4)}\n`;
}

test('a file that cannot be read or used keeps it from starting, and the error has the file and the line', async (t) => {
  const path = join(tmpDir(t), 'htpasswd');
  const options = { rules: undefined, rememberForMs: 1, clock: new ManualClock(), counted: () => {} };
  const log = new EventLog();
  const open = () => openPasswordAccess({ ...options, htpasswd: path, log });
  await assert.rejects(open, { message: `Cannot use auth.htpasswd "${path}": ENOENT` });
  writeFileSync(path, `${line('alice', 'secret')}bob:swordfish\n`);
  await assert.rejects(open, (error: Error) => {
    assert.match(error.message, /^Cannot use auth\.htpasswd ".*": line 2: what follows the name is no bcrypt hash/);
    assert.ok(!`${error.message}${error.stack}`.includes('swordfish'));
    return true;
  });
  assert.equal(log.events.length, 0);
});

test('a user who is added, changed or removed counts at once when the file is read again', async (t) => {
  const { path, clock, login } = await setUp(t, {});
  await login('alice', 'secret');
  await assert.rejects(login('bob', 'other'));
  writeFileSync(path, line('alice', 'new secret') + line('bob', 'other'));
  clock.advance(2_000);
  assert.deepEqual(await login('bob', 'other'), { user: 'bob' });
  assert.deepEqual(await login('alice', 'new secret'), { user: 'alice' });
  await assert.rejects(login('alice', 'secret'));
  writeFileSync(path, line('bob', 'other'));
  clock.advance(2_000);
  await assert.rejects(login('alice', 'new secret'));
});

test('a file that gets broken counts as it was before, which is logged once', async (t) => {
  const { path, clock, log, login } = await setUp(t, {});
  writeFileSync(path, 'alice:swordfish\n');
  for (let count = 0; count < 3; count++) {
    clock.advance(2_000);
    assert.deepEqual(await login('alice', 'secret'), { user: 'alice' });
  }
  const told = log.named('htpasswd cannot be used, what it said before counts');
  assert.equal(told.length, 1);
  assert.match(String(told[0]?.facts['reason']), /^line 1: /);
  assert.doesNotMatch(JSON.stringify(log.events), /swordfish/);
});

test('rules for users who are not in the file are a warning', async (t) => {
  const all = { doors: ['hosted' as const], repositories: [/^/], allow: ['push' as const] };
  const rules = [
    { users: ['alice', 'ghost', 'anonymous'], ...all },
    { users: ['ghost', 'authenticated', 'spirit'], ...all },
  ];
  const { log } = await setUp(t, { rules });
  const [warning] = log.named('rules name users who are not in the htpasswd file');
  assert.deepEqual(warning?.facts['users'], ['ghost', 'spirit']);
});

test('who may not is asked to log in, or told no when that would not help', async (t) => {
  const { access } = await setUp(t, {});
  const anonymous = access.refuse(nobody, 'push', target) as Error & { code?: string; headers?: object };
  assert.deepEqual(
    [anonymous.code, anonymous.headers],
    ['UNAUTHORIZED', { 'www-authenticate': 'Basic realm="Entrepot"' }],
  );
  assert.equal(anonymous.message, 'Cannot push "hosted.entrepot/team/app" without a login');
  const user = access.refuse({ user: 'alice' }, 'push', target) as Error & { code?: string };
  assert.equal(user.code, 'DENIED');
  assert.equal(user.message, 'Cannot push "hosted.entrepot/team/app": no rule allows it to "alice"');
});
