import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { headOf } from '../../../test/support/upstream/upstream-answer.ts';
import { type Framing, framingOf } from './framing.ts';

const protocolError = { name: 'TransportError', code: 'PROTOCOL' };

function framing(headers: Record<string, string>, status = 200, method = 'GET'): Framing {
  return framingOf(method, headOf(status, headers));
}

/** Decodes reads one after the other, each behind the bytes of the ones before, as a connection does. */
function decode(by: Framing, reads: readonly (string | Buffer)[]): string {
  const buffer = Buffer.alloc(100_000);
  let fill = 0;
  for (const read of reads) {
    const count = Buffer.from(read as string).copy(buffer, fill);
    fill = by.decode(buffer, fill, fill + count);
  }
  return buffer.toString('latin1', 0, fill);
}

const chunkedHeaders = { 'transfer-encoding': 'chunked' };

describe('how a body is delimited', () => {
  test('by its length', () => {
    const by = framing({ 'content-length': '5' });
    assert.deepEqual([by.lengthBytes, by.done, by.endsWithConnection], [5, false, false]);
    assert.equal(decode(by, ['abc', 'de']), 'abcde');
    assert.deepEqual([by.done, by.overrun], [true, false]);
  });

  test('by nothing, where the length is 0', () => {
    assert.equal(framing({ 'content-length': '0' }).done, true);
  });

  test('by the end of the connection, where the answer says nothing', () => {
    const by = framing({});
    assert.deepEqual([by.lengthBytes, by.endsWithConnection], [undefined, true]);
    assert.equal(decode(by, ['abc', 'de']), 'abcde');
    assert.deepEqual([by.done, by.overrun], [false, false]);
  });

  test('by chunks', () => {
    const by = framing(chunkedHeaders);
    assert.deepEqual([by.lengthBytes, by.done, by.endsWithConnection], [undefined, false, false]);
    assert.equal(decode(by, ['3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n']), 'abcde');
    assert.deepEqual([by.done, by.overrun], [true, false]);
  });

  test('by chunks where it says both, as the length is then a lie (RFC 9112, 6.3)', () => {
    const by = framing({ ...chunkedHeaders, 'content-length': '3' });
    assert.equal(by.lengthBytes, undefined);
    assert.equal(decode(by, ['5\r\nabcde\r\n0\r\n\r\n']), 'abcde');
    assert.equal(by.done, true);
  });

  test('by nothing, where there is no body whatever the fields say', () => {
    for (const headers of [{ 'content-length': '5' }, chunkedHeaders, {}] as Record<string, string>[]) {
      for (const by of [framing(headers, 200, 'HEAD'), framing(headers, 204), framing(headers, 304)]) {
        assert.deepEqual([by.done, by.lengthBytes, by.endsWithConnection], [true, 0, false]);
      }
    }
  });

  test('the coding’s name has no case', () => {
    assert.equal(framing({ 'transfer-encoding': 'Chunked' }).lengthBytes, undefined);
  });
});

describe('fields that delimit nothing', () => {
  test('a length that is told twice alike is that length', () => {
    assert.equal(framing({ 'content-length': '5, 5' }).lengthBytes, 5);
    assert.equal(framing({ 'content-length': '5,5 ,5' }).lengthBytes, 5);
  });

  for (const length of ['5, 6', '', '-5', '+5', '5.0', '5e3', '0x5', 'five', '5,', '9'.repeat(16), '5 5']) {
    test(`a length of "${length}" is refused`, () => {
      assert.throws(() => framing({ 'content-length': length }), protocolError);
    });
  }

  for (const coding of ['gzip', 'gzip, chunked', 'chunked, gzip', 'identity', '', 'chunked, chunked']) {
    test(`the transfer coding "${coding}" is refused`, () => {
      assert.throws(() => framing({ 'transfer-encoding': coding, 'content-length': '5' }), protocolError);
    });
  }
});

describe('bytes behind the body', () => {
  test('are an overrun, and not the body’s, whichever read brings them', () => {
    for (const [headers, body] of [
      [{ 'content-length': '5' }, 'abcde'],
      [chunkedHeaders, '5\r\nabcde\r\n0\r\n\r\n'],
    ] as const) {
      const together = framing(headers);
      assert.equal(decode(together, [`${body}HTTP/1.1 200 OK`]), 'abcde');
      assert.deepEqual([together.done, together.overrun], [true, true]);
      const after = framing(headers);
      assert.equal(decode(after, [body, 'H']), 'abcde');
      assert.deepEqual([after.done, after.overrun], [true, true]);
    }
  });
});

describe('chunks', () => {
  const wire = '5;name=value\r\nabcde\r\n00a ; x="\\"y"\r\n0123456789\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n';

  test('may be parted by reads at any one byte, and at every byte', () => {
    for (let at = 0; at <= wire.length; at++) {
      const by = framing(chunkedHeaders);
      assert.equal(decode(by, [wire.slice(0, at), wire.slice(at)]), 'abcde0123456789');
      assert.deepEqual([by.done, by.overrun], [true, false]);
    }
    const by = framing(chunkedHeaders);
    assert.equal(decode(by, wire.split('')), 'abcde0123456789');
    assert.deepEqual([by.done, by.overrun], [true, false]);
  });

  test('may be parted at any two bytes', () => {
    for (let first = 0; first <= wire.length; first++) {
      for (let second = first; second <= wire.length; second++) {
        const by = framing(chunkedHeaders);
        decode(by, [wire.slice(0, first), wire.slice(first, second), wire.slice(second)]);
        assert.deepEqual([by.done, by.overrun], [true, false]);
      }
    }
  });

  test('are not over before their last byte', () => {
    const by = framing(chunkedHeaders);
    decode(by, [wire.slice(0, -1)]);
    assert.equal(by.done, false);
  });

  test('have sizes in hexadecimal digits of either case', () => {
    const data = 'x'.repeat(0xab);
    assert.equal(decode(framing(chunkedHeaders), [`aB\r\n${data}\r\n0\r\n\r\n`]), data);
    assert.equal(decode(framing(chunkedHeaders), [`Ab\r\n${data}\r\n0\r\n\r\n`]), data);
  });

  test('leave bytes that look like chunks in their data', () => {
    const data = '0\r\n\r\n5\r\n';
    assert.equal(decode(framing(chunkedHeaders), [`8\r\n${data}\r\n0\r\n\r\n`]), data);
  });

  test('may be none', () => {
    for (const last of ['0\r\n\r\n', '000\r\n\r\n', '0;x\r\n\r\n', '0\r\nA: b\r\n\r\n']) {
      const by = framing(chunkedHeaders);
      assert.equal(decode(by, [last]), '');
      assert.equal(by.done, true);
    }
  });

  const malformed: Record<string, string> = {
    'no size': '\r\nabc',
    'a size that is no number': 'xyz\r\n',
    'a size below zero': '-1\r\n',
    'a size with a prefix': '0x5\r\n',
    'a blank before the size': ' 5\r\n',
    'a size beyond what a number holds': `${'f'.repeat(13)}\r\n`,
    'a size that ends in a line feed alone': '5\nabcde',
    'a carriage return without its line feed': '5\rabcde',
    'data longer than the size': '3\r\nabcd\r\n',
    'data that a line feed alone ends': '3\r\nabc\n',
    'data shorter than the size': '5\r\nabc\r\n0\r\n\r\n!!',
    'an extension without end': `5;${'x'.repeat(20_000)}`,
    'a trailer without end': `0\r\n${'A: b\r\n'.repeat(4_000)}`,
  };
  for (const [what, text] of Object.entries(malformed)) {
    test(`with ${what} are refused`, () => assert.throws(() => decode(framing(chunkedHeaders), [text]), protocolError));
  }

  test('of many small pieces with extensions each are within the limit of one line', () => {
    const piece = `1;${'x'.repeat(1_000)}\r\na\r\n`;
    assert.equal(decode(framing(chunkedHeaders), [piece.repeat(90), '0\r\n\r\n']), 'a'.repeat(90));
  });
});
