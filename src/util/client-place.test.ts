import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientPlace } from './client-place.ts';

for (const [address, place] of [
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['::FFFF:10.0.0.1', '10.0.0.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
  ['2001:DB8:1:2::6', '2001:db8:1:2::'],
  ['2001:db8::6', '2001:db8:0:0::'],
  ['::1', '0:0:0:0::'],
  ['fe80::1%eth0', 'fe80:0:0:0::'],
  ['', ''],
] as const) {
  test(`${address === '' ? 'no address' : address} counts as ${place}`, () =>
    assert.equal(clientPlace(address), place));
}
