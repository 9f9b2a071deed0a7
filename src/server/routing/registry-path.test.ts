import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeImage } from '../../../test/support/content/images.ts';
import { rawFetch } from '../../../test/support/http/raw-http.ts';
import { MemoryRegistry } from '../../../test/support/memory/memory-registry.ts';
import { openTestDoor } from '../../../test/support/stages/test-door.ts';
import { splitPath } from './registry-path.ts';

describe('splitPath()', () => {
  const rows: readonly (readonly [path: string, expected: ReturnType<typeof splitPath>])[] = [
    ['/v2', { prefix: undefined, rest: '' }],
    ['/v2/', { prefix: undefined, rest: '' }],
    ['/v2/a/manifests/b', { prefix: undefined, rest: 'a/manifests/b' }],
    ['/v2/v2/manifests/b', { prefix: undefined, rest: 'v2/manifests/b' }],
    ['/ghcr.io/v2', { prefix: 'ghcr.io', rest: '' }],
    ['/ghcr.io/v2/', { prefix: 'ghcr.io', rest: '' }],
    ['/GHCR.io/v2/a/tags/list', { prefix: 'ghcr.io', rest: 'a/tags/list' }],
    ['/ghcr.io/v2/v2/tags/list', { prefix: 'ghcr.io', rest: 'v2/tags/list' }],
    ['/', undefined],
    ['/v1/', undefined],
    ['/v2x/a', undefined],
    ['/ghcr.io/v2x', undefined],
    ['/one/two/v2/a/tags/list', undefined],
    ['//v2/', undefined],
    ['/healthz', undefined],
  ];
  for (const [path, expected] of rows) {
    test(`takes ${path} for ${JSON.stringify(expected) ?? 'no path of a registry'}`, () => {
      assert.deepEqual(splitPath(path), expected);
    });
  }
});

const hub = { name: 'docker.io', alias: 'docker.io', dockerHub: true };
const corp = { name: 'registry.corp:5443', alias: 'registry.corp' };

test('a ping is answered for the door as a whole without a default, and for each registry by its alias', async (t) => {
  const registry = new MemoryRegistry();
  const registries = [
    { ...hub, registry },
    { ...corp, registry },
  ];
  const door = await openTestDoor(t, { registries, default: 'none', domain: 'cache.example.com' });
  for (const path of [
    '/v2/',
    '/v2',
    '/docker.io/v2/',
    '/registry.corp/v2',
    '/v2/registry.corp/',
    '/v2/registry.corp',
  ]) {
    const { status, body } = await rawFetch(door.url + path);
    assert.deepEqual([path, status, body.toString()], [path, 200, '{}']);
  }
  for (const path of ['/quay.io/v2/', '/v2/quay.io/', '/v2/quay.io', '/v2/?ns=quay.io']) {
    const { status, body } = await rawFetch(door.url + path);
    assert.deepEqual([path, status], [path, 404]);
    assert.match(body.toString(), /"NAME_UNKNOWN"/);
  }
  const headers = { host: 'quay.io.cache.example.com' };
  assert.equal((await rawFetch(`${door.url}/v2/`, { headers })).status, 404);
});

test('a path with one name that is no alias is none of a registry’s, whichever registry it is asked of', async (t) => {
  const registry = new MemoryRegistry();
  const door = await openTestDoor(t, { registries: [{ ...hub, registry }], domain: 'cache.example.com' });
  const paths = [
    '/v2/alpine',
    '/v2/alpine/',
    '/docker.io/v2/alpine',
    '/v2/alpine/_catalog',
    '/docker.io/v2/a/_catalog',
  ];
  for (const path of paths) {
    const { status, body } = await rawFetch(door.url + path);
    assert.deepEqual([path, status], [path, 404]);
    assert.match(body.toString(), /"NOT_FOUND"/);
  }
});

test('the catalog is the door’s where nothing names a registry, and the registry’s own wherever something does', async (t) => {
  const registry = new MemoryRegistry();
  registry.push('library/alpine', makeImage({ seed: 'alpine', layers: [1] }), 'latest');
  const door = await openTestDoor(t, {
    registries: [{ ...hub, registry }],
    domain: 'cache.example.com',
    catalog: async (page) => ({ repositories: ['of', 'all', String(page.count)], next: { count: 3, last: 'z' } }),
  });
  const list = async (path: string, host = 'cache') => {
    const { body, headers } = await rawFetch(door.url + path, { headers: { host } });
    return [JSON.parse(body.toString()), headers.link];
  };
  const whole = [{ repositories: ['of', 'all', '3'] }, '</v2/_catalog?n=3&last=z>; rel="next"'];
  assert.deepEqual(await list('/v2/_catalog?n=3'), whole);
  const own = [{ repositories: ['library/alpine'] }, undefined];
  assert.deepEqual(await list('/v2/docker.io/_catalog'), own);
  assert.deepEqual(await list('/docker.io/v2/_catalog'), own);
  assert.deepEqual(await list('/v2/_catalog?ns=docker.io'), own);
  assert.deepEqual(await list('/v2/_catalog', 'docker.io.cache.example.com'), own);
});

test('an unknown registry is logged with what was asked and all that is configured, and the body tells none', async (t) => {
  const registry = new MemoryRegistry();
  const registries = [
    { ...hub, registry },
    { ...corp, registry },
  ];
  const door = await openTestDoor(t, { registries });
  const { body } = await rawFetch(`${door.url}/v2/quay.io/team/app/manifests/latest?ns=quay.io`);
  assert.doesNotMatch(body.toString(), /docker\.io|corp/);
  const [unknown] = door.events.named('registry unknown');
  assert.equal(unknown?.level, 'warn');
  assert.deepEqual(unknown.facts['configured'], ['docker.io', 'registry.corp:5443']);
  assert.equal(unknown.facts['name'], 'quay.io/team/app');
  assert.equal(unknown.facts['namespace'], 'quay.io');
  assert.equal(unknown.facts['host'], `127.0.0.1:${door.port}`);
});

test('the ns that decided is confirmed as OCI-Namespace, and no other is', async (t) => {
  const registry = new MemoryRegistry();
  registry.push('team/app', makeImage({ seed: 'app', layers: [1] }), 'latest');
  const registries = [
    { ...hub, registry },
    { ...corp, registry },
  ];
  const door = await openTestDoor(t, { registries });
  const namespaceOf = async (path: string) => (await rawFetch(door.url + path)).headers['oci-namespace'];
  assert.equal(await namespaceOf('/v2/team/app/manifests/latest?ns=registry.corp%3A5443'), 'registry.corp:5443');
  assert.equal(await namespaceOf('/v2/registry.corp/team/app/manifests/latest?ns=docker.io'), undefined);
  assert.equal(await namespaceOf('/v2/team/app/manifests/latest'), undefined);
  assert.equal(await namespaceOf('/v2/team/app/manifests/latest?ns='), undefined);
  assert.equal(await namespaceOf('/v2/team/app/manifests/latest?tokens=registry.corp'), undefined);
});

test('a namespace that becomes a known name only by Unicode’s lower case is unknown', async (t) => {
  const registry = new MemoryRegistry();
  const door = await openTestDoor(t, { registries: [{ ...hub, registry }] });
  const kelvin = encodeURIComponent('doc\u212aer.io');
  const { status } = await rawFetch(`${door.url}/v2/a/b/manifests/latest?ns=${kelvin}`);
  assert.equal(status, 404);
  assert.equal(door.events.named('registry unknown').length, 1);
});
