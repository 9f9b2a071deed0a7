import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOnly, type SetupSources, setupView } from './view.ts';

const sources: SetupSources = {
  domain: 'cache.example.com',
  doors: {
    registry: { listen: { host: '', port: 5000 }, default: 'docker.io' },
    hosted: { listen: { host: '127.0.0.1', port: 5001 } },
    proxy: { listen: { host: '', port: 3128 } },
  },
  hosted: { names: ['localhost:5001'] },
  auth: undefined,
  upstreams: [
    { name: 'docker.io', alias: 'docker.io', urls: [new URL('https://mirror.corp')], dockerHub: true },
    {
      name: 'registry.corp:5443',
      alias: 'registry.corp',
      urls: [new URL('http://registry.corp:5443')],
      dockerHub: false,
    },
    { name: 'ghcr.io', alias: 'ghcr.io', urls: [new URL('https://proxy.corp/ghcr')], dockerHub: false },
  ],
};

test('clients go back to a registry by its own name, whatever this cache asks in its place', () => {
  const { registries, isWhole } = setupView(sources, { address: 'http://cache.lan:5000' });
  assert.equal(isWhole, true);
  assert.deepEqual(
    registries.map(({ origin }) => origin),
    ['https://registry-1.docker.io', 'http://registry.corp:5443', 'https://ghcr.io'],
  );
});

test('a door that listens on loopback is there for those alone who come by loopback', () => {
  const near = setupView(sources, { address: 'http://localhost:5000' });
  assert.equal(near.hostedAddress, 'http://localhost:5001');
  assert.equal(near.proxyAddress, 'http://localhost:3128');
  const far = setupView(sources, { address: 'https://cache.lan:5000' });
  assert.equal(far.hostedAddress, undefined);
  assert.equal(far.proxyAddress, 'http://cache.lan:3128');
});

test('some are chosen by name or alias, what is pushed to among them, and an unknown name is told', () => {
  const choose = (text: string) => setupView(sources, { address: 'http://a:1', only: parseOnly(text) });
  const { registries, hostedNames, isWhole } = choose('registry.corp, localhost:5001');
  assert.deepEqual([registries.map(({ name }) => name), hostedNames], [['registry.corp:5443'], ['localhost:5001']]);
  assert.equal(isWhole, false);
  assert.deepEqual(choose('ghcr.io').hostedNames, []);
  assert.throws(() => choose('quay.io'), /Cannot find registry "quay\.io": there are docker\.io, .*localhost:5001/);
  for (const text of ['', ',', 'ghcr.io,']) assert.throws(() => choose(text), /name of no letters/);
});

test('what the door asks of clients is known, and a domain that is given counts', () => {
  const { doors } = sources;
  const guarded = {
    ...{ ...sources, auth: {} },
    doors: { ...doors, registry: { ...doors.registry, tls: { clientCa: '/ca.pem' } } },
  };
  const view = setupView(guarded, { address: 'https://a', domain: 'other.lan', ca: 'pem' });
  assert.deepEqual([view.asksLogin, view.asksCertificate, view.domain, view.ca], [true, true, 'other.lan', 'pem']);
  assert.equal(setupView(sources, { address: 'https://a' }).domain, 'cache.example.com');
});
