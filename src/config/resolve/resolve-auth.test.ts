import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadTestConfig, type TestSources } from '../../../test/support/command/config-sources.ts';
import { ConfigError } from '../config-error.ts';

const files = { '/etc/htpasswd': '' };

function problemsOf(sources: TestSources): readonly string[] {
  try {
    loadTestConfig(sources);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ where, what, advice }) => `${where}: ${what}: ${advice}`);
  }
}

test('what a rule leaves out is every door and every repository', () => {
  const yaml = `auth:
  htpasswd: /etc/htpasswd
  rules:
    - { users: [anonymous], doors: [registry], repositories: [docker.io/library/*, "**"], allow: [pull] }
    - { users: [ci, authenticated], allow: [pull, push, delete] }`;
  const { config } = loadTestConfig({ yaml, files });
  assert.deepEqual(config.auth, {
    htpasswd: '/etc/htpasswd',
    rememberForMs: 300_000,
    rules: [
      {
        users: ['anonymous'],
        doors: ['registry'],
        repositories: [/^docker\.io\/library\/[^/]*$/, /^.*$/],
        allow: ['pull'],
      },
      {
        users: ['ci', 'authenticated'],
        doors: ['registry', 'hosted', 'proxy'],
        repositories: [/^/],
        allow: ['pull', 'push', 'delete'],
      },
    ],
  });
});

describe('a mistake about who may what is told with its place and what to do', () => {
  const rows: readonly (readonly [what: string, yaml: string, expected: RegExp])[] = [
    [
      'no such file',
      'auth: { htpasswd: /none }',
      /yaml:1: Cannot read auth\.htpasswd "\/none": there is no such file: /,
    ],
    [
      'no file',
      'auth: { rules: [{ users: [a], allow: [pull] }] }',
      /yaml:1: Cannot use auth\.rules: nobody has a password: /,
    ],
    [
      'an unknown key',
      rule('{ users: [a], allow: [pull], when: now }'),
      /expected a group of users, doors, repositories and allow/,
    ],
    ['users left away', rule('{ user: [a], allow: [pull] }'), /entry 1, users: expected a list/],
    ['no users', rule('{ users: [], allow: [pull] }'), /entry 1, users: expected at least one user/],
    ['a verb that is none', rule('{ users: [a], allow: [write] }'), /"write": expected one of pull, push, delete/],
    [
      'a door that is none',
      rule('{ users: [a], doors: [front], allow: [pull] }'),
      /"front": expected one of registry, hosted/,
    ],
    [
      'a pattern without registry',
      rule('{ users: [a], repositories: [team/*], allow: [pull] }'),
      /expected a registry and a repo/,
    ],
    [
      'a registry that is not configured',
      rule('{ users: [a], repositories: ["localhost:5001/team/*"], allow: [pull] }'),
      /entry 1, repositories "localhost:5001\/team\/\*": no upstream is called localhost:5001; what is pushed here is hosted\.entrepot\/…/,
    ],
  ];
  for (const [what, yaml, expected] of rows) {
    test(what, () => {
      const [problem = '', ...others] = problemsOf({ yaml, files });
      assert.match(problem, expected);
      assert.deepEqual(others, []);
    });
  }
});

function rule(text: string): string {
  return `auth: { htpasswd: /etc/htpasswd, rules: [${text}] }`;
}

test('a hosted door that other machines reach needs passwords, or the word that everybody may push', () => {
  for (const listen of [':5001', '0.0.0.0:5001', '"[::]:5001"', '10.0.0.1:5001', 'registry.example.com:5001']) {
    const door = `doors: { hosted: { listen: "${listen.replaceAll('"', '')}" } }`;
    const [problem = ''] = problemsOf({ yaml: door });
    assert.match(
      problem,
      /^entrepot\.yaml:1: Cannot use doors\.hosted\.listen .*auth\.htpasswd.*hosted\.allowAnonymousPush/,
    );
    assert.deepEqual(problemsOf({ yaml: `${door}\nhosted: { allowAnonymousPush: true }` }), []);
    assert.deepEqual(problemsOf({ yaml: `${door}\nauth: { htpasswd: /etc/htpasswd }`, files }), []);
  }
  for (const listen of ['127.0.0.1:5001', '[::1]:5001', 'localhost:5001', '5001', 'none']) {
    assert.deepEqual(problemsOf({ yaml: `doors: { hosted: { listen: "${listen}" } }` }), []);
  }
});
