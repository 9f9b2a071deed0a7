import type { MetadataIndex, RepositoryKey } from '../../index/metadata-index.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { DiskHealth } from './disk-health.ts';

/** What requests look up: an index that cannot be read is no reason to withhold what upstream has. */
const lookUps: ReadonlySet<PropertyKey> = new Set<keyof MetadataIndex>(['getTag', 'getLink']);

const readers = /^(?:get|has|is|list|totals|hostedTotals|references)/;

/**
 * The same index, but the health of the disk is told what fails; and a cached tag or link that cannot be looked up is
 * none. All else fails as it did: whoever removes something must not take what cannot be read for what is not there, and
 * what is hosted here nobody else has.
 */
export function watchIndexHealth<Index extends MetadataIndex>(index: Index, disk: DiskHealth): Index {
  return new Proxy(index, {
    get(target, name): unknown {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function' || name === 'close') return bound(method, target);
      const action = actionOf(String(name));
      return async (...given: unknown[]): Promise<unknown> => {
        try {
          const result: unknown = await method.apply(target, given);
          disk.worked({ part: 'index', action });
          return result;
        } catch (error) {
          disk.failed({ part: 'index', action }, error);
          if (lookUps.has(name) && !isHosted(given[0])) return undefined;
          throw error;
        }
      };
    },
  });
}

function actionOf(name: string): 'read' | 'write' | 'find' {
  if (name === ('changedElsewhere' satisfies keyof MetadataIndex)) return 'find';
  return readers.test(name) ? 'read' : 'write';
}

function isHosted(key: unknown): boolean {
  return (key as RepositoryKey).registry === hostedRegistryName;
}

function bound(method: unknown, target: MetadataIndex): unknown {
  return typeof method === 'function' ? method.bind(target) : method;
}
