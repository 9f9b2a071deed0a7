import type { Access, DoorName } from '../../access/access.ts';
import { listCatalog } from '../../cache/catalog.ts';
import type { Config, ListenAddress, TlsConfig } from '../../config/config.ts';
import type { MetadataIndex } from '../../index/metadata-index.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { PushableRegistry } from '../../oci/registry.ts';
import type { Admin } from '../../server/admin/admin.ts';
import { guardAdmin } from '../../server/admin/guarded-admin.ts';
import type { Probes } from '../../server/answer/probes.ts';
import { knownHosts } from '../../server/browsers.ts';
import { openDoor } from '../../server/door/door.ts';
import { createListener } from '../../server/door/listener.ts';
import type { UpstreamLogin } from '../../server/pull/pull-request.ts';
import { type Catalog, RegistryHandler } from '../../server/registry-handler.ts';
import { type RoutedRegistry, Router, type Routing, routeToOne } from '../../server/routing/routing.ts';
import type { Basics } from '../app-options.ts';
import type { Lifetime } from '../lifetime.ts';
import { openDoorTls } from './door-tls.ts';
import type { Proxied } from './proxied.ts';
import { openProxyDoor } from './proxy-door.ts';

/** What is behind the doors. */
export interface BehindDoors {
  /** The caches of the upstreams. */
  readonly registries: readonly RoutedRegistry[];
  readonly hosted: PushableRegistry;
  readonly index: MetadataIndex;
  readonly admin: Admin;
  readonly access: Access;
  readonly probes: Probes;
  /** Undefined when there is no proxy door. */
  readonly proxied: Proxied | undefined;
}

/** Where each door listens. */
export interface Addresses {
  readonly registry: ListenAddress;
  /** Undefined when there is no such door. */
  readonly hosted: ListenAddress | undefined;
  readonly proxy: ListenAddress | undefined;
}

/**
 * Opens the doors: the last that is done, as requests come from here on.
 * @throws Error with the system's code, that names the key of the address which cannot be listened on
 */
export async function openDoors(config: Config, tools: Basics & BehindDoors, lifetime: Lifetime): Promise<Addresses> {
  const { doors } = config;
  const hosted = routeHosted(config, tools);
  const one = { ...doors.registry, ...registryDoor(config, tools, hosted) };
  const registry = await openOne(config, one, tools, lifetime);
  const { listen } = doors.hosted;
  const other = listen && { ...doors.hosted, listen, ...hostedDoor(tools, hosted) };
  const hostedAddress = other && (await openOne(config, other, tools, lifetime));
  return { registry, hosted: hostedAddress, proxy: await openProxy(config, tools, lifetime) };
}

async function openProxy(
  config: Config,
  { proxied, ...tools }: Basics & BehindDoors,
  lifetime: Lifetime,
): Promise<ListenAddress | undefined> {
  const { listen } = config.doors.proxy;
  if (listen === undefined || proxied === undefined) return undefined;
  return openProxyDoor(listen, config, { ...tools, ...proxied }, lifetime).catch((error: unknown) => {
    throw explainAddress(
      error,
      'doors.proxy.listen',
      'choose another with --set doors.proxy.listen=ADDR, or none for no such door',
    );
  });
}

/** What makes one door another than the rest. */
interface Door {
  readonly name: Exclude<DoorName, 'proxy'>;
  readonly routing: Routing;
  readonly catalog: Catalog;
  readonly upstreamLogin: UpstreamLogin;
  /** What to do when its address is in use. */
  readonly advice: string;
}

function routeHosted({ hosted: { names } }: Config, { hosted }: BehindDoors): RoutedRegistry {
  const name = hostedRegistryName;
  return { name, alias: name, names, hosts: names, dockerHub: false, registry: hosted, pushable: hosted };
}

function registryDoor(
  { doors, domain, auth }: Config,
  { registries, index }: BehindDoors,
  hosted: RoutedRegistry,
): Door {
  const all = [...registries, hosted];
  const aliases = new Map(all.map(({ name, alias }) => [name === doors.registry.default ? '' : alias, name]));
  return {
    name: 'registry',
    routing: new Router(all, domain, doors.registry.default),
    catalog: (page, mayPull) => listCatalog(index, aliases, page, mayPull),
    // Where Entrepot has users of its own, they log in to it by the same header.
    upstreamLogin: auth === undefined ? 'requests' : 'none',
    advice: 'choose another address with --listen',
  };
}

function hostedDoor({ index }: BehindDoors, hosted: RoutedRegistry): Door {
  const aliases = new Map([['', hosted.name]]);
  return {
    name: 'hosted',
    routing: routeToOne(hosted),
    catalog: (page, mayPull) => listCatalog(index, aliases, page, mayPull),
    upstreamLogin: 'none',
    advice: 'choose another with --set doors.hosted.listen=ADDR, or none for no such door',
  };
}

async function openOne(
  { hosted, domain, shutdown }: Config,
  {
    name,
    routing: router,
    catalog,
    upstreamLogin,
    listen,
    tls,
    advice,
  }: Door & {
    listen: ListenAddress;
    tls: TlsConfig | undefined;
  },
  tools: Basics & BehindDoors,
  lifetime: Lifetime,
): Promise<ListenAddress> {
  const { access, admin, log, metrics, clock, version, probes } = tools;
  const push = { maxManifestBytes: hosted.maxManifestBytes, goal: hosted.names[0] ?? hostedRegistryName };
  const doorAccess = { access, door: name };
  const isKnownHost = knownHosts(hosted.names, domain);
  const registry = new RegistryHandler({ router, log, catalog, access: doorAccess, isKnownHost, upstreamLogin, push });
  const guarded = guardAdmin(admin, doorAccess, isKnownHost);
  const listener = createListener({ registry, admin: guarded, log, metrics, clock, probes });
  const doorTls = await openDoorTls(name, tls, tools, lifetime);
  const open = await openDoor(listen, listener, { name, log, clock, tls: doorTls }).catch((error: unknown) => {
    throw explainAddress(error, `doors.${name}.listen`, advice);
  });
  lifetime.push(() => open.close(shutdown.graceMs));
  const { host, port } = open;
  log.info({ host, port, version }, `${name} door open`);
  return { host, port };
}

const addressReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: '',
  EADDRNOTAVAIL: ': this machine does not have it',
  EACCES: ': a port below 1024 takes root, or CAP_NET_BIND_SERVICE',
  ENOTFOUND: ': no such host is known',
  EAI_AGAIN: ': no such host is known here and now',
};

function explainAddress(error: unknown, key: string, advice: string): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  const reason = addressReasons[String(error.code)];
  if (reason === undefined) return error;
  const message = `Cannot start: ${error.message} (${key})${reason}; ${advice}`;
  return Object.assign(new Error(message, { cause: error }), { code: error.code });
}
