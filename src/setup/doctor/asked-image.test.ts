import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAskedImage } from './asked-image.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test('the name of an image is read as docker reads it', () => {
  const cases: [string, string][] = [
    ['nginx', 'docker.io library/nginx latest'],
    ['nginx:1.27', 'docker.io library/nginx 1.27'],
    ['owner/app', 'docker.io owner/app latest'],
    ['docker.io/nginx', 'docker.io library/nginx latest'],
    ['index.docker.io/owner/app:1', 'docker.io owner/app 1'],
    ['ghcr.io/owner/app', 'ghcr.io owner/app latest'],
    ['localhost/app', 'localhost app latest'],
    ['localhost:5000/app', 'localhost:5000 app latest'],
    ['registry.corp:5443/a/b/c:x', 'registry.corp:5443 a/b/c x'],
    [`nginx@${digest}`, `docker.io library/nginx ${digest}`],
    [`ghcr.io/a/b:1@${digest}`, `ghcr.io a/b ${digest}`],
  ];
  for (const [text, expected] of cases) {
    const { registry, repository, reference } = parseAskedImage(text);
    assert.equal(`${registry} ${repository} ${reference}`, expected, text);
  }
  for (const text of ['', 'NGINX', 'a b', 'ghcr.io/', 'nginx:', 'nginx@sha256:1', '/x']) {
    assert.throws(() => parseAskedImage(text), { name: 'RegistryError' }, text);
  }
});
