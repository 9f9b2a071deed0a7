import type { RegistryCapabilities } from '../support/contract-suite.ts';
import { MemoryRegistry } from '../support/memory/memory-registry.ts';
import type { Quirks } from '../support/registry/quirks.ts';
import { rawHttpRegistry } from '../support/upstream/raw-http-registry.ts';
import { startTestRegistry } from '../support/upstream/test-registry.ts';
import { registryContract } from './registry-contract.ts';

registryContract('the memory registry', async (content) => ({
  registry: new MemoryRegistry({ content }),
  close: async () => {},
}));

const maxPageSize = 2;

registryContract(
  'the memory registry with small pages',
  async (content) => ({
    registry: new MemoryRegistry({ content, maxPageSize, chunkBytes: 1000 }),
    close: async () => {},
  }),
  { maxPageSize },
);

function testRegistryContract(name: string, quirks: Quirks, capabilities?: RegistryCapabilities): void {
  registryContract(
    name,
    async (content) => {
      const { url, close } = await startTestRegistry({ content, quirks });
      return { registry: rawHttpRegistry(url), close };
    },
    capabilities,
  );
}

testRegistryContract('the test registry', {});
testRegistryContract('the test registry with small pages', { maxPageSize }, { maxPageSize });
testRegistryContract('the test registry with absolute links', { maxPageSize, absoluteLinks: true }, { maxPageSize });
testRegistryContract(
  'the test registry without a referrers filter',
  { noReferrersFilter: true },
  { filtersReferrers: false },
);
