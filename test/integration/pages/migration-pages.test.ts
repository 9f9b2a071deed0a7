import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { openPageShell } from '../../support/pages/page-shell.ts';
import { pages } from '../../support/pages/pages.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

/** The shell blocks of a page, without what indents them in lists. */
function blocksOf(path: string): string[] {
  const { text } = pages.find((page) => page.path === path)!;
  return [...text.matchAll(/^( *)```sh\n([\s\S]*?)^ *```/gm)].map(([, indent = '', block = '']) =>
    block.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );
}

async function startCache(t: TestContext) {
  const upstream = await startTestRegistry();
  t.after(() => upstream.close());
  upstream.content.push('library/alpine', makeImage({ seed: 'alpine', layers: [100] }), 'latest');
  upstream.content.push('owner/app', makeImage({ seed: 'app', layers: [100] }), 'latest');
  const upstreams = ['docker.io', 'ghcr.io'].map((name) => ({ name, urls: [new URL(upstream.url)] }));
  const data = tmpDir(t);
  const cache = await startTestCache({ data, upstreams });
  t.after(() => cache.stop());
  return { ...cache, data };
}

test('what is asked in docs/troubleshooting.md is answered: by the doctor, the status, and the cache itself', async (t) => {
  const { port, data } = await startCache(t);
  const shell = openPageShell(t);
  const [doctor = '', status = '', curl = '', ...more] = blocksOf('docs/troubleshooting.md');
  assert.equal(more.length, 0);
  const here = (text: string) => text.replaceAll('10.0.0.5:5000', `127.0.0.1:${port}`).trim();
  // A root that is empty stands for this machine, whose clients are nobody's to try.
  const said = await shell.run(`mkdir empty; ${here(doctor)} --root empty`);
  assert.match(said, /ok {4}Entrepot \S+ answers/);
  const env = { ENTREPOT_DATA: data, ENTREPOT_DOORS_REGISTRY_LISTEN: `127.0.0.1:${port}` };
  assert.match(await shell.run(here(status), env), /^Upstreams of which there is nothing to tell: 2$/m);
  const answers = await shell.run(here(curl));
  assert.equal(answers.match(/HTTP\/1\.1 200 OK/g)?.length, 2);
  assert.equal(answers.match(/^cache-status: Entrepot; /gim)?.length, 2);
});

test('who comes from nginx and several registries finds his variables, and the same registries.yaml', async (t) => {
  const shell = openPageShell(t);
  const [block = '', ...more] = blocksOf('docs/migration/nginx-registries.md');
  assert.equal(more.length, 0);
  const [check = '', registries = ''] = block.trim().split('\n');
  const said = await shell.run(check);
  assert.match(said, /registry\.example\.com.*REGISTRY_DOMAIN/);
  assert.match(said, /someone.*DOCKERHUB_USERNAME/);
  assert.doesNotMatch(said, /secret/);
  const { mirrors, configs } = parse(await shell.run(registries));
  for (const name of ['docker.io', 'ghcr.io', 'quay.io']) {
    assert.deepEqual(mirrors[name].endpoint, [`http://${name}.registry.example.com:5000`]);
  }
  assert.equal(configs, undefined);
});

test('who comes from kind’s local registry gets the files that the page speaks of', async (t) => {
  const shell = openPageShell(t);
  for (const block of blocksOf('docs/migration/kind-registry.md')) await shell.run(block);
  for (const path of ['kind.yaml', 'kind-certs.d/docker.io/hosts.toml', 'local-registry-hosting.yaml']) {
    assert.ok(existsSync(join(shell.folder, path)), path);
  }
  assert.match(await shell.run('cat kind-certs.d/localhost:5001/hosts.toml'), /http:\/\/172\.18\.0\.1:5000/);
});

test('who comes from a mirror gets the answer that the old one gave', async (t) => {
  const { port } = await startCache(t);
  const shell = openPageShell(t);
  const [curl = '', ...more] = blocksOf('docs/migration/kops-mirror.md');
  assert.equal(more.length, 0);
  const head = await shell.run(curl.replace(':5000', `:${port}`));
  assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(head, /^docker-distribution-api-version: registry\/2\.0\r$/im);
  assert.match(head, /^content-length: 2\r$/im);
});

test('who comes from the intercepting proxy finds his credentials, and no password in what is printed', async (t) => {
  const shell = openPageShell(t);
  const [check = '', ...more] = blocksOf('docs/migration/intercepting-proxy.md');
  assert.equal(more.length, 0);
  const said = await shell.run(check);
  assert.match(said, /myuser.*REGISTRY_CACHE_AUTH_REGISTRIES/);
  assert.match(said, /3129/);
  assert.doesNotMatch(said, /mypass|mytoken/);
});
