import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseChallenges } from '../../src/upstream/auth/challenge.ts';

const tokenCharacters = "!#$%&'*+-.^_`|~0123456789abcxyzABCXYZ";
const token = fc.string({ unit: fc.constantFrom(...tokenCharacters), minLength: 1, maxLength: 12 });
const blanks = fc.string({ unit: fc.constantFrom(' ', '\t'), maxLength: 3 });
const text = fc.string({ unit: fc.constantFrom(...'ab ,=;"\\\t/:ü'), maxLength: 20 });

interface Written {
  readonly name: string;
  /** As it stands in the header. */
  readonly raw: string;
  readonly value: string;
}

/** A value in quotes, of which some characters are escaped that need not be. */
const quotedValue = fc.tuple(text, fc.nat()).map(([value, mask]) => {
  const isEscaped = (character: string, index: number) => '"\\'.includes(character) || ((mask >> index) & 1) === 1;
  const inside = [...value].map((character, index) => (isEscaped(character, index) ? `\\${character}` : character));
  return { value, raw: `"${inside.join('')}"` };
});

const parameter = fc
  .tuple(
    token,
    fc.oneof(
      token.map((value) => ({ value, raw: value })),
      quotedValue,
    ),
    blanks,
    blanks,
  )
  .map(([name, { value, raw }, before, after]): Written => ({ name, value, raw: `${name}${before}=${after}${raw}` }));

const parameters = fc
  .uniqueArray(parameter, { selector: ({ name }) => name.toLowerCase(), minLength: 1, maxLength: 5 })
  .map((list) => ({
    raw: ` ${list.map(({ raw }) => raw).join(',')}`,
    values: list.map(({ name, value }): [string, string] => [name.toLowerCase(), value]),
  }));

const bareToken = fc
  .stringMatching(/^[A-Za-z0-9\-._~+/]{1,12}={0,2}$/)
  .map((raw) => ({ raw: ` ${raw}`, values: [] as [string, string][] }));

const challenge = fc
  .tuple(token, fc.oneof(parameters, bareToken, fc.constant({ raw: '', values: [] as [string, string][] })))
  .map(([scheme, { raw, values }]) => ({ scheme: scheme.toLowerCase(), raw: `${scheme}${raw}`, values }));

const separator = fc.tuple(blanks, blanks).map(([before, after]) => `${before},${after}`);

test('challenges that were written are read as they were meant', () => {
  fc.assert(
    fc.property(fc.array(challenge, { maxLength: 4 }), fc.infiniteStream(separator), (challenges, separators) => {
      const header = challenges
        .map(({ raw }, index) => (index === 0 ? raw : `${separators.next().value}${raw}`))
        .join('');
      assert.deepEqual(
        parseChallenges(header).map(({ scheme, parameters }) => ({ scheme, values: [...parameters] })),
        challenges.map(({ scheme, values }) => ({ scheme, values })),
      );
    }),
    { numRuns: 2_000 },
  );
});

const pieces = ['Bearer', 'Basic', 'realm', '=', '"', '\\', ',', ' ', '\t', 'a', '==', '@', 'ü', '\0', '"x"'];
const anything = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...pieces), maxLength: 40 }));

test('whatever the header, reading it ends, and every scheme in it stood there', () => {
  fc.assert(
    fc.property(anything, (header) => {
      for (const { scheme, parameters } of parseChallenges(header)) {
        assert.ok(header.toLowerCase().includes(scheme));
        for (const name of parameters.keys()) assert.ok(header.toLowerCase().includes(name));
      }
    }),
    { numRuns: 5_000 },
  );
});

test('what stands behind a challenge takes nothing from it', () => {
  fc.assert(
    fc.property(parameters, anything, ({ raw, values }, rest) => {
      const [first] = parseChallenges(`Bearer${raw}, "${rest}`);
      assert.deepEqual([...first!.parameters], values);
    }),
    { numRuns: 2_000 },
  );
});
