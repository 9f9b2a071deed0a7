import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isDigest } from '../../src/oci/digest.ts';
import { parseReference, parseRepository, parseTag } from '../../src/oci/reference.ts';

// The spec's grammar once more, character by character, as slow and plain as can be.

const lowerLetters = 'abcdefghijklmnopqrstuvwxyz';
const numerals = '0123456789';

function consistsOf(text: string, characters: string): boolean {
  return [...text].every((character) => characters.includes(character));
}

function isSeparator(text: string): boolean {
  return text === '.' || text === '_' || text === '__' || consistsOf(text, '-');
}

function isComponent(text: string): boolean {
  const runs: { text: string; isSeparator: boolean }[] = [];
  for (const character of text) {
    const separates = !(lowerLetters + numerals).includes(character);
    const last = runs.at(-1);
    if (last?.isSeparator === separates) last.text += character;
    else runs.push({ text: character, isSeparator: separates });
  }
  if (runs.length === 0 || runs[0]!.isSeparator || runs.at(-1)!.isSeparator) return false;
  return runs.every((run) => !run.isSeparator || isSeparator(run.text));
}

function isRepository(text: string): boolean {
  return text.length <= 255 && text.split('/').every(isComponent);
}

function isTag(text: string): boolean {
  const words = `${lowerLetters}${lowerLetters.toUpperCase()}${numerals}_`;
  return text.length >= 1 && text.length <= 128 && words.includes(text[0]!) && consistsOf(text, `${words}.-`);
}

function isTaken(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}

// Few characters, so that what is nearly right comes often.
const nearly = fc.string({ unit: fc.constantFrom(...'ab0._-/'), maxLength: 10 });
const wild = fc.oneof(nearly, fc.string(), fc.string({ unit: fc.constantFrom(...'aZ0._-/: \n\0ä@'), maxLength: 10 }));

test('a repository name is taken when the spec’s grammar, read character by character, takes it', () => {
  fc.assert(
    fc.property(wild, (text) => assert.equal(isTaken(parseRepository, text), isRepository(text))),
    { numRuns: 20_000 },
  );
});

test('a long repository name is taken up to 255 characters', () => {
  const long = fc.array(nearly, { minLength: 20, maxLength: 60 }).map((parts) => `a${parts.join('a')}a`);
  fc.assert(
    fc.property(long, (text) => assert.equal(isTaken(parseRepository, text), isRepository(text))),
    { numRuns: 500 },
  );
});

test('every name that is made by the grammar is taken', () => {
  const word = fc.string({ unit: fc.constantFrom(...lowerLetters, ...numerals), minLength: 1, maxLength: 5 });
  const joint = fc.oneof(
    fc.constantFrom('.', '_', '__'),
    fc.nat(4).map((more) => '-'.repeat(more + 1)),
  );
  const component = fc
    .tuple(word, fc.array(fc.tuple(joint, word), { maxLength: 3 }))
    .map(([first, rest]) => first + rest.map((pair) => pair.join('')).join(''));
  const name = fc.array(component, { minLength: 1, maxLength: 5 }).map((components) => components.join('/'));
  fc.assert(
    fc.property(name, (text) => {
      fc.pre(text.length <= 255);
      assert.equal(parseRepository(text), text);
    }),
    { numRuns: 2_000 },
  );
});

test('a tag is taken when the spec’s grammar, read character by character, takes it', () => {
  const text = fc.oneof(wild, fc.string({ unit: fc.constantFrom(...'aZ0._-'), minLength: 120, maxLength: 135 }));
  fc.assert(
    fc.property(text, (tag) => assert.equal(isTaken(parseTag, tag), isTag(tag))),
    { numRuns: 10_000 },
  );
});

test('a reference is a tag or a digest, never both', () => {
  const hex = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 63, maxLength: 65 });
  const text = fc.oneof(
    wild,
    hex,
    hex.map((digits) => `sha256:${digits}`),
  );
  fc.assert(
    fc.property(text, (reference) => {
      assert.ok(!(isTag(reference) && isDigest(reference)));
      assert.equal(isTaken(parseReference, reference), isTag(reference) || isDigest(reference));
    }),
    { numRuns: 5_000 },
  );
});
