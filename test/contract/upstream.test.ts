import { UpstreamRegistry } from '../../src/upstream/client.ts';
import { fixedCredentials } from '../../src/upstream/credentials/credential-source.ts';
import { Transport } from '../../src/upstream/transport/transport.ts';
import { systemClock } from '../../src/util/time/clock.ts';
import type { RegistryCapabilities } from '../support/contract-suite.ts';
import type { Auth } from '../support/registry/gatekeeper.ts';
import type { Quirks } from '../support/registry/quirks.ts';
import { startTestRegistry } from '../support/upstream/test-registry.ts';
import { registryContract } from './registry-contract.ts';

function upstreamContract(
  name: string,
  quirks: Quirks,
  auth: Auth = { kind: 'none' },
  capabilities?: RegistryCapabilities,
): void {
  registryContract(
    name,
    async (content) => {
      const server = await startTestRegistry({ content, quirks, auth });
      const transport = new Transport();
      const credentials = auth.kind === 'basic' ? fixedCredentials(auth) : undefined;
      const registry = new UpstreamRegistry({
        name: 'test',
        urls: [new URL(server.url)],
        transport,
        clock: systemClock,
        userAgent: 'Entrepot/test',
        credentials,
        retry: { firstDelayMs: 1 },
      });
      return {
        registry,
        close: async () => {
          transport.close();
          await server.close();
        },
      };
    },
    capabilities,
  );
}

// Every quirk of a registry that does no harm must be invisible behind the client.
upstreamContract('the upstream client', {});
upstreamContract('the upstream client with tokens', {}, { kind: 'bearer' });
upstreamContract('the upstream client with a password', {}, { kind: 'basic', username: 'u', password: 'p:w' });
upstreamContract('the upstream client over a registry without digests on tags', { noDigestOnTagGet: true });
upstreamContract('the upstream client over a registry without digests', { noDigestHeader: true });
upstreamContract('the upstream client over a registry without HEAD of manifests', { head405: true });
upstreamContract('the upstream client over a registry that redirects to a CDN', { redirectBlobs: { to: 'absolute' } });
upstreamContract(
  'the upstream client over a registry with tokens that redirects within itself',
  { redirectBlobs: { to: 'relative', status: 302 } },
  { kind: 'bearer' },
);
upstreamContract('the upstream client over a registry that ignores ranges', { ignoresRange: true });
upstreamContract('the upstream client over a registry with huge heads', { hugeHeaders: 100_000 });
upstreamContract('the upstream client over a registry with text/plain manifests', { plainTextManifests: true });
upstreamContract(
  'the upstream client over a registry with small pages',
  { maxPageSize: 2 },
  { kind: 'none' },
  { maxPageSize: 2 },
);
upstreamContract(
  'the upstream client over a registry with ghcr.io’s tokens',
  { pingOk: true, placeholderScope: true, noExpiresIn: true, accessTokenOnly: true },
  { kind: 'bearer' },
);
