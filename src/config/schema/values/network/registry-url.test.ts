import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRegistryUrl } from './registry-url.ts';

test('parseRegistryUrl() takes http and https, with a path or without', () => {
  for (const url of ['https://registry-1.docker.io/', 'http://127.0.0.1:5000/', 'https://corp/artifactory/docker']) {
    assert.equal(parseRegistryUrl(url).href, url);
  }
});

test('parseRegistryUrl() says what is wrong, and repeats no credentials', () => {
  const wrong: [string, RegExp][] = [
    ['ghcr.io', /expected an http:\/\/ or https:\/\/ URL/],
    ['ftp://ghcr.io', /expected an http/],
    ['https://', /expected an http/],
    ['https://u:swordfish@ghcr.io', /must not carry credentials/],
    ['https://u@ghcr.io', /must not carry credentials/],
    ['https://ghcr.io/?a=b', /must not have a query or a fragment/],
    ['https://ghcr.io/?', /must not have a query or a fragment/],
    ['https://ghcr.io/#a', /must not have a query or a fragment/],
    ['https://ghcr.io/v2/', /\/v2\/ is added/],
  ];
  for (const [text, message] of wrong) {
    assert.throws(
      () => parseRegistryUrl(text),
      (error: Error) => {
        assert.match(error.message, message, text);
        assert.ok(!error.message.includes('swordfish'));
        return true;
      },
    );
  }
});
