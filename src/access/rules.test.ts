import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseRepository } from '../oci/reference.ts';
import type { DoorName, Verb } from './access.ts';
import { type AccessRule, isOpenByRules, mayByRules, usersMayAll } from './rules.ts';

const everywhere: readonly DoorName[] = ['registry', 'hosted'];

const rules: readonly AccessRule[] = [
  { users: ['anonymous'], doors: ['registry'], repositories: [/^docker\.io\/library\/[^/]*$/], allow: ['pull'] },
  { users: ['authenticated'], doors: everywhere, repositories: [/^/], allow: ['pull'] },
  { users: ['alice', 'ci'], doors: ['hosted'], repositories: [/^hosted\.entrepot\/team\/.*$/], allow: ['push'] },
  { users: ['alice'], doors: ['hosted'], repositories: [/^hosted\.entrepot\/team\/.*$/], allow: ['delete'] },
];

const official = 'docker.io library/alpine';
const team = 'hosted.entrepot team/app';

describe('mayByRules()', () => {
  const rows: readonly (readonly [user: string | undefined, DoorName, Verb, target: string, expected: boolean])[] = [
    [undefined, 'registry', 'pull', official, true],
    [undefined, 'hosted', 'pull', official, false],
    [undefined, 'registry', 'push', official, false],
    [undefined, 'registry', 'pull', 'docker.io library/sub/alpine', false],
    [undefined, 'registry', 'pull', 'docker.io team/alpine', false],
    [undefined, 'registry', 'pull', 'quay.io library/alpine', false],
    [undefined, 'registry', 'pull', 'dockerxio library/alpine', false],
    [undefined, 'registry', 'pull', team, false],
    ['bob', 'registry', 'pull', official, true],
    ['bob', 'hosted', 'pull', team, true],
    ['bob', 'hosted', 'push', team, false],
    ['bob', 'hosted', 'delete', team, false],
    ['ci', 'hosted', 'push', team, true],
    ['ci', 'registry', 'push', team, false],
    ['ci', 'hosted', 'push', 'hosted.entrepot other/app', false],
    ['ci', 'hosted', 'push', 'quay.io team/app', false],
    ['ci', 'hosted', 'delete', team, false],
    ['alice', 'hosted', 'push', team, true],
    ['alice', 'hosted', 'delete', team, true],
    ['anonymous', 'hosted', 'delete', team, false],
    ['Alice', 'hosted', 'delete', team, false],
  ];
  for (const [user, door, verb, target, expected] of rows) {
    test(`${user ?? 'nobody'} may${expected ? '' : ' not'} ${verb} ${target} by the ${door} door`, () => {
      const [registry = '', name = ''] = target.split(' ');
      const repository = parseRepository(name);
      assert.equal(mayByRules(rules, { user }, door, verb, { registry, repository }), expected);
    });
  }
});

test('without rules of its own, whoever has a password may do all, and nobody else anything', () => {
  const target = { registry: 'docker.io', repository: parseRepository('library/alpine') };
  for (const door of everywhere) {
    for (const verb of ['pull', 'push', 'delete'] as const) {
      assert.ok(mayByRules(usersMayAll, { user: 'bob' }, door, verb, target));
      assert.ok(!mayByRules(usersMayAll, { user: undefined }, door, verb, target));
    }
    assert.ok(!isOpenByRules(usersMayAll, door));
  }
});

test('a door is open when some rule for it is for everybody', () => {
  assert.ok(isOpenByRules(rules, 'registry'));
  assert.ok(!isOpenByRules(rules, 'hosted'));
});
