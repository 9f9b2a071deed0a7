import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { YamlFile } from './yaml-file.ts';

const endpoint = ['mirrors', 'docker.io', 'endpoint'];

function put(before: string | undefined, url = 'http://cache:5000'): string {
  const file = new YamlFile('x.yaml', before);
  file.putFirst(endpoint, url);
  return file.toString();
}

test('a file that is new, empty, or nothing but a comment, is begun', () => {
  for (const before of [undefined, '', '\n', '# mine\n', 'null\n']) {
    const text = put(before);
    assert.deepEqual(parse(text), { mirrors: { 'docker.io': { endpoint: ['http://cache:5000'] } } });
    assert.equal(put(text), text);
  }
  assert.match(put('# mine\n'), /^# mine$/m);
});

test('what others have written stays, with its comments, and comes second', () => {
  const before = `# the cluster
mirrors:
  docker.io: # hub
    endpoint:
      - "https://mirror.corp" # slow
  "*": {}
configs:
  mirror.corp: { auth: { username: a, password: 'b: c' } }
`;
  const text = put(before);
  const expected = parse(before);
  expected.mirrors['docker.io'].endpoint.unshift('http://cache:5000');
  assert.deepEqual(parse(text), expected);
  for (const comment of ['# the cluster', '# hub', '# slow']) assert.ok(text.includes(comment), comment);
  assert.equal(put(text), text);
});

test('what was put there before is replaced, and the same of another’s is not there twice', () => {
  const text = put(
    put('mirrors:\n  docker.io:\n    endpoint: [http://old.corp, http://new:5000]\n'),
    'http://new:5000',
  );
  assert.deepEqual(parse(text).mirrors['docker.io'].endpoint, ['http://new:5000', 'http://old.corp']);
});

test('a key without a value is filled, and one with another kind of value is refused', () => {
  assert.deepEqual(parse(put('mirrors:\n')).mirrors['docker.io'].endpoint, ['http://cache:5000']);
  assert.deepEqual(parse(put('mirrors:\n  docker.io:\n    endpoint:\n')).mirrors['docker.io'].endpoint.length, 1);
  for (const [before, why] of [
    ['- a\n', /Cannot put anything into x\.yaml: it is no mapping/],
    ['mirrors: text\n', /mirrors is neither a mapping nor a list/],
    ['mirrors: { docker.io: { endpoint: text } }\n', /mirrors\.docker\.io\.endpoint is no list/],
    ['a: [\n', /Cannot put anything into x\.yaml: /],
    ['a: 1\na: 2\n', /Map keys must be unique/],
    ['a: 1\n---\nb: 2\n', /documents/],
  ] as const) {
    assert.throws(() => put(before), { code: 'UNREADABLE_FILE', message: why }, before);
  }
});

// The endpoint of one registry was put before that of the other, too, which would have been pulled from it.
test('what is used in two places is not changed in one of them', () => {
  for (const before of [
    'mirrors:\n  docker.io: &own\n    endpoint: ["https://own.corp"]\n  quay.io: *own\n',
    'mirrors:\n  docker.io:\n    endpoint: &own ["https://own.corp"]\n  quay.io:\n    endpoint: *own\n',
    'mirrors: &own\n  docker.io: {}\nothers: *own\n',
    'mirrors:\n  docker.io:\n    endpoint: [&own "http://cache:5000"]\nothers: *own\n',
    'mirrors:\n  docker.io: &own {}\n  quay.io:\n    <<: *own\n',
  ]) {
    const message = /what is at &own is used elsewhere by \*own, write it out in both places; correct it/;
    assert.throws(() => put(before), { code: 'UNREADABLE_FILE', message }, before);
  }
  const text = put('mirrors:\n  quay.io: &own { endpoint: ["https://own.corp"] }\n  ghcr.io: *own\nmine: &unused {}\n');
  assert.deepEqual(parse(text).mirrors['ghcr.io'], { endpoint: ['https://own.corp'] });
});

test('values are put at the end of a list, and into mappings that are made for them', () => {
  const file = new YamlFile('x.yaml', 'nodes:\n  - role: worker\n');
  file.append(['nodes'], { role: 'worker' });
  file.append(['nodes', 1, 'mounts'], 'a');
  file.set(['a', 'b'], 1);
  assert.deepEqual(file.get(['nodes', 1]), { role: 'worker', mounts: ['a'] });
  assert.deepEqual(parse(file.toString()).a, { b: 1 });
});

// `password: 0123456` was written back as 123456.
test('numbers of others stay as they are written', () => {
  const lines = [
    'a: 0644',
    'b: 12345678901234567890',
    'c: 1e3',
    'd: +1.10',
    'e: 0x1F',
    'f: [ .5, 010 ]',
    '0755: "007"',
  ];
  const text = put(`${lines.join('\n')}\n`);
  assert.deepEqual(text.split('\n').slice(0, lines.length), lines);
  assert.equal(put(text), text);
});
