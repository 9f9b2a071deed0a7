import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endOfHead, maxHeadBytes, parseHead, renderHead } from './head.ts';

function parse(...lines: string[]) {
  return parseHead(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
}

const protocolError = { name: 'TransportError', code: 'PROTOCOL' };

describe('parseHead()', () => {
  test('reads the status and the fields, names in lower case, values without the blanks around them', () => {
    const { status, headers } = parse(
      'HTTP/1.1 206 Partial Content',
      'Content-Length: 5',
      'ETag:"x"',
      'X-Odd_Name!: \t a: b \t ',
      'X-Empty:',
    );
    assert.equal(status, 206);
    assert.deepEqual(Object.fromEntries(headers), {
      'content-length': '5',
      etag: '"x"',
      'x-odd_name!': 'a: b',
      'x-empty': '',
    });
  });

  test('joins what comes twice by a comma, in order', () => {
    const { headers } = parse(
      'HTTP/1.1 401 Unauthorized',
      'WWW-Authenticate: Basic',
      'www-authenticate: Bearer realm="x"',
    );
    assert.equal(headers.get('www-authenticate'), 'Basic, Bearer realm="x"');
  });

  test('takes a status line without a reason, and one with any bytes in it', () => {
    assert.equal(parse('HTTP/1.1 200').status, 200);
    assert.equal(parse('HTTP/1.1 200 ').status, 200);
    assert.equal(parse('HTTP/1.1 404 Nicht gefunden – \xe4').status, 404);
  });

  test('keeps every byte of a value', () => {
    assert.equal(parse('HTTP/1.1 200 OK', 'X: \x01\x7f\xe4').headers.get('x'), '\x01\x7f\xe4');
  });

  test('says whether the connection stays', () => {
    assert.equal(parse('HTTP/1.1 200 OK').persistent, true);
    assert.equal(parse('HTTP/1.1 200 OK', 'Connection: keep-alive').persistent, true);
    assert.equal(parse('HTTP/1.1 200 OK', 'Connection: Close').persistent, false);
    assert.equal(parse('HTTP/1.1 200 OK', 'Connection: upgrade, close').persistent, false);
    assert.equal(parse('HTTP/1.0 200 OK').persistent, false);
  });

  const malformed: Record<string, string[]> = {
    'no HTTP at all': ['SSH-2.0-OpenSSH_9.2'],
    'another version': ['HTTP/2 200 OK'],
    'a version that is none': ['HTTP/1.2 200 OK'],
    'a status of two digits': ['HTTP/1.1 20 OK'],
    'a status of four digits': ['HTTP/1.1 2000 OK'],
    'a blank before the status line': [' HTTP/1.1 200 OK'],
    'an empty line in the place of the status line': ['', 'HTTP/1.1 200 OK'],
    'a field without a colon': ['HTTP/1.1 200 OK', 'Content-Length'],
    'a field without a name': ['HTTP/1.1 200 OK', ': 5'],
    'a blank before the colon': ['HTTP/1.1 200 OK', 'Content-Length : 5'],
    'a name that is no token': ['HTTP/1.1 200 OK', 'Content(Length): 5'],
    'a value that goes on in the next line': ['HTTP/1.1 200 OK', 'X-Long: a', ' b'],
    'a value that goes on after a tab': ['HTTP/1.1 200 OK', 'X-Long: a', '\tb: c'],
    'a line feed alone in a value': ['HTTP/1.1 200 OK', 'X: a\nContent-Length: 5'],
    'a carriage return alone in a value': ['HTTP/1.1 200 OK', 'X: a\rb'],
    'a zero byte in a value': ['HTTP/1.1 200 OK', 'X: a\0b'],
    'lines that end in a line feed alone': ['HTTP/1.1 200 OK\nContent-Length: 5'],
  };
  for (const [what, lines] of Object.entries(malformed)) {
    test(`refuses ${what}`, () => assert.throws(() => parse(...lines), protocolError));
  }

  test('does not take a name for JavaScript’s own', () => {
    assert.equal(parse('HTTP/1.1 200 OK').headers.get('constructor'), undefined);
    assert.equal(parse('HTTP/1.1 200 OK', '__proto__: a').headers.get('__proto__'), 'a');
  });
});

describe('endOfHead()', () => {
  const head = 'HTTP/1.1 200 OK\r\nA: b\r\n\r\n';

  test('is behind the first blank line, whatever follows', () => {
    assert.equal(endOfHead(Buffer.from(`${head}body\r\n\r\n`), 0), head.length);
  });

  test('is found at whichever byte two reads were parted', () => {
    const bytes = Buffer.from(head);
    for (let parted = 0; parted < bytes.length; parted++) {
      assert.equal(endOfHead(bytes.subarray(0, parted), 0), -1);
      assert.equal(endOfHead(bytes, parted), head.length);
    }
  });
});

test('a head may be larger than Google’s largest, which is 128 kB', () => {
  assert.ok(maxHeadBytes > 128_000);
});

describe('renderHead()', () => {
  test('writes the request line and the fields, and a blank line', () => {
    const head = renderHead('GET', '/v2/?n=1', [
      ['host', 'r.test:5000'],
      ['accept', 'a/b, */*'],
    ]);
    assert.equal(head, 'GET /v2/?n=1 HTTP/1.1\r\nhost: r.test:5000\r\naccept: a/b, */*\r\n\r\n');
  });

  test('refuses what would break the line it stands in', () => {
    for (const target of ['/a b', '/a\r\nX: y', '/a\nb', '/\u0000', '/\u00e4', '/a\tb']) {
      assert.throws(() => renderHead('GET', target, []), protocolError);
    }
    for (const value of ['a\r\nX: y', 'a\nb', 'a\rb', 'a\u0000b']) {
      assert.throws(() => renderHead('GET', '/', [['authorization', value]]), {
        ...protocolError,
        message: /"authorization"/,
      });
    }
  });
});
