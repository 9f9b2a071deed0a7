import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadTestConfig, type TestSources } from '../../../test/support/command/config-sources.ts';

function freshnessOf(sources: TestSources, name: string) {
  const found = loadTestConfig(sources).config.upstreams.find((upstream) => upstream.name === name);
  assert.ok(found);
  return found.freshness;
}

const defaults = {
  tagTtlMs: 60_000,
  staleForMs: Number.POSITIVE_INFINITY,
  onDenied: 'deny',
  onMissing: 'forget',
  revalidate: 'first',
  immutableTags: [],
  rules: [],
};

const yaml = `
cache: { tagTtl: 5m, staleFor: 7d, immutableTags: ['^v\\d+$'] }
upstreams:
  docker.io:
    staleFor: forever
    onMissing: serve
    immutableTags: []
    rules:
      - { repository: library/*, tag: '^nightly', tagTtl: 0, revalidate: background }
      - { repository: corp/**, onDenied: serve, immutableTags: [.] }
`;

test('what is not said is as it is by default, for every upstream', () => {
  assert.deepEqual(freshnessOf({}, 'docker.io'), defaults);
  assert.deepEqual(freshnessOf({}, 'quay.io'), defaults);
});

test('what an upstream says wins over what is said for all, key by key', () => {
  const forAll = { ...defaults, tagTtlMs: 300_000, staleForMs: 7 * 86_400_000, immutableTags: [/^v\d+$/] };
  assert.deepEqual(freshnessOf({ yaml }, 'quay.io'), forAll);
  const { rules, ...hub } = freshnessOf({ yaml }, 'docker.io');
  assert.deepEqual(
    { ...hub, rules: [] },
    { ...forAll, staleForMs: Number.POSITIVE_INFINITY, onMissing: 'serve', immutableTags: [] },
  );
  const nothing = {
    tagTtlMs: undefined,
    staleForMs: undefined,
    onDenied: undefined,
    onMissing: undefined,
    revalidate: undefined,
    immutableTags: undefined,
  };
  assert.deepEqual(rules, [
    { ...nothing, repository: /^library\/[^/]*$/, tag: /^nightly/, tagTtlMs: 0, revalidate: 'background' },
    { ...nothing, repository: /^corp\/.*$/, tag: undefined, onDenied: 'serve', immutableTags: [/./] },
  ]);
});

test('variables and flags give every key, rules as YAML or JSON and patterns between spaces', () => {
  const env = {
    ENTREPOT_CACHE_STALE_FOR: '1h',
    ENTREPOT_UPSTREAMS_QUAY_IO_IMMUTABLE_TAGS: '^v\\d{1,3}$ ^rel-',
    ENTREPOT_UPSTREAMS_QUAY_IO_RULES: '[{"tag": "^a,b$", "tagTtl": "1s"}]',
  };
  const flags = {
    set: ['upstreams.quay.io.onDenied=serve', 'upstreams.ghcr.io.rules=[{ repository: a, tagTtl: 2s }]'],
  };
  const quay = freshnessOf({ env, flags }, 'quay.io');
  assert.deepEqual([quay.staleForMs, quay.onDenied], [3_600_000, 'serve']);
  assert.deepEqual(quay.immutableTags, [/^v\d{1,3}$/, /^rel-/]);
  assert.deepEqual(
    quay.rules.map(({ tag, tagTtlMs }) => [tag, tagTtlMs]),
    [[/^a,b$/, 1000]],
  );
  assert.deepEqual(
    freshnessOf({ env, flags }, 'ghcr.io').rules.map(({ tagTtlMs }) => tagTtlMs),
    [2000],
  );
});

test('the effective configuration can be read again, rules and patterns included', () => {
  const rendered = loadTestConfig({ yaml }).render();
  assert.deepEqual(freshnessOf({ yaml: rendered }, 'docker.io'), freshnessOf({ yaml }, 'docker.io'));
  assert.deepEqual(freshnessOf({ yaml: rendered }, 'quay.io'), freshnessOf({ yaml }, 'quay.io'));
});
