import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { setListMember } from './json-members.ts';

test('a list is put in as its neighbours are laid out', () => {
  const cases: [string, string][] = [
    ['{}', '{\n  "k": [\n    "a"\n  ]\n}'],
    ['{}\n', '{\n  "k": [\n    "a"\n  ]\n}\n'],
    ['{"x":1}', '{"x":1,"k":["a"]}'],
    ['{"x": 1}\n', '{"x": 1, "k": ["a"]}\n'],
    ['{ "x": 1 }', '{ "x": 1, "k": ["a"] }'],
    ['{\n\t"x" : 1\n}\n', '{\n\t"x" : 1,\n\t"k" : [\n\t\t"a"\n\t]\n}\n'],
    ['{\r\n    "x": {"k": 1}\r\n}', '{\r\n    "x": {"k": 1},\r\n    "k": [\r\n        "a"\r\n    ]\r\n}'],
    ['{\n  "k": ["b"],\n  "x": 1\n}', '{\n  "k": ["a"],\n  "x": 1\n}'],
    ['{\n  "k": [],\n  "x": 1\n}', '{\n  "k": [\n    "a"\n  ],\n  "x": 1\n}'],
    ['{\n  "k": [\n    "b",\n    "c"\n  ]\n}', '{\n  "k": [\n    "a"\n  ]\n}'],
    ['{"k": 1, "k": [2]}', '{"k": 1, "k": ["a"]}'],
    ['{"\\u006b": "}", "x": "\\"]"}', '{"\\u006b": ["a"], "x": "\\"]"}'],
  ];
  for (const [before, after] of cases) assert.equal(setListMember(before, 'k', ['a']), after, before);
});

const list = fc.array(fc.string(), { maxLength: 4 });
// JSON.parse of Node.js 24 itself takes the name `"` for `\\` where it has met an object with that one before.
const name = fc.string().filter((text) => !text.startsWith('\\'));
// Layouts, numbers and names that parsers and people differ about.
const text = fc
  .tuple(
    fc.dictionary(fc.oneof(name, fc.constantFrom('k', '__proto__', '"', 'a\\b', '{')), fc.jsonValue()),
    fc.constantFrom(undefined, 1, 2, 4, '\t'),
    fc.constantFrom('', '\n', ' \r\n'),
  )
  .map(([value, indent, end]) => JSON.stringify(value, null, indent) + end);

test('whatever the text: the list is in it, all else means what it did, and every other member keeps its bytes', () => {
  fc.assert(
    fc.property(text, list, (before, items) => {
      const after = setListMember(before, 'k', items);
      const expected = new Map(Object.entries(JSON.parse(before) as object)).set('k', items);
      assert.deepEqual(new Map(Object.entries(JSON.parse(after) as object)), expected);
      assert.equal(setListMember(after, 'k', items), after);
      // Set back to what nobody else's member is like, both are the same.
      const others = (of: string) => of.replace(/\s/g, '');
      if (!before.includes('"k"') && before.includes(':')) {
        assert.equal(others(after).replace(`,"k":${others(JSON.stringify(items))}`, ''), others(before));
      }
    }),
    { numRuns: 500 },
  );
});

test('numbers that no double holds are not touched', () => {
  const before = '{"a": 12345678901234567890.10, "b": 1e999}';
  assert.equal(setListMember(before, 'k', []), '{"a": 12345678901234567890.10, "b": 1e999, "k": []}');
});
