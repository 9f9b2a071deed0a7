import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderTable } from './table.ts';

test('columns are as wide as what is in them, numbers stand to the right, and no line ends in spaces', () => {
  const columns = [{ head: 'NAME' }, { head: 'N', right: true }, { head: 'NOTE' }] as const;
  assert.equal(
    renderTable(columns, [
      ['a', '10', ''],
      ['longer', '9', 'x'],
    ]),
    ['NAME     N  NOTE', 'a       10', 'longer   9  x', ''].join('\n'),
  );
});
