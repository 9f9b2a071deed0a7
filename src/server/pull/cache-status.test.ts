import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCacheStatus } from '../../../test/support/http/cache-status.ts';
import { errorStatus } from '../../oci/errors.ts';
import type { CacheOutcome } from '../../oci/registry.ts';
import { labelOf, renderCacheStatus, renderWarning } from './cache-status.ts';

const rows: readonly (readonly [CacheOutcome | undefined, label: string, parameters: object])[] = [
  [undefined, 'none', { detail: 'local' }],
  [{ kind: 'hit' }, 'hit', { hit: true }],
  [{ kind: 'miss', stored: false, collapsed: false }, 'miss', { fwd: 'miss' }],
  [{ kind: 'miss', stored: true, collapsed: false }, 'miss', { fwd: 'miss', stored: true }],
  [{ kind: 'miss', stored: true, collapsed: true }, 'collapsed', { fwd: 'miss', stored: true, collapsed: true }],
  [{ kind: 'revalidated' }, 'revalidated', { fwd: 'stale', 'fwd-status': 200, detail: 'revalidated' }],
  [{ kind: 'revalidating' }, 'revalidating', { hit: true, detail: 'revalidating' }],
  [{ kind: 'stale', reason: 'down' }, 'stale', { hit: true, detail: 'stale' }],
];

for (const [outcome, label, parameters] of rows) {
  test(`the outcome ${JSON.stringify(outcome)} is "${label}", and a Cache-Status as RFC 9211 has it`, () => {
    assert.equal(labelOf(outcome), label);
    assert.deepEqual(parseCacheStatus(renderCacheStatus(outcome)), { cache: 'Entrepot', parameters });
  });
}

test('renderCacheStatus() takes every error code for its detail', () => {
  for (const code of Object.keys(errorStatus)) {
    assert.deepEqual(parseCacheStatus(renderCacheStatus(undefined, code)).parameters, { detail: code });
  }
});

test('renderWarning() is the one form that the distribution spec allows, whatever the reason says', () => {
  assert.equal(
    renderWarning('Cannot reach upstream: connection refused'),
    '299 - "Served from the cache, may be out of date: Cannot reach upstream: connection refused"',
  );
  for (const reason of ['with "quotes" and \\ in it', 'two\r\nX-Injected: lines', 'ünïcödé 🐳', 'x'.repeat(5000), '']) {
    const warning = renderWarning(reason);
    assert.match(warning, /^299 - "[\x20\x21\x23-\x5b\x5d-\x7e]*"$/);
    assert.ok(warning.length <= 4096);
  }
});
