import { readStored } from '../cache/content/reading/read-stored.ts';
import type { ImageNaming } from '../cache/images/image-names.ts';
import { readUnreadManifests } from '../cache/manifests/unread-manifests.ts';
import type { SettingsConfig } from '../config/config.ts';
import { isRebuilt } from '../hosted/records/rebuild.ts';
import { hostedRegistryName } from '../oci/hosted.ts';
import { openToolStorage, type Storage } from '../storage.ts';
import { systemClock } from '../util/time/clock.ts';
import { CommandFailure } from './command-failure.ts';
import { type ConfigFlags, loadSettingsOf } from './configuration/config-flags.ts';
import type { Terminal } from './terminal/terminal.ts';

/** What a tool works on. */
export interface OpenCache extends Storage {
  readonly config: SettingsConfig;
  readonly naming: ImageNaming;
}

/** What the registries of a configuration are called, the hosted one by the first of its names. */
export function namingOf({ upstreams, hosted, doors }: SettingsConfig): ImageNaming {
  const { names } = hosted;
  const name = hostedRegistryName;
  const hostedRegistry = { name, alias: name, names, dockerHub: false, shown: names[0] };
  return { registries: [...upstreams, hostedRegistry], default: doors.registry.default };
}

/**
 * Opens the data folder that the configuration names, for as long as `use` takes. A server may be running beside; both
 * wait for each other where they write.
 */
export async function withCache<T>(
  flags: ConfigFlags,
  terminal: Terminal,
  use: (cache: OpenCache) => Promise<T>,
): Promise<T> {
  const config = loadSettingsOf(flags, terminal);
  const storage = await openToolStorage(config.data, systemClock);
  try {
    const { store, index } = storage;
    const local = { readWhole: (digest: Parameters<typeof readStored>[0]) => readStored(digest, { store }) };
    await readUnreadManifests(index, local, new AbortController().signal);
    return await use({ ...storage, config, naming: namingOf(config) });
  } finally {
    await storage.close();
  }
}

/**
 * The same for a tool that removes content.
 * @throws CommandFailure while the index does not have what was pushed: then nothing tells what must stay
 */
export function withCacheToRemove<T>(
  flags: ConfigFlags,
  terminal: Terminal,
  use: (cache: OpenCache) => Promise<T>,
): Promise<T> {
  return withCache(flags, terminal, async (cache) => {
    const { index, records } = cache;
    if (await isRebuilt({ index, records })) return use(cache);
    throw new CommandFailure(
      'Cannot remove anything: the index was begun anew, and does not have yet what was pushed here; start the server ' +
        'once, or run `entrepot verify --rebuild`',
    );
  });
}
