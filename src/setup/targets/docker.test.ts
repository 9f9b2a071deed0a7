import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setupViewOf } from '../../../test/support/command/setup-views.ts';
import type { SetupView } from '../target.ts';
import { docker } from './docker.ts';

function render(before: string | undefined, view: Partial<SetupView> = {}): string {
  const [file] = docker.plan(setupViewOf(view)).files;
  assert.equal(file?.path, '/etc/docker/daemon.json');
  return file.render(before);
}

test('what is in daemon.json stays, and the cache is the first of the mirrors', () => {
  const before =
    '{\n    "log-driver": "journald",\n    "registry-mirrors": ["https://a.test/", "http://10.0.0.5:5000/"],\n    "x": 1.50\n}\n';
  const after = [
    '{\n    "log-driver": "journald",\n    "registry-mirrors": ["http://10.0.0.5:5000", "https://a.test/"],\n    "x": 1.50,',
    '    "insecure-registries": [\n        "10.0.0.5:5000"\n    ]\n}\n',
  ].join('\n');
  assert.equal(render(before), after);
  assert.equal(render(after), after);
});

test('a mirror that is the first already is left as it is written', () => {
  const text =
    '{"registry-mirrors": ["http://10.0.0.5:5000/"], "insecure-registries": ["10.0.0.0/8", "10.0.0.5:5000"]}';
  assert.equal(render(text), text);
});

test('a mark of the byte order stays, as docker takes it', () => {
  assert.equal(render('\ufeff{"debug": true}'), `\ufeff${render('{"debug": true}')}`);
});

test('an empty file is as good as none', () => {
  for (const before of ['', ' \n']) assert.equal(render(before), render(undefined));
});

test('plain HTTP is allowed for what is not this machine alone, and nothing is allowed for TLS', () => {
  for (const address of ['http://127.0.0.1:5000', 'http://localhost:5000', 'https://cache.example.com']) {
    assert.equal(render('{"a": 1}', { address }), `{"a": 1, "registry-mirrors": ["${address}"]}`);
  }
});

test('without Docker Hub among the registries there is no mirror', () => {
  const registries = [{ name: 'ghcr.io', alias: 'ghcr.io', origin: 'https://ghcr.io' }];
  assert.equal(render('{"a": 1}', { registries }), '{"a": 1, "insecure-registries": ["10.0.0.5:5000"]}');
});

test('what docker would not read is refused, and says what to do', () => {
  const cases: [string, RegExp][] = [
    ['{"a": 1,}', /^Cannot change "\/etc\/docker\/daemon\.json": it is not JSON, .*, mend it first$/],
    ['// mine\n{}', /is not JSON/],
    ['\ufeff\ufeff{}', /is not JSON/],
    ['[]', /it holds no object/],
    ['{"registry-mirrors": "http://a.test"}', /its registry-mirrors is no list of texts, mend it first$/],
    ['{"insecure-registries": [1]}', /its insecure-registries is no list of texts/],
  ];
  for (const [before, message] of cases) {
    assert.throws(() => render(before), { name: 'SetupError', code: 'UNREADABLE_FILE', message }, before);
  }
});

test('a door where Docker Hub is neither the default nor has a host of its own is refused', () => {
  const view = setupViewOf({ defaultRegistry: 'ghcr.io' });
  assert.throws(() => docker.plan(view), { code: 'NO_DOOR', message: /set doors\.registry\.default to docker\.io/ });
});
