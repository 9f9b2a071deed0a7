import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryRegistry } from '../../../test/support/memory/memory-registry.ts';
import { RegistryError } from '../../oci/errors.ts';
import { type RoutedRegistry, Router, type RoutingHints, repositoryOf, routeToOne } from './routing.ts';

const registry = new MemoryRegistry();
const configured: readonly RoutedRegistry[] = [
  {
    ...{ name: 'docker.io', alias: 'docker.io', dockerHub: true, registry },
    names: ['index.docker.io', 'registry-1.docker.io'],
  },
  { name: 'ghcr.io', alias: 'ghcr.io', names: [], dockerHub: false, registry },
  { name: 'registry.corp:5443', alias: 'registry.corp', names: ['10.0.0.5:5443'], dockerHub: false, registry },
];

const router = new Router(configured, 'cache.example.com', 'docker.io');
const noHints: RoutingHints = { host: '127.0.0.1:5000', prefix: undefined, namespace: undefined };

/** Where a request goes, as `registry repository`. */
function goal(name: string, hints: Partial<RoutingHints> = {}, by = router): string {
  const route = by.route(name, { ...noHints, ...hints });
  return `${route.to.name} ${repositoryOf(route)}`;
}

function code(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof RegistryError) return error.code;
    throw error;
  }
  return 'nothing failed';
}

describe('Router.route()', () => {
  // Every row has a name for the registry in the place of the row, and in all places below it another.
  const everyHint = { host: 'ghcr.io.cache.example.com', prefix: 'registry.corp', namespace: 'docker.io' };
  const rows: readonly (readonly [why: string, name: string, hints: Partial<RoutingHints>, expected: string])[] = [
    ['the virtual host decides before all else', 'registry.corp/a', everyHint, 'ghcr.io registry.corp/a'],
    [
      'the alias before /v2/ decides before the one behind it and ns',
      'ghcr.io/a',
      { ...everyHint, host: 'other.host' },
      'registry.corp:5443 ghcr.io/a',
    ],
    ['the alias behind /v2/ decides before ns', 'ghcr.io/a/b', { namespace: 'docker.io' }, 'ghcr.io a/b'],
    ['ns decides before the default', 'a/b', { namespace: 'ghcr.io' }, 'ghcr.io a/b'],
    ['without any name the default answers', 'a/b', {}, 'docker.io a/b'],
  ];
  for (const [why, name, hints, expected] of rows) {
    test(why, () => assert.equal(goal(name, hints), expected));
  }

  test('takes one alias off a path, and no second one', () => {
    assert.equal(goal('ghcr.io/ghcr.io/a'), 'ghcr.io ghcr.io/a');
    assert.equal(goal('ghcr.io/registry.corp/a'), 'ghcr.io registry.corp/a');
  });

  test('knows Docker Hub by all of its names in ns', () => {
    for (const namespace of ['docker.io', 'index.docker.io', 'registry-1.docker.io', 'Docker.IO', 'docker.io:443']) {
      assert.equal(goal('a/b', { namespace }, new Router(configured, undefined, 'ghcr.io')), 'docker.io a/b');
    }
  });

  test('knows a registry with a port by its name, alias and other names in ns, and by its alias alone in paths', () => {
    for (const namespace of ['registry.corp:5443', 'registry.corp', '10.0.0.5:5443']) {
      assert.equal(goal('team/app', { namespace }), 'registry.corp:5443 team/app');
    }
    assert.equal(goal('registry.corp/team/app'), 'registry.corp:5443 team/app');
    assert.equal(goal('team/app', { prefix: 'registry.corp' }), 'registry.corp:5443 team/app');
    assert.equal(
      code(() => goal('registry.corp:5443/team/app')),
      'NAME_UNKNOWN',
    );
    assert.equal(
      code(() => goal('team/app', { prefix: 'registry.corp:5443' })),
      'NAME_UNKNOWN',
    );
  });

  test('takes ns=host:443 for the host, and no other port for it', () => {
    assert.equal(goal('a', { namespace: 'ghcr.io:443' }), 'ghcr.io a');
    assert.equal(
      code(() => goal('a', { namespace: 'ghcr.io:8443' })),
      'NAME_UNKNOWN',
    );
  });

  test('tells which ns decided, and none where something else did', () => {
    const namespaceOf = (name: string, hints: Partial<RoutingHints>) =>
      router.route(name, { ...noHints, ...hints }).namespace;
    assert.equal(namespaceOf('a', { namespace: 'ghcr.io' }), 'ghcr.io');
    assert.equal(namespaceOf('ghcr.io/a', { namespace: 'docker.io' }), undefined);
    assert.equal(namespaceOf('a', { namespace: 'docker.io', prefix: 'ghcr.io' }), undefined);
    assert.equal(namespaceOf('a', { namespace: 'docker.io', host: 'ghcr.io.cache.example.com' }), undefined);
    assert.equal(namespaceOf('a', {}), undefined);
  });

  test('reads virtual hosts whatever their case, port and final dot', () => {
    for (const host of [
      'ghcr.io.cache.example.com',
      'ghcr.io.cache.example.com:5000',
      'GHCR.IO.Cache.Example.COM',
      'ghcr.io.cache.example.com.',
      'ghcr.io.cache.example.com.:5000',
    ]) {
      assert.equal(goal('a/b', { host }), 'ghcr.io a/b', host);
    }
    assert.equal(goal('a', { host: 'registry.corp.cache.example.com' }), 'registry.corp:5443 a');
  });

  test('takes no host for a virtual one that is not below the domain', () => {
    for (const host of [
      'cache.example.com',
      'ghcr.io',
      'ghcr.iocache.example.com',
      'ghcr.io.cache.example.com.evil.test',
      '[::1]:5000',
      '',
      undefined,
    ]) {
      assert.equal(goal('a/b', { host }), 'docker.io a/b', String(host));
    }
    const withoutDomain = new Router(configured, undefined, 'docker.io');
    assert.equal(goal('a/b', { host: 'ghcr.io.cache.example.com' }, withoutDomain), 'docker.io a/b');
  });

  test('rejects with NAME_UNKNOWN what names a registry that is not configured, in every place', () => {
    const unknown: [string, Partial<RoutingHints>][] = [
      ['a/b', { host: 'quay.io.cache.example.com' }],
      ['a/b', { host: 'sub.ghcr.io.cache.example.com' }],
      ['a/b', { host: '.cache.example.com' }],
      ['a/b', { prefix: 'quay.io' }],
      ['a/b', { namespace: 'quay.io' }],
      ['quay.io/a/b', {}],
      ['quay.io:5000/a/b', {}],
      ['a/b', { namespace: '__proto__' }],
      ['a/b', { namespace: 'constructor' }],
    ];
    for (const [name, hints] of unknown) {
      assert.equal(
        code(() => goal(name, hints)),
        'NAME_UNKNOWN',
        `${name} ${JSON.stringify(hints)}`,
      );
    }
  });

  test('says in the error nothing of what is configured', () => {
    for (const hints of [{ namespace: 'quay.io' }, { prefix: 'quay.io' }, { host: 'quay.io.cache.example.com' }]) {
      assert.throws(
        () => router.route('a', { ...noHints, ...hints }),
        (error: Error) => {
          assert.match(error.message, /quay\.io/);
          assert.doesNotMatch(error.message, /docker|ghcr|corp/);
          return true;
        },
      );
    }
  });

  test('takes a first component with a dot for a registry only where the default is Docker Hub', () => {
    assert.equal(
      code(() => goal('my.org/app')),
      'NAME_UNKNOWN',
    );
    assert.equal(goal('my.org/app', {}, new Router(configured, undefined, 'ghcr.io')), 'ghcr.io my.org/app');
    assert.equal(goal('my.org/app', { namespace: 'docker.io' }), 'docker.io my.org/app');
    assert.equal(goal('with.dot'), 'docker.io library/with.dot');
    assert.equal(goal('owner/with.dot'), 'docker.io owner/with.dot');
  });

  test('rejects with NAME_UNKNOWN what names no registry where there is no default', () => {
    const withoutDefault = new Router(configured, undefined, undefined);
    assert.equal(
      code(() => goal('a/b', {}, withoutDefault)),
      'NAME_UNKNOWN',
    );
    assert.equal(goal('ghcr.io/a', {}, withoutDefault), 'ghcr.io a');
    assert.equal(goal('a', { namespace: 'ghcr.io' }, withoutDefault), 'ghcr.io a');
  });
});

describe('repositoryOf()', () => {
  test('puts library/ before single names on Docker Hub, however the request came there', () => {
    assert.equal(goal('alpine'), 'docker.io library/alpine');
    assert.equal(goal('docker.io/alpine'), 'docker.io library/alpine');
    assert.equal(goal('alpine', { prefix: 'docker.io' }), 'docker.io library/alpine');
    assert.equal(goal('alpine', { namespace: 'docker.io' }), 'docker.io library/alpine');
    assert.equal(goal('alpine', { host: 'docker.io.cache.example.com' }), 'docker.io library/alpine');
    assert.equal(goal('library/alpine'), 'docker.io library/alpine');
    assert.equal(goal('owner/alpine'), 'docker.io owner/alpine');
  });

  test('puts library/ before nothing on other registries', () => {
    assert.equal(goal('ghcr.io/alpine'), 'ghcr.io alpine');
    assert.equal(goal('alpine', { namespace: 'ghcr.io' }), 'ghcr.io alpine');
    assert.equal(goal('alpine', { host: 'ghcr.io.cache.example.com' }), 'ghcr.io alpine');
  });

  test('rejects with NAME_INVALID what is no name, and an alias without a name behind it', () => {
    for (const name of ['Upper', 'owner/Upper', '-a', 'a//b', 'a/', 'a b', 'a/../b', 'ghcr.io', 'a'.repeat(256)]) {
      assert.equal(
        code(() => goal(name)),
        'NAME_INVALID',
        name,
      );
    }
  });
});

describe('the hosted registry', () => {
  const names = ['localhost:5001', 'registry.test'];
  const hosted = { name: 'hosted.entrepot', alias: 'hosted.entrepot', names, hosts: names, dockerHub: false, registry };
  const beside = new Router([...configured, hosted], 'cache.example.com', 'docker.io');
  const alone = routeToOne(hosted);

  test('is reached beside others by its alias, its names in ns, and their hosts, and by nothing else', () => {
    const expected = 'hosted.entrepot team/app';
    assert.equal(goal('hosted.entrepot/team/app', {}, beside), expected);
    assert.equal(goal('team/app', { prefix: 'hosted.entrepot' }, beside), expected);
    for (const namespace of ['hosted.entrepot', 'localhost:5001', 'LOCALHOST:5001', 'registry.test:443']) {
      assert.equal(goal('team/app', { namespace }, beside), expected, namespace);
    }
    for (const host of ['localhost:5001', 'Registry.Test', 'registry.test:443', 'hosted.entrepot.cache.example.com']) {
      assert.equal(goal('team/app', { host }, beside), expected, host);
      assert.ok(beside.isNamed({ ...noHints, host }));
    }
    for (const host of ['localhost:5000', 'localhost', 'registry.test:5000', undefined]) {
      assert.equal(goal('team/app', { host }, beside), 'docker.io team/app', host);
    }
    assert.equal(goal('team/app', { namespace: 'ghcr.io' }, beside), 'ghcr.io team/app');
  });

  test('has a door of its own, where no path and no other name means another registry', () => {
    const route = (name: string, hints: Partial<RoutingHints> = {}) => alone.route(name, { ...noHints, ...hints });
    for (const name of ['team/app', 'docker.io/library/alpine', 'hosted.entrepot/team/app', 'ghcr.io']) {
      assert.deepEqual(route(name), { to: hosted, name, namespace: undefined });
      assert.equal(route(name, { host: 'ghcr.io.cache.example.com' }).to, hosted);
    }
    assert.deepEqual(route('alpine', { namespace: 'Localhost:5001' }), {
      ...{ to: hosted, name: 'alpine', namespace: 'Localhost:5001' },
    });
    for (const hints of [{ namespace: 'docker.io' }, { namespace: 'ghcr.io' }, { prefix: 'hosted.entrepot' }]) {
      assert.equal(
        code(() => route('alpine', hints)),
        'NAME_UNKNOWN',
      );
    }
    assert.ok(alone.isNamed(noHints));
  });
});
