import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { namesOf, nextPage, nextQuery } from './list-answer.ts';

function linkOf(link: string | undefined): ReadonlyMap<string, string> {
  return new Map(link === undefined ? [] : [['link', link]]);
}

// A Link header, and the query of the next page.
const links: readonly (readonly [link: string | undefined, query: string | undefined])[] = [
  [undefined, undefined],
  ['', undefined],
  ['</v2/a/tags/list?n=2&last=b>; rel="next"', 'n=2&last=b'],
  ['</v2/a/tags/list?n=2&last=b>; rel=next', 'n=2&last=b'],
  ['</v2/a/tags/list?last=b>;rel="next"', 'last=b'],
  ['</v2/a/tags/list?last=b> ; REL="NEXT"', 'last=b'],
  ['<https://elsewhere.test/v2/a/tags/list?last=b>; rel="next"', 'last=b'],
  ['<?last=b>; rel="next"', 'last=b'],
  ['</list?last=b>; title="x"; rel="next"', 'last=b'],
  ['</list?last=a>; rel="prev", </list?last=b>; rel="next"', 'last=b'],
  ['</list?last=b>; rel="next", </list?last=a>; rel="prev"', 'last=b'],
  ['</list?last=a%2Cb,c;d>; rel="next"', 'last=a%2Cb,c;d'],
  ['</list?last=a>; rel="prev"', undefined],
  ['</list?last=a>; rel="nextish"', undefined],
  ['</list?last=a>', undefined],
  ['</list>; rel="next"', undefined],
  ['/list?last=b; rel="next"', undefined],
  ['<', undefined],
];

describe('the next page', () => {
  for (const [link, query] of links) {
    test(`of the link ${link} is ${query ?? 'none'}`, () => assert.equal(nextQuery(linkOf(link)), query));
  }

  test('is named by the spec’s parameters', () => {
    assert.deepEqual(nextPage(linkOf('</l?n=2&last=a%2Fb+c>; rel="next"')), { count: 2, last: 'a/b c' });
    assert.deepEqual(nextPage(linkOf('</l?last=b>; rel="next"')), { count: undefined, last: 'b' });
  });

  test('is none where the registry uses other parameters', () => {
    assert.equal(nextPage(linkOf('</l?next_page=xyz>; rel="next"')), undefined);
    assert.equal(nextPage(linkOf(undefined)), undefined);
  });

  test('has no count where that is no count', () => {
    for (const count of ['-1', 'x', '', '1e3', '1000000']) {
      assert.deepEqual(nextPage(linkOf(`</l?n=${count}&last=b>; rel="next"`)), { count: undefined, last: 'b' });
    }
  });

  test('is found at once in half a megabyte that was made to be slow', () => {
    const length = 500_000;
    const beganMs = performance.now();
    for (const part of ['<', '<a>;', '<a>; ', '<a> ', '<a>;rel=', ';'] as const) {
      assert.equal(nextQuery(linkOf(part.repeat(length / part.length))), undefined);
    }
    const spentMs = performance.now() - beganMs;
    // A search that begins anew behind every bracket would need minutes.
    assert.ok(spentMs < 5_000, `${spentMs} ms`);
  });
});

describe('the names of a list', () => {
  const read = (text: string, key: 'tags' | 'repositories' = 'tags') => namesOf(Buffer.from(text), key, 'r.test');

  test('are those under the key', () => {
    assert.deepEqual(read('{"name":"a","tags":["1","2"]}'), ['1', '2']);
    assert.deepEqual(read('{"repositories":["a/b"],"tags":["1"]}', 'repositories'), ['a/b']);
  });

  test('are none where there is null, or nothing, as some registries have it', () => {
    assert.deepEqual(read('{"tags":null}'), []);
    assert.deepEqual(read('{"name":"a"}'), []);
  });

  for (const text of ['', '<html>', 'null', '[]x', '{"tags":"a"}', '{"tags":{"a":1}}', '{"tags":["a",1]}', '"tags"x']) {
    test(`are not to be had from ${text || 'nothing'}`, () => {
      assert.throws(() => read(text), { name: 'RegistryError', code: 'UNAVAILABLE', message: /tags from r\.test/ });
    });
  }
});
