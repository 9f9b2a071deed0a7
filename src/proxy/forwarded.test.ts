import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAbsoluteForm, parseForwarded } from './forwarded.ts';

test('a request in absolute form names a place and what is wanted there', () => {
  const at = (url: string, host?: string) => parseForwarded(url, host);
  const target = { host: 'registry.corp', port: 5000 };
  assert.deepEqual(at('http://registry.corp:5000/v2/a?n=1', 'registry.corp:5000'), { target, path: '/v2/a?n=1' });
  assert.deepEqual(at('HTTP://Registry.Corp:5000'), { target, path: '/' });
  assert.deepEqual(at('http://example.com?q=1'), { target: { host: 'example.com', port: 80 }, path: '/?q=1' });
});

test('a Host that names another place is a contradiction', () => {
  assert.equal(parseForwarded('http://a.example/x', 'b.example'), undefined);
  assert.equal(parseForwarded('http://a.example:81/x', 'a.example'), undefined);
  assert.notEqual(parseForwarded('http://a.example:80/x', 'A.example.'), undefined);
});

test('what is no URL of plain HTTP, or holds more than a place and a path, is not passed on', () => {
  const wrong = [
    'https://a.example/',
    'ftp://a/',
    'http://',
    'http:///x',
    'http://u:p@a.example/',
    'http://a.example/#f',
  ];
  for (const url of [...wrong, 'http://a.example:0/', 'http://a.example/a b', 'http:a.example/', 'http://127.1/']) {
    assert.equal(parseForwarded(url, undefined), undefined, url);
  }
});

test('a path is none of absolute form', () => {
  for (const url of ['/v2/', '*', '/http://a', '']) assert.equal(isAbsoluteForm(url), false, url);
  for (const url of ['http://a/', 'HTTPS://a', 'ftp:x']) assert.equal(isAbsoluteForm(url), true, url);
});
