import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../oci/digest.ts';
import { ContentInUse } from './in-use.ts';

const [one, other] = ['one', 'other'].map((text) => digestOf(new TextEncoder().encode(text)));

test('content is in use until everybody who took it has let go of it', () => {
  const inUse = new ContentInUse();
  const releases = [inUse.take(one!), inUse.take(one!)];
  assert.deepEqual([inUse.has(one!), inUse.has(other!)], [true, false]);
  releases[0]?.();
  releases[0]?.();
  assert.equal(inUse.has(one!), true);
  releases[1]?.();
  assert.equal(inUse.has(one!), false);
  inUse.take(one!);
  releases[1]?.();
  assert.equal(inUse.has(one!), true);
});
