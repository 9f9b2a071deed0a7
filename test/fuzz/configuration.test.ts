import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigError } from '../../src/config/config-error.ts';
import { configKeys, type KeyPath, upstreamKeys, variableOfPath } from '../../src/config/schema/keys.ts';
import { loadTestConfig, type TestSources } from '../support/command/config-sources.ts';

/**
 * Loads a configuration that may be wrong. Then that is told in form: where, what, and what to do, and nothing else is
 * thrown. When it can be used, what it says of itself can be read again.
 */
function loadOrTell(sources: TestSources, where: RegExp): void {
  try {
    const { config, render } = loadTestConfig(sources);
    assert.ok(config.upstreams.every(({ urls }) => urls.length > 0));
    assert.ok(Number.isSafeInteger(config.cache.maxBytes) && config.cache.negativeTtlMs >= 0);
    assert.ok(config.upstreams.every(({ freshness }) => freshness.tagTtlMs >= 0 && freshness.staleForMs >= 0));
    loadTestConfig({ ...sources, env: {}, yaml: render() });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    assert.ok(error.problems.length > 0);
    for (const problem of error.problems) {
      assert.match(problem.where, where);
      assert.notEqual(problem.what, '');
      assert.notEqual(problem.advice, '');
    }
  }
}

const inFile = /^entrepot\.yaml:\d+$/;
const files = { 'ca.pem': 'no certificate', secret: 'hunter2\n' };

const marks = [
  ': ',
  '- ',
  '\n',
  '\n  ',
  '{',
  '}',
  '[',
  ']',
  ',',
  '"',
  "'",
  '&a ',
  '*a',
  '!!',
  '|',
  '>',
  '#',
  '%',
  '\t',
];
const words = [...configKeys, ...upstreamKeys].flatMap(({ path }) => [...path]);
const piece = fc.constantFrom(
  ...marks,
  ...marks,
  ...words,
  'upstreams',
  'docker.io',
  '1',
  '-1',
  '1e400',
  '~',
  '<<',
  '\0',
);

test('whatever the file, it is a configuration or says what is wrong with it, and where', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: piece, maxLength: 30 }));
  fc.assert(
    fc.property(text, (yaml) => loadOrTell({ yaml, files }, inFile)),
    { numRuns: 1_000 },
  );
});

/** What no key expects, and what some do. */
const oddValue = fc.oneof(
  fc.constantFrom(null, '', ' ', 'none', true, false, 0, -1, 1e300, Number.MAX_SAFE_INTEGER, 'ca.pem', 'secret'),
  fc.constantFrom(
    '10GB',
    '1s',
    '-5',
    '999999999999999999999d',
    ':99999',
    '[::1]:80',
    'https://a.test',
    'http://',
    'a.test',
  ),
  fc.constantFrom([], {}, ['a.test', null], [['a']], { a: { b: 1 } }, ['https://a.test', 'ftp://b.test']),
  fc.string({ maxLength: 12 }),
  fc.double(),
);

const upstreamName = fc.oneof(
  fc.constantFrom('docker.io', 'ghcr.io', 'a.test', 'a.test:5000', '__proto__', 'constructor', '', '.', 'localhost'),
  fc.string({ maxLength: 8 }),
);
const key = fc.constantFrom<KeyPath>(...configKeys.map(({ path }) => path), ['cache'], ['doors'], ['upstreams'], ['x']);
const upstreamKey = fc
  .tuple(upstreamName, fc.constantFrom<KeyPath>(...upstreamKeys.map(({ path }) => path), [], ['x']))
  .map(([name, path]): KeyPath => ['upstreams', name, ...path]);
const settings = fc.array(fc.tuple(fc.oneof(key, upstreamKey), oddValue), { maxLength: 6 });

/** The file that says this, as JSON, which is YAML, too; a key below what is no group goes nowhere. */
function fileOf(given: readonly (readonly [KeyPath, unknown])[]): string {
  const tree: Record<string, unknown> = {};
  for (const [path, value] of given) {
    let group = tree;
    for (const name of path.slice(0, -1)) {
      const below = Object.hasOwn(group, name) ? group[name] : undefined;
      if (typeof below === 'object' && below !== null && !Array.isArray(below)) group = below as typeof tree;
      else {
        const made = {};
        Object.defineProperty(group, name, { value: made, enumerable: true, configurable: true, writable: true });
        group = made;
      }
    }
    const own = { value: structuredClone(value), enumerable: true, configurable: true, writable: true };
    Object.defineProperty(group, path.at(-1) ?? '', own);
  }
  return JSON.stringify(tree);
}

test('whatever value any key has, it is used or the file is told to be wrong at a line', () => {
  fc.assert(
    fc.property(settings, (given) => loadOrTell({ yaml: fileOf(given), files }, inFile)),
    { numRuns: 1_000 },
  );
});

test('whatever the variables and flags, what is wrong is told by their names', () => {
  const variables = [...configKeys.map(({ path }) => path), ['upstreams'], ['config'], ['cache', 'x']].map(
    variableOfPath,
  );
  const upstreamVariables = upstreamKeys.map(({ path }) => variableOfPath(['upstreams', 'docker.io', ...path]));
  const env = fc.dictionary(fc.constantFrom(...variables, ...upstreamVariables), oddValue.map(String), { maxKeys: 5 });
  const set = fc.tuple(fc.oneof(key, upstreamKey), oddValue).map(([path, value]) => `${path.join('.')}=${value}`);
  fc.assert(
    fc.property(env, fc.array(fc.oneof(set, fc.string()), { maxLength: 4 }), (given, sets) => {
      loadOrTell(
        { env: given, files, flags: { set: sets } },
        /^(ENTREPOT_[A-Z_]+(:\d+)?|--set.*|--config|[^:]*:\d+)$/s,
      );
    }),
    { numRuns: 1_000 },
  );
});
