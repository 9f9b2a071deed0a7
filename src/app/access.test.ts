import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { loadTestConfig } from '../../test/support/command/config-sources.ts';
import { EventLog } from '../../test/support/event-log.ts';
import { writePasswords } from '../../test/support/stages/access-stage.ts';
import { certificates } from '../../test/support/tls/certs.ts';
import { type DoorName, nobody } from '../access/access.ts';
import { parseRepository } from '../oci/reference.ts';
import { systemClock } from '../util/time/clock.ts';
import { openAccess } from './access.ts';
import { endLifetime, type Lifetime } from './lifetime.ts';

const target = { registry: 'hosted.entrepot', repository: parseRepository('team/app') };

async function open(t: TestContext, yaml: string, files: Readonly<Record<string, string>> = {}) {
  const log = new EventLog();
  const lifetime: Lifetime = [];
  t.after(() => endLifetime(lifetime));
  const { config } = loadTestConfig({ yaml, files });
  const access = await openAccess(config, { clock: systemClock, log, metrics: { logins: { inc() {} } } }, lifetime);
  const mayPush = (['registry', 'hosted'] as const).filter((door: DoorName) =>
    access.may(nobody, door, 'push', target),
  );
  return { access, mayPush, warned: log.named('passwords come over plain HTTP').map(({ facts }) => facts['door']) };
}

test('without passwords, everybody may push by a door that listens on loopback, and by others only when told so', async (t) => {
  const rows: readonly (readonly [registry: string, hosted: string, allowed: boolean, mayPush: readonly DoorName[]])[] =
    [
      ['127.0.0.1:5000', '127.0.0.1:5001', false, ['registry', 'hosted']],
      [':5000', '127.0.0.1:5001', false, ['hosted']],
      ['0.0.0.0:5000', 'none', false, []],
      ['[::]:5000', '[::1]:5001', false, ['hosted']],
      ['10.0.0.1:5000', '10.0.0.1:5001', true, ['registry', 'hosted']],
    ];
  for (const [registry, hosted, allowed, expected] of rows) {
    const doors = `doors: { registry: { listen: ${JSON.stringify(registry)} }, hosted: { listen: ${JSON.stringify(hosted)} } }`;
    const { access, mayPush, warned } = await open(t, `${doors}\nhosted: { allowAnonymousPush: ${allowed} }`);
    assert.deepEqual([registry, mayPush, warned], [registry, expected, []]);
    assert.ok(access.may(nobody, 'registry', 'pull', target));
  }
});

test('with passwords nobody may push unasked, and a door that others reach in plain HTTP is a warning', async (t) => {
  const { path } = writePasswords(t, { alice: 'a' });
  const { server } = certificates();
  const files = { [path]: readFileSync(path, 'utf8'), '/cert': server.cert, '/key': server.key };
  const auth = `auth: { htpasswd: ${path} }\nhosted: { allowAnonymousPush: true }`;
  const rows = [
    ['registry: { listen: ":5000" }', ['registry']],
    ['hosted: { listen: ":5001" }', ['hosted']],
    ['hosted: { listen: ":5001", tls: { cert: /cert, key: /key } }', []],
    ['registry: { listen: "127.0.0.1:5000" }', []],
  ] as const;
  for (const [doors, expected] of rows) {
    const { mayPush, warned } = await open(t, `${auth}\ndoors: { ${doors} }`, files);
    assert.deepEqual([doors, mayPush, warned], [doors, [], expected]);
  }
});
