import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'smol-toml';
import { putBlock as putInto, type TomlBlock, withoutBlock } from './marked-block.ts';

const putBlock = (before: string | undefined, block: TomlBlock) => putInto(before, block, '/x/hosts.toml');

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

test('what was put there is found again in lines as Windows ends them, and behind a mark of the byte order', () => {
  const newer = table.replace('cache:5000', 'cache:6000');
  for (const [before, edited] of [
    [others, (text: string) => text.replaceAll('\n', '\r\n')],
    [`\ufeff${others}`, (text: string) => text],
    // What comes first is a table, which is asked in the order of the file.
    [`\ufeff[host."https://own.corp"]\n`, (text: string) => text],
  ] as const) {
    const text = putBlock(edited(putBlock(before, block)), { whole: newer, table: newer });
    assert.equal(text.indexOf('\ufeff'), before.indexOf('\ufeff'));
    const { host } = parse(text) as { host: object };
    assert.deepEqual(Object.keys(host), ['http://cache:6000', 'https://own.corp']);
    assert.equal(withoutBlock(text), edited(before));
  }
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

// The table was put into the list, so that containerd could not read the file any more.
test('the table is put behind a list of lists, and not into it', () => {
  const before = `client = [\n  ["/a.cert", "/a.key"],\n  ["/b.cert", "/b.key"]\n]\n\n[host."https://own.corp"]\n`;
  const text = putBlock(before, block);
  assert.deepEqual(Object.keys((parse(text) as { host: object }).host), ['http://cache:5000', 'https://own.corp']);
  assert.equal(withoutBlock(text), before);
});

test('the very table is found however it is written', () => {
  for (const own of [
    `[host."http://cache:5000"]  # by hand\n  skip_verify = true\n`,
    `host = { 'http://cache:5000' = { skip_verify = true } }\n`,
    `[host]\n  [host.'http://cache:5000']\n`,
  ]) {
    assert.equal(putBlock(own, block), own);
  }
});

test('a file that is not TOML, or that nothing can be put into, is left to its owner', () => {
  for (const [before, why] of [
    ['server = \n', /"\/x\/hosts\.toml": it is not TOML/],
    ['host = { "https://own.corp" = {} }\n', /it has "host" in a way.*by hand: \[host\./s],
    ['host = "text"\n', /it has "host" in a way/],
  ] as const) {
    assert.throws(() => putBlock(before, block), { code: 'UNREADABLE_FILE', message: why }, before);
  }
});
