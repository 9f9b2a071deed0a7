import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anonymousToken, isWithoutLogin, loginIn, scopedRepositories, type TokenRequest } from './token.ts';

function asked(query: string, authorization?: string, form?: string): TokenRequest {
  return {
    authorization,
    query: new URLSearchParams(query),
    form: form === undefined ? undefined : new URLSearchParams(form),
  };
}

test('the token of those who have not logged in is no login, however it is written', () => {
  for (const text of [
    `Bearer ${anonymousToken}`,
    `bearer   ${anonymousToken}`,
    `Bearer ${anonymousToken}x`,
    `BEARER ${anonymousToken.toUpperCase()}`,
  ]) {
    assert.equal(loginIn(text), undefined, text);
  }
  for (const text of ['Bearer abc', `Basic ${anonymousToken}`, `Bearer x${anonymousToken}`, '']) {
    assert.equal(loginIn(text), text);
  }
  assert.equal(loginIn(undefined), undefined);
});

test('who sends a secret along logs in, wherever it stands', () => {
  for (const request of [
    asked('', 'Basic YTpi'),
    asked('', 'Bearer abc'),
    asked('', 'Bearer'),
    asked('password=x'),
    asked('', undefined, 'grant_type=refresh_token&refresh_token=x'),
    asked('', undefined, 'grant_type=password&username=a&password=b'),
    asked('', 'Basic Og==', 'password=b'),
  ]) {
    assert.equal(isWithoutLogin(request), false);
  }
  for (const request of [
    asked('service=a&scope=repository:a:pull&account=me'),
    asked('', `Bearer ${anonymousToken}`),
    asked('', 'Basic Og=='), // neither name nor password
    asked('', undefined, 'grant_type=password&username=a&password='),
  ]) {
    assert.equal(isWithoutLogin(request), true);
  }
});

test('the repositories of scopes are found, as parameters and as words', () => {
  const cases: readonly [string, readonly string[]][] = [
    ['scope=repository:lib/a:pull', ['lib/a']],
    ['scope=repository:a:pull&scope=repository:b:pull,push', ['a', 'b']],
    ['scope=repository:a:pull repository:b:pull', ['a', 'b']],
    ['scope=repository(plugin):a:pull', ['a']],
    ['scope=repository:host:5000/a:pull', ['host:5000/a']],
    ['scope=registry:catalog:*&scope=&scope=repository:a', []],
    ['', []],
  ];
  for (const [query, names] of cases) {
    assert.deepEqual(scopedRepositories(asked(query)), names, query);
    assert.deepEqual(scopedRepositories(asked('', undefined, query)), names, query);
  }
  const many = Array.from({ length: 40 }, (_, index) => `scope=repository:a${index}:pull`).join('&');
  assert.equal(scopedRepositories(asked(many)).length, 16);
});
