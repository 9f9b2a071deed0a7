import type { SetupView } from '../../../src/setup/target.ts';

/** What a client is told, in a test: a cache at 10.0.0.5 that serves three registries, without TLS and without a domain. */
export function setupViewOf(given: Partial<SetupView> = {}): SetupView {
  return {
    address: 'http://10.0.0.5:5000',
    hostedAddress: undefined,
    proxyAddress: undefined,
    domain: undefined,
    shape: undefined,
    registries: [
      { name: 'docker.io', alias: 'docker.io', origin: 'https://registry-1.docker.io' },
      { name: 'ghcr.io', alias: 'ghcr.io', origin: 'https://ghcr.io' },
      { name: 'registry.corp:5443', alias: 'registry.corp', origin: 'https://registry.corp:5443' },
    ],
    isWhole: true,
    defaultRegistry: 'docker.io',
    hostedNames: [],
    ca: undefined,
    asksLogin: false,
    asksCertificate: false,
    ...given,
  };
}

const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

/** One view of each kind that makes a difference to what clients are told. */
export const setupViews: Readonly<Record<string, SetupView>> = {
  plain: setupViewOf(),
  loopback: setupViewOf({
    address: 'http://127.0.0.1:5000',
    hostedAddress: 'http://127.0.0.1:5001',
    proxyAddress: 'http://127.0.0.1:3128',
    hostedNames: ['localhost:5001'],
  }),
  secure: setupViewOf({
    address: 'https://cache.example.com',
    hostedAddress: 'https://cache.example.com:5001',
    proxyAddress: 'http://cache.example.com:3128',
    hostedNames: ['cache.example.com:5001'],
    domain: 'cache.example.com',
    ca: pem,
    asksLogin: true,
    asksCertificate: true,
  }),
  'domain-only': setupViewOf({ domain: 'cache.example.com', defaultRegistry: undefined }),
};
