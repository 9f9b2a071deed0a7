import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'smol-toml';
import { putBlock, withoutBlock } from './marked-block.ts';

const table = '[host."http://cache:5000"]\n  capabilities = ["pull"]\n';
const block = { whole: `server = "https://ghcr.io"\n\n${table}`, table };
const others = '# ours\nserver = "https://own.corp"\n\n[host."https://own.corp"] # near\n  skip_verify = true\n';

test('a file that is new, or empty, says it all', () => {
  for (const before of [undefined, '', '\n']) {
    const text = putBlock(before, block);
    assert.ok(text.includes(block.whole));
    assert.equal(putBlock(text, block), text);
  }
});

test('in another’s file the table comes first, its keys stay, and no byte of it is lost', () => {
  const text = putBlock(others, block);
  const { server, host } = parse(text) as { server: string; host: object };
  assert.equal(server, 'https://own.corp');
  assert.deepEqual(Object.keys(host), ['http://cache:5000', 'https://own.corp']);
  assert.equal(withoutBlock(text), others);
  assert.equal(putBlock(text, block), text);
});

test('a table of ours that says something else takes the place of the one before', () => {
  const newer = table.replace('cache:5000', 'cache:6000');
  const text = putBlock(putBlock(others, block), { whole: newer, table: newer });
  assert.equal(withoutBlock(text), others);
  assert.doesNotMatch(text, /cache:5000/);
  assert.match(text, /cache:6000/);
  assert.ok(putBlock(putBlock(undefined, block), { whole: newer, table: newer }).includes(newer));
});

test('what has no tables, or no line break at its end, is written on', () => {
  for (const before of ['server = "https://own.corp"', 'server = "https://own.corp"\n']) {
    const { server, host } = parse(putBlock(before, block)) as { server: string; host: object };
    assert.equal(server, 'https://own.corp');
    assert.deepEqual(Object.keys(host), ['http://cache:5000']);
  }
});

test('where the very table is there already, nothing is put beside it', () => {
  const own = `${others}\n${table.replace('pull', 'resolve')}`;
  assert.equal(putBlock(own, block), own);
});
