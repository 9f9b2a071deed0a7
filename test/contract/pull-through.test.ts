import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RegistryCapabilities } from '../support/contract-suite.ts';
import type { Quirks } from '../support/registry/quirks.ts';
import { startTestCache } from '../support/stages/test-cache.ts';
import { rawHttpRegistry } from '../support/upstream/raw-http-registry.ts';
import { startTestRegistry } from '../support/upstream/test-registry.ts';
import { registryContract } from './registry-contract.ts';

function cacheContract(name: string, quirks: Quirks, capabilities: RegistryCapabilities = {}): void {
  registryContract(
    name,
    async (content) => {
      const server = await startTestRegistry({ content, quirks });
      const data = await mkdtemp(join(tmpdir(), 'entrepot-test-'));
      const cache = await startTestCache({ data, upstreams: [server.url], retry: { firstDelayMs: 1 } });
      return {
        registry: rawHttpRegistry(cache.url),
        close: async () => {
          await cache.stop();
          await server.close();
          await rm(data, { recursive: true });
        },
      };
    },
    capabilities,
  );
}

cacheContract('the pull-through cache', {});
cacheContract('the pull-through cache of a registry with small pages', { maxPageSize: 2 }, { maxPageSize: 2 });
