import type { Access } from '../access/access.ts';
import { listCatalog } from '../cache/catalog.ts';
import type { Config, ListenAddress } from '../config/config.ts';
import type { MetadataIndex } from '../index/metadata-index.ts';
import { hostedRegistryName } from '../oci/hosted.ts';
import type { Admin } from '../server/admin.ts';
import { createListener, defaultDoorLimits, openDoor } from '../server/door.ts';
import { guardAdmin } from '../server/guarded-admin.ts';
import { RegistryHandler } from '../server/registry-handler.ts';
import { type RoutedRegistry, Router } from '../server/routing.ts';
import type { Basics } from './app-options.ts';
import { openDoorTls } from './door-tls.ts';
import type { Lifetime } from './lifetime.ts';

/** What is behind the doors. */
export interface BehindDoors {
  readonly registries: readonly RoutedRegistry[];
  readonly index: MetadataIndex;
  readonly admin: Admin;
  readonly access: Access;
}

/** Where each door listens. */
export interface Addresses {
  readonly registry: ListenAddress;
}

/** Opens the doors: the last that is done, as requests come from here on. */
export async function openDoors(config: Config, tools: Basics & BehindDoors, lifetime: Lifetime): Promise<Addresses> {
  return { registry: await openRegistryDoor(config, tools, lifetime) };
}

async function openRegistryDoor(
  { doors, domain, hosted, shutdown }: Config,
  tools: Basics & BehindDoors,
  lifetime: Lifetime,
): Promise<ListenAddress> {
  const { registries, index, admin, access, log, metrics, version } = tools;
  const door = doors.registry;
  const router = new Router(registries, domain, door.default);
  const aliases = new Map(registries.map(({ name, alias }) => [name === door.default ? '' : alias, name]));
  const registry = new RegistryHandler({
    router,
    log,
    catalog: (page, mayPull) => listCatalog(index, aliases, page, mayPull),
    access: { access, door: 'registry' },
    push: { maxManifestBytes: hosted.maxManifestBytes, goal: hosted.names[0] ?? hostedRegistryName },
  });
  const guarded = guardAdmin(admin, { access, door: 'registry' });
  const listener = createListener({ registry, admin: guarded, log, metrics });
  const tls = await openDoorTls('registry', door.tls, tools, lifetime);
  const open = await openDoor(door.listen, listener, defaultDoorLimits, tls);
  lifetime.push(() => open.close(shutdown.graceMs));
  const { host, port } = open;
  log.info({ host, port, version }, 'registry door open');
  return { host, port };
}
