import type { MetadataIndex } from '../../index/metadata-index.ts';
import type { DiskHealth } from './disk-health.ts';

/** What requests look up: an index that cannot be read is no reason to withhold what upstream has. */
const lookUps: ReadonlySet<PropertyKey> = new Set<keyof MetadataIndex>(['getTag', 'getLink']);

const readers = /^(?:get|list|totals|references|changed)/;

/**
 * The same index, but the health of the disk is told what fails; and a tag or link that cannot be looked up is none. All
 * else fails as it did: whoever removes something must not take what cannot be read for what is not there.
 */
export function watchIndexHealth(index: MetadataIndex, disk: DiskHealth): MetadataIndex {
  return new Proxy(index, {
    get(target, name): unknown {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function' || name === 'close') return bound(method, target);
      const action = readers.test(String(name)) ? 'read' : 'write';
      return async (...given: unknown[]): Promise<unknown> => {
        try {
          const result: unknown = await method.apply(target, given);
          disk.worked({ part: 'index', action });
          return result;
        } catch (error) {
          disk.failed({ part: 'index', action }, error);
          if (lookUps.has(name)) return undefined;
          throw error;
        }
      };
    },
  });
}

function bound(method: unknown, target: MetadataIndex): unknown {
  return typeof method === 'function' ? method.bind(target) : method;
}
