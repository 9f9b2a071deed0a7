import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse, stringify } from 'smol-toml';
import { setInTables, type TomlSetting } from './toml-tables.ts';

const mirrors: TomlSetting = { table: ['registry', 'docker.io'], key: 'mirrors', value: ['cache:5000'] };
const plain: TomlSetting = { table: ['registry', 'cache:5000'], key: 'http', value: true };

test('what is missing is put below the table that is there, or in a new one at the end', () => {
  const cases: [string, string][] = [
    ['', '[registry."docker.io"]\n  mirrors = ["cache:5000"]\n'],
    ['debug = true', 'debug = true\n\n[registry."docker.io"]\n  mirrors = ["cache:5000"]\n'],
    ['# mine\r\n', '# mine\r\n\r\n[registry."docker.io"]\r\n  mirrors = ["cache:5000"]\r\n'],
    ['[registry]\n', '[registry]\n\n[registry."docker.io"]\n  mirrors = ["cache:5000"]\n'],
    [
      "[registry.'docker.io']\n\thttp = false # why\n",
      '[registry.\'docker.io\']\n\tmirrors = ["cache:5000"]\n\thttp = false # why\n',
    ],
    ['[ registry . "docker.io" ]', '[ registry . "docker.io" ]\n  mirrors = ["cache:5000"]\n'],
    ['[registry."docker.io"]\nmirrors = [] # none', '[registry."docker.io"]\nmirrors = ["cache:5000"] # none'],
    [
      '[registry."docker.io"]\n  mirrors = [\n    "[::1]:1", # old\n  ]\n[worker]\nmirrors = ["x"]\n',
      '[registry."docker.io"]\n  mirrors = ["cache:5000", \n    "[::1]:1", # old\n  ]\n[worker]\nmirrors = ["x"]\n',
    ],
  ];
  for (const [before, after] of cases) assert.equal(setInTables(before, [mirrors], 'x.toml'), after, before);
});

test('a mark of the byte order stays, and the table behind it is found', () => {
  const before = '\ufeff[registry."docker.io"]\r\n  mirrors = ["own"]\r\n';
  const settings = [{ table: ['registry', 'docker.io'], key: 'mirrors', value: ['cache'] }];
  assert.equal(setInTables(before, settings, '/x'), before.replace('"own"', '"cache", "own"'));
});

test('what is there already stays as it is', () => {
  const text = 'registry."docker.io".mirrors = ["cache:5000", "other"]\nregistry."cache:5000" = {http = true}\n';
  assert.equal(setInTables(text, [mirrors, plain], 'x.toml'), text);
});

test('what cannot be changed in its lines, or says something else, is refused with what to do', () => {
  const cases: [string, RegExp][] = [
    [
      'registry = {}',
      /^Cannot change "x\.toml": it has \[registry\."docker\.io"\] in a way .* put mirrors = \["cache:5000"\] there by hand$/,
    ],
    ['registry."docker.io".http = true', /by hand$/],
    ['[registry]\n"docker.io" = {mirrors = ["a"]}', /by hand$/],
    ['registry = 1', /by hand$/],
    ['a = """\n[registry."docker.io"]\n"""\n[registry]\n"docker.io" = {mirrors = []}', /by hand$/],
    ['[registry."docker.io"]\nmirrors = "a"', /mirrors of \[registry\."docker\.io"\] has another value there/],
    ['[registry."cache:5000"]\nhttp = false', /make it true or remove it first$/],
    ['debug = tru', /^Cannot change "x\.toml": it is not TOML \(.*\), mend it first$/],
    ['{"debug": true}', /is not TOML/],
  ];
  for (const [text, message] of cases) {
    const change = () => setInTables(text, [mirrors, plain], 'x.toml');
    assert.throws(change, { name: 'SetupError', code: 'UNREADABLE_FILE', message }, text);
  }
});

const name = fc.constantFrom('docker.io', 'cache:5000', 'ghcr.io', 'a', '"', 'ü');
const table = fc.record(
  {
    http: fc.boolean(),
    mirrors: fc.array(fc.constantFrom('x', '[::1]:5', ']', '"', '# no'), { maxLength: 3 }),
    n: fc.integer(),
  },
  { requiredKeys: [] },
);
const file = fc.record(
  {
    debug: fc.boolean(),
    text: fc.constantFrom('[registry."docker.io"]', 'a\n[registry."docker.io"]\nb', '"""'),
    registry: fc.dictionary(name, table),
  },
  { requiredKeys: [] },
);

test('whatever the file: it says what it said and the settings, its lines are all there, and twice is once', () => {
  let changed = 0;
  fc.assert(
    fc.property(file, fc.boolean(), (value, isTight) => {
      const before = stringify(value).replaceAll('\n\n', isTight ? '\n' : '\n# a comment\n\n');
      let after: string;
      try {
        after = setInTables(before, [mirrors, plain], 'x.toml');
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'UNREADABLE_FILE');
        return;
      }
      changed += 1;
      const old = parse(before) as { registry?: Record<string, Record<string, unknown>> };
      const { 'docker.io': hub, 'cache:5000': door, ...rest } = old.registry ?? {};
      const list = (hub?.['mirrors'] ?? []) as string[];
      const first = list[0] === 'cache:5000' ? list : ['cache:5000', ...list];
      const registry = { ...rest, 'docker.io': { ...hub, mirrors: first }, 'cache:5000': { ...door, http: true } };
      assert.deepEqual(JSON.parse(JSON.stringify(parse(after))), JSON.parse(JSON.stringify({ ...old, registry })));
      assert.ok(isSubsequence(before, after));
      assert.equal(setInTables(after, [mirrors, plain], 'x.toml'), after);
    }),
    { numRuns: 300 },
  );
  assert.ok(changed > 100, String(changed));
});

/** Whether all characters of a text are in another, in their order: nothing was taken away. */
function isSubsequence(part: string, whole: string): boolean {
  let at = 0;
  for (const character of whole) if (character === part[at]) at += 1;
  return at === part.length;
}
