import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ProxyTarget, parseAuthority } from '../../src/proxy/connect/target.ts';
import { parseForwarded } from '../../src/proxy/forwarded.ts';

// What separates, escapes and compares otherwise to somebody, between what hosts are made of.
const odd = fc.constantFrom(
  ...[
    '@',
    ':',
    '/',
    '\\',
    '#',
    '?',
    '%',
    '%2e',
    '[',
    ']',
    ' ',
    '\t',
    '\r\n',
    '\0',
    ',',
    ';',
    '..',
    '。',
    'ſ',
    'İ',
    '.',
  ],
);
const part = fc.oneof(
  odd,
  fc.constantFrom('a', 'GHCR.io', 'registry-1.docker.io', '127.0.0.1', '0x7f.1', '2130706433', '017700000001', '::1'),
  fc.constantFrom('[::1]', '[::ffff:127.0.0.1]', '443', '0443', '80', '65536', '-1', '+443', 'user:pass'),
  fc.string({ unit: 'binary', maxLength: 3 }),
);
const anything = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(''));

const label = fc.stringMatching(/^[a-z_]([a-z0-9_-]{0,8}[a-z0-9_])?$/);
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const host = fc.oneof(name, fc.ipV4(), fc.ipV6());
const port = fc.integer({ min: 1, max: 65_535 });

function render({ host, port }: ProxyTarget): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

test('what CONNECT names is written in it, or nothing is', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        anything,
        fc.tuple(anything, port).map(([text, at]) => `${text}:${at}`),
      ),
      (text) => {
        const target = parseAuthority(text);
        if (target === undefined) return;
        const plain = text
          .toLowerCase()
          .replace(/[[\]]/g, '')
          .replace(/\.(?=:\d+$)/, '');
        assert.equal(plain.replace(/:0*(\d+)$/, ':$1'), `${target.host}:${target.port}`);
        assert.deepEqual(parseAuthority(render(target)), target);
      },
    ),
    { numRuns: 5_000 },
  );
});

test('a host and port that were rendered are parsed to themselves, whatever case and final dot they have', () => {
  fc.assert(
    fc.property(host, port, (host, port) => {
      assert.deepEqual(parseAuthority(render({ host, port })), { host, port });
      assert.deepEqual(parseAuthority(render({ host, port }).toUpperCase()), { host, port });
      if (!isIP(host)) assert.deepEqual(parseAuthority(`${host}.:${port}`), { host, port });
    }),
    { numRuns: 2_000 },
  );
});

test('a whole URL leads where everybody else reads that it leads, and only if Host agrees', () => {
  const url = fc.oneof(
    anything.map((text) => `http://${text}`),
    fc.tuple(anything, anything).map(([authority, path]) => `http://${authority}/${path}`),
    fc.tuple(host, port, anything).map(([host, port, path]) => `http://${render({ host, port })}/${path}`),
  );
  fc.assert(
    fc.property(url, fc.option(anything, { nil: undefined }), (text, hostHeader) => {
      const forwarded = parseForwarded(text, undefined);
      const withHost = parseForwarded(text, hostHeader);
      if (withHost !== undefined) assert.deepEqual(withHost, forwarded);
      if (forwarded === undefined) return;
      const { target, path } = forwarded;
      assert.ok(path.startsWith('/') && !/[\s#]/.test(path), path);
      const read = URL.parse(text);
      if (read === null || target.host.includes(':')) return;
      assert.equal(read.hostname.replace(/\.$/, ''), target.host);
      assert.equal(Number(read.port || 80), target.port);
      assert.deepEqual([read.username, read.password], ['', '']);
      assert.deepEqual(parseForwarded(`http://${render(target)}${path}`, render(target)), forwarded);
    }),
    { numRuns: 5_000 },
  );
});
