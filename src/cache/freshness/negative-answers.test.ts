import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { digestOf } from '../../oci/digest.ts';
import { type ErrorCode, errorStatus, RegistryError } from '../../oci/errors.ts';
import { parseRepository, parseTag } from '../../oci/reference.ts';
import type { Registry } from '../../oci/registry.ts';
import { rememberNegativeAnswers } from './negative-answers.ts';

const ttlMs = 10_000;
const app = parseRepository('lib/app');
const other = parseRepository('lib/other');
const latest = parseTag('latest');
const digest = digestOf(Buffer.from('blob'));
const { signal } = new AbortController();

/** A registry that fails all the time, each time for another reason, and counts what it is asked. */
function setUp({ code = 'MANIFEST_UNKNOWN' as ErrorCode, maxCount = 100, remembersMs = ttlMs } = {}) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const fail = (name: string) => async (repository: unknown, reference: unknown) => {
    asked.push(`${name} ${repository} ${typeof reference === 'string' ? reference : ''}`.trim());
    throw new RegistryError(code, `failure ${asked.length}`, { cause: new Error('whatever it holds') });
  };
  const upstream: Registry = {
    resolveManifest: fail('resolveManifest'),
    getManifest: fail('getManifest'),
    statBlob: fail('statBlob'),
    getBlob: fail('getBlob'),
    listTags: fail('listTags'),
    listReferrers: fail('listReferrers'),
    listRepositories: fail('listRepositories') as Registry['listRepositories'],
  };
  const registry = rememberNegativeAnswers(upstream, { ttlMs: remembersMs, clock, maxCount });
  return { registry, clock, asked };
}

test('only "it is not there" and "it is refused" are remembered', async () => {
  const remembered: string[] = [];
  for (const code of Object.keys(errorStatus) as ErrorCode[]) {
    const { registry, asked } = setUp({ code });
    for (let i = 0; i < 2; i++) await assert.rejects(registry.getManifest(app, latest, signal), { code });
    if (asked.length === 1) remembered.push(code);
  }
  assert.deepEqual(remembered.sort(), [
    'BLOB_UNKNOWN',
    'BLOB_UPLOAD_UNKNOWN',
    'DENIED',
    'MANIFEST_BLOB_UNKNOWN',
    'MANIFEST_UNKNOWN',
    'NAME_UNKNOWN',
    'NOT_FOUND',
    'UNAUTHORIZED',
  ]);
});

test('a negative answer holds for its time, and not a millisecond longer, nor when the clock was set back', async () => {
  const { registry, clock, asked } = setUp();
  const ask = () => registry.resolveManifest(app, latest, signal);
  await assert.rejects(ask(), { message: 'failure 1' });
  clock.advance(ttlMs - 1);
  await assert.rejects(ask(), (error: Error) => {
    assert.deepEqual([error.message, 'cause' in error], ['failure 1', false]);
    return true;
  });
  clock.advance(1);
  await assert.rejects(ask(), { message: 'failure 2' });
  clock.advance(-1);
  await assert.rejects(ask(), { message: 'failure 3' });
  assert.equal(asked.length, 3);
});

test('HEAD and GET count as one; manifests, blobs and tags of each repository for themselves', async () => {
  const { registry, asked } = setUp();
  for (let i = 0; i < 2; i++) {
    await assert.rejects(registry.resolveManifest(app, latest, signal));
    await assert.rejects(registry.getManifest(app, latest, signal));
    await assert.rejects(registry.getManifest(app, digest, signal));
    await assert.rejects(registry.getManifest(other, latest, signal));
    await assert.rejects(registry.statBlob(app, digest, signal));
    await assert.rejects(registry.getBlob(app, digest, undefined, signal));
    await assert.rejects(registry.listTags(app, { count: i }, signal));
  }
  assert.deepEqual(asked, [
    'resolveManifest lib/app latest',
    `getManifest lib/app ${digest}`,
    'getManifest lib/other latest',
    `statBlob lib/app ${digest}`,
    'listTags lib/app',
  ]);
});

test('the oldest goes when there are too many', async () => {
  const { registry, asked } = setUp({ maxCount: 2 });
  const ask = (tag: string) => assert.rejects(registry.getManifest(app, parseTag(tag), signal));
  for (const tag of ['a', 'b', 'c', 'b', 'c', 'a']) await ask(tag);
  assert.deepEqual(
    asked.map((line) => line.split(' ').at(-1)),
    ['a', 'b', 'c', 'a'],
  );
});

test('with no time to live, nothing is remembered', async () => {
  const { registry, asked } = setUp({ remembersMs: 0 });
  for (let i = 0; i < 2; i++) await assert.rejects(registry.getManifest(app, latest, signal));
  assert.equal(asked.length, 2);
});
