import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRepository } from '../oci/reference.ts';
import { nobody } from './access.ts';
import { freeAccess } from './free-access.ts';

const target = { registry: 'hosted.entrepot', repository: parseRepository('team/app') };

test('everybody may pull by every door, and push and delete by the doors that are named', async () => {
  const access = freeAccess(new Set(['hosted']));
  const rows = (['registry', 'hosted'] as const).map((door) =>
    (['pull', 'push', 'delete'] as const).map((verb) => access.may(nobody, door, verb, target)),
  );
  assert.deepEqual(rows, [
    [true, false, false],
    [true, true, true],
  ]);
  assert.ok(access.isOpen('registry') && access.isOpen('hosted'));
});

test('whatever password is sent, nobody is proven, and nobody refused for it', async () => {
  const access = freeAccess(new Set());
  const patient = new AbortController().signal;
  for (const sent of [undefined, 'Basic Og==', 'Basic YWxpY2U6c2VjcmV0', 'Bearer token', 'nonsense']) {
    assert.deepEqual(await access.identify(sent, '127.0.0.1', patient), nobody);
  }
});

test('a refusal names the keys that would allow it', () => {
  const error = freeAccess(new Set()).refuse(nobody, 'push', target);
  assert.match(error.message, /^Cannot push "hosted\.entrepot\/team\/app": .*auth or hosted\.allowAnonymousPush$/);
  assert.equal('code' in error && error.code, 'DENIED');
});
