import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ownUrls } from './own-urls.ts';

describe('ownUrls()', () => {
  const rows: readonly (readonly [
    what: string,
    names: readonly [string, ...string[]],
    urls: string[],
    own: string[],
  ])[] = [
    ['the registry, behind a mirror', ['ghcr.io'], ['https://mirror.corp', 'https://ghcr.io'], ['https://ghcr.io']],
    [
      'Docker Hub, which is elsewhere than its name',
      ['docker.io', 'registry-1.docker.io'],
      ['https://mirror.corp', 'https://registry-1.docker.io'],
      ['https://registry-1.docker.io'],
    ],
    ['no mirror that has the place of a registry that is built in', ['ghcr.io'], ['https://mirror.corp'], []],
    ['the only URL that anybody knows', ['corp'], ['https://registry.corp:5443'], ['https://registry.corp:5443']],
    ['none of several that have other names', ['corp'], ['https://r1.corp.test', 'https://r2.corp.test'], []],
    [
      'what is below a name, or has one that was added',
      ['registry.corp', 'other.corp:5000'],
      ['https://eu.registry.corp', 'http://other.corp:6000', 'https://evilregistry.corp', 'https://registry.corp.evil'],
      ['https://eu.registry.corp', 'http://other.corp:6000'],
    ],
    ['an address', ['[::1]:5000'], ['http://[::1]:5000', 'http://[::2]:5000'], ['http://[::1]:5000']],
  ];
  for (const [what, [name, ...names], urls, own] of rows) {
    test(`has ${what}`, () => {
      const parsed = urls.map((url) => new URL(url));
      assert.deepEqual(
        ownUrls(name, names, parsed).map(String),
        own.map((url) => String(new URL(url))),
      );
    });
  }
});
