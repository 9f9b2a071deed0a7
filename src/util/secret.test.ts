import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { Secret } from './secret.ts';

test('a secret is given out by reveal() only', () => {
  const secret = new Secret('swordfish');
  assert.equal(secret.reveal(), 'swordfish');
  const printed = [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ deep: { secret } }, { depth: 9, showHidden: true }),
    Object.values(secret).join(),
  ];
  for (const text of printed) assert.ok(!text.includes('swordfish'), text);
  assert.equal(JSON.stringify({ secret }), '{"secret":"[redacted]"}');
});
