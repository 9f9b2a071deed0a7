import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { never } from '../../test/support/hosted/hosted-rig.ts';
import { digestOf } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import { parseRepository } from '../oci/reference.ts';
import { explainDiskFailure } from './disk-failure.ts';
import { HostedRegistry } from './hosted-registry.ts';
import type { HostedLimits, HostedTools } from './tools.ts';

/** What SQLite says when there is no room for its pages. */
function failureOfFullDatabase(): Error {
  const database = new DatabaseSync(':memory:');
  database.exec('PRAGMA max_page_count = 2; CREATE TABLE t (x)');
  try {
    database.exec('INSERT INTO t VALUES (zeroblob(100000))');
  } catch (error) {
    return error as Error;
  } finally {
    database.close();
  }
  return assert.fail('it was not full');
}

test('a full disk is 507, whether store or index says so; what else fails is as it was', () => {
  const failures = [
    failureOfFullDatabase(),
    ...['ENOSPC', 'EDQUOT', 'EFBIG'].map((code) => Object.assign(new Error(code), { code })),
  ];
  for (const cause of failures) {
    const explained = explainDiskFailure(cause);
    assert.ok(explained instanceof RegistryError);
    assert.deepEqual([explained.status, explained.code, explained.cause], [507, 'UNAVAILABLE', cause]);
  }
  const others = [
    Object.assign(new Error('no'), { code: 'EIO' }),
    new RegistryError('DENIED', 'no'),
    'text',
    undefined,
  ];
  for (const error of others) assert.equal(explainDiskFailure(error), error);
});

test('whatever a push changes, a disk that is full then is told as such', async () => {
  const failing = new Proxy({}, { get: () => () => Promise.reject(failureOfFullDatabase()) });
  const tools = { index: failing, clock: { now: () => 0 } } as unknown as HostedTools;
  const limits = { maxManifestBytes: 1000, minFreeBytes: 0, immutableTags: [], uploads: {} } as unknown as HostedLimits;
  const registry = new HostedRegistry(tools, limits);
  const offer = { from: undefined, mayRead: () => true };
  const repository = parseRepository('team/app');
  const digest = digestOf(Buffer.from('layer'));
  await assert.rejects(registry.mountBlob(repository, digest, offer, never), { status: 507 });
  await assert.rejects(registry.deleteBlob(repository, digest, never), { status: 507 });
});
