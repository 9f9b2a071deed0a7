import { freeAccess } from '../../../src/access/free-access.ts';
import { createAdmin } from '../../../src/server/admin/admin.ts';
import { guardAdmin } from '../../../src/server/admin/guarded-admin.ts';
import { reportStatus } from '../../../src/server/admin/report-status.ts';
import type { Throughput } from '../../../src/server/admin/throughput.ts';
import { knownHosts } from '../../../src/server/browsers.ts';
import type { DoorAccess } from '../../../src/server/client-access.ts';
import { type OpenDoor, openDoor } from '../../../src/server/door/door.ts';
import { type DoorLimits, defaultDoorLimits } from '../../../src/server/door/door-limits.ts';
import { createListener } from '../../../src/server/door/listener.ts';
import type { UpstreamLogin } from '../../../src/server/pull/pull-request.ts';
import { type Catalog, RegistryHandler } from '../../../src/server/registry-handler.ts';
import { type RoutedRegistry, Router, type Routing } from '../../../src/server/routing/routing.ts';
import { DoorCertificate } from '../../../src/server/tls/door-certificate.ts';
import type { TlsPaths } from '../../../src/server/tls/tls-files.ts';
import type { DoorTls } from '../../../src/server/tls/tls-server.ts';
import { createMetrics } from '../../../src/util/metrics/create-metrics.ts';
import { type Clock, systemClock } from '../../../src/util/time/clock.ts';
import { EventLog } from '../event-log.ts';
import { parsePrometheusText, type Scrape } from '../http/prometheus-text.ts';
import { rawFetch } from '../http/raw-http.ts';

/** What a test door is made of: what is left out is empty. */
export interface TestDoorOptions {
  /** How clients log in to upstreams; by what they send with requests, unless given. */
  readonly upstreamLogin?: UpstreamLogin;
  /** The registries behind it, the first being the default. */
  readonly registries?: readonly (Pick<RoutedRegistry, 'registry'> & Partial<RoutedRegistry>)[];
  readonly default?: string;
  /** Names that the door is known by. */
  readonly names?: readonly string[];
  readonly domain?: string;
  readonly catalog?: Catalog;
  readonly ready?: () => Promise<readonly string[]>;
  readonly store?: () => Promise<{ contents: number; sizeBytes: number }>;
  readonly limits?: Partial<DoorLimits>;
  readonly clock?: Clock;
  readonly maxManifestBytes?: number;
  /** How requests find their registry, unless by its names. */
  readonly routing?: (registries: readonly RoutedRegistry[]) => Routing;
  /** Who may do what; everybody may pull, unless given. */
  readonly access?: DoorAccess;
  /** Whether `access` counts for the administrative paths, too. */
  readonly isAdminGuarded?: boolean;
  /** Measures the way to clients; nobody may, unless given. */
  readonly throughput?: Throughput;
  /** The files of a door of TLS. */
  readonly tls?: TlsPaths & { readonly clock?: Clock; readonly hstsMs?: number };
}

/** A time that no test waits for: one that would have to fails by its own time limit. */
export const endlessMs = 10 * 60_000;

/** Limits beside one that is under test. */
export const endless: DoorLimits = {
  ...{ headMs: endlessMs, requestMs: endlessMs, idleMs: endlessMs, keepAliveMs: endlessMs },
  ...{ checkMs: 10, maxConnections: defaultDoorLimits.maxConnections },
};

/** A door over registries of the test's own, without a cache. */
export interface TestDoor {
  readonly url: string;
  readonly port: number;
  readonly events: EventLog;
  readonly close: OpenDoor['close'];
  scrape(): Promise<Scrape>;
}

/** Opens a door on a free port of loopback, and closes it when the test is over. */
export async function openTestDoor(
  t: { after(hook: () => Promise<void>): void },
  options: TestDoorOptions = {},
): Promise<TestDoor> {
  const { registries = [], domain, catalog = async () => ({ repositories: [] }) } = options;
  const { ready = async () => [], store = async () => ({ contents: 0, sizeBytes: 0 }) } = options;
  const { upstreamLogin = 'requests' } = options;
  const { access = { access: freeAccess(new Set()), door: 'registry' } } = options;
  const push = { maxManifestBytes: options.maxManifestBytes ?? 4 * 1024 * 1024, goal: 'localhost:5001' };
  const isKnownHost = knownHosts(options.names ?? [], domain);
  const limits = { ...defaultDoorLimits, ...options.limits };
  const events = new EventLog();
  const hosted = async () => ({ repositories: 0, contents: 0, sizeBytes: 0 });
  const disk = () => ({ troubles: [], failures: [] });
  const sources = { downloadsInFlight: () => 0, downloadsWaiting: () => 0, disk, store, hosted, upstreams: () => [] };
  const metrics = createMetrics({
    ...sources,
    partials: async () => ({ count: 0, sizeBytes: 0 }),
    uploads: () => 0,
    integrity: () => ({ scrubbedBytes: 0, damagedContents: 0 }),
  });
  const status = reportStatus({
    ...sources,
    warm: () => [],
    version: '1.2.3',
    maxBytes: 1e12,
    minFreeBytes: 0,
    freeBytes: async () => 1e12,
    clock: systemClock,
  });
  const routed = registries.map((given) => ({
    ...{ name: 'origin.test', alias: given.name ?? 'origin.test', names: [], dockerHub: false },
    ...given,
  }));
  const router = options.routing?.(routed) ?? new Router(routed, domain, options.default ?? routed[0]?.name);
  const admin = createAdmin({ metrics, ready, version: '1.2.3', status, throughput: options.throughput });
  const door = await openDoor(
    { host: '127.0.0.1', port: 0 },
    createListener({
      registry: new RegistryHandler({ router, catalog, access, isKnownHost, upstreamLogin, push, log: events }),
      admin: options.isAdminGuarded ? guardAdmin(admin, access, isKnownHost) : admin,
      log: events,
      ...{ metrics, limits, clock: options.clock ?? systemClock },
    }),
    {
      ...{ name: 'registry', log: events, clock: options.clock ?? systemClock, limits },
      tls: options.tls && (await openTls(t, options.tls, events)),
    },
  );
  t.after(() => door.close(0));
  const url = `${options.tls ? 'https' : 'http'}://127.0.0.1:${door.port}`;
  return {
    url,
    port: door.port,
    events,
    close: door.close,
    scrape: async () => parsePrometheusText((await rawFetch(`${url}/metrics`)).body.toString()),
  };
}

async function openTls(
  t: { after(hook: () => Promise<void>): void },
  { clock = systemClock, hstsMs, ...paths }: NonNullable<TestDoorOptions['tls']>,
  log: EventLog,
): Promise<DoorTls> {
  const certificate = await DoorCertificate.open({ door: 'registry', paths, clock, log, expires: () => {} });
  t.after(() => certificate.close());
  return { door: 'registry', certificate, hstsMs, log };
}
