import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TransportError } from '../../src/upstream/transport/errors.ts';
import { framingOf } from '../../src/upstream/transport/framing.ts';
import { endOfHead, parseHead, renderHead } from '../../src/upstream/transport/head.ts';

const tokenCharacters = "!#$%&'*+-.^_`|~0123456789abcxyzABCXYZ";
const name = fc.string({ unit: fc.constantFrom(...tokenCharacters), minLength: 1, maxLength: 12 });
const value = fc
  .string({ unit: fc.constantFrom(...'ab ,=;"\\\t/:\xfc\x01'), maxLength: 20 })
  .map((text) => text.trim());
const fields = fc.array(fc.tuple(name, value), { maxLength: 8 });
const blanks = fc.string({ unit: fc.constantFrom(' ', '\t'), maxLength: 3 });
const status = fc.integer({ min: 100, max: 599 });

/** What the head says, by its rules: names in lower case, what comes twice joined in order. */
function joined(list: readonly (readonly [string, string])[]): Map<string, string> {
  const map = new Map<string, string>();
  for (const [given, text] of list) {
    const key = given.toLowerCase();
    map.set(key, map.has(key) ? `${map.get(key)}, ${text}` : text);
  }
  return map;
}

test('a head that was written is read as it was meant, however it is parted into reads', () => {
  fc.assert(
    fc.property(status, fields, blanks, fc.nat(), fc.string({ maxLength: 20 }), (code, list, blank, at, rest) => {
      const lines = list.map(([given, text]) => `${given}:${blank}${text}${blank}\r\n`);
      const head = Buffer.from(`HTTP/1.1 ${code} Reason\r\n${lines.join('')}\r\n`, 'latin1');
      const all = Buffer.concat([head, Buffer.from(rest)]);
      const first = at % head.length;
      assert.equal(endOfHead(head.subarray(0, first), 0), -1);
      assert.equal(endOfHead(all, first), head.length);
      const read = parseHead(head);
      assert.equal(read.status, code);
      assert.deepEqual(read.headers, joined(list));
    }),
    { numRuns: 3_000 },
  );
});

const pieces = ['HTTP/1.1 ', 'HTTP/1.0 ', '200', ' OK', '\r\n', '\r', '\n', ':', ' ', 'a', 'Content-Length', 'chunked'];
const odd = [...pieces, 'Transfer-Encoding', ', ', '5', '\0', '\xff', '-1', '99999999999999999999'];
const nearly = fc.string({ unit: fc.constantFrom(...odd), maxLength: 30 }).map((text) => `HTTP/1.1 200 OK\r\n${text}`);
const anything = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc
    .oneof(nearly, fc.string({ unit: fc.constantFrom(...odd), maxLength: 30 }))
    .map((text) => Buffer.from(text, 'latin1')),
);

test('whatever comes is a head with one length at most, or refused as a breach of the protocol', () => {
  fc.assert(
    fc.property(anything, (bytes) => {
      const whole = Buffer.concat([bytes, Buffer.from('\r\n\r\n')]);
      try {
        const head = parseHead(whole.subarray(0, endOfHead(whole, 0)));
        for (const [key, text] of head.headers) {
          assert.match(key, /^[!#$%&'*+\-.^_`|~0-9a-z]+$/);
          assert.doesNotMatch(text, /[\0\r\n]/);
        }
        const { lengthBytes } = framingOf('GET', head);
        assert.ok(lengthBytes === undefined || Number.isSafeInteger(lengthBytes));
      } catch (error) {
        assert.ok(error instanceof TransportError && error.code === 'PROTOCOL', String(error));
      }
    }),
    { numRuns: 10_000 },
  );
});

test('whatever a request is made of, its head has the lines that were meant, or is refused', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('a', '/', '\r', '\n', '\0', ' ', 'ü', ':') }));
  fc.assert(
    fc.property(text, fc.array(fc.tuple(name, text), { maxLength: 4 }), (target, list) => {
      try {
        const lines = renderHead('GET', target, list).split('\r\n');
        assert.equal(lines.length, list.length + 3);
        assert.equal(lines[0], `GET ${target} HTTP/1.1`);
        for (const line of lines) assert.doesNotMatch(line, /[\0\r\n]/);
      } catch (error) {
        assert.ok(error instanceof TransportError && error.code === 'PROTOCOL', String(error));
      }
    }),
    { numRuns: 3_000 },
  );
});
