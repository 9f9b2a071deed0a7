import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Metrics } from '../metrics.ts';
import { fromZero } from './from-zero.ts';

// From a hit in memory to the 25 s after which a request is given up.
const requestBuckets = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 30, 120];

/** Counts what clients ask. */
export function requestMetrics(registers: Registry[]): Pick<Metrics, 'requests' | 'requestSeconds' | 'servedBytes'> {
  return {
    requests: new Counter({
      name: 'entrepot_requests_total',
      help: 'Requests that were answered; cache: hit, miss, collapsed, revalidated, revalidating, stale or none',
      labelNames: ['method', 'route', 'registry', 'status', 'cache'],
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'entrepot_request_duration_seconds',
      help: 'From the request to the end of its answer',
      labelNames: ['route', 'cache'],
      buckets: requestBuckets,
      registers,
    }),
    servedBytes: new Counter({
      name: 'entrepot_served_bytes_total',
      help: 'Bytes of bodies that were sent to clients',
      labelNames: ['registry', 'cache'],
      registers,
    }),
  };
}

/** Counts logins, and what upstreams said to those of clients. */
export function loginMetrics(registers: Registry[]): Pick<Metrics, 'logins' | 'guardChecks'> {
  const logins = new Counter({
    name: 'entrepot_logins_total',
    help: 'Passwords that were looked at, the remembered ones not counted; result: proven, wrong, or refused unseen',
    labelNames: ['result'],
    registers,
  });
  return {
    logins: fromZero(logins, 'result', ['proven', 'wrong', 'refused']),
    guardChecks: new Counter({
      name: 'entrepot_guard_checks_total',
      help: 'Upstreams asked whether a client may read; result: accepted, refused, failed, or allowed though it failed',
      labelNames: ['upstream', 'result'],
      registers,
    }),
  };
}

/** Counts what the proxy door connects. */
export function proxyMetrics(registers: Registry[]): Pick<Metrics, 'proxyConnects' | 'proxyTunnels'> {
  const proxyConnects = new Counter({
    name: 'entrepot_proxy_connects_total',
    help: 'CONNECT requests that are over; result: intercepted, tunnelled, refused or failed',
    labelNames: ['result'],
    registers,
  });
  return {
    proxyConnects: fromZero(proxyConnects, 'result', ['intercepted', 'tunnelled', 'refused', 'failed']),
    proxyTunnels: new Gauge({
      name: 'entrepot_proxy_tunnels',
      help: 'Tunnels that are open, to hosts that are no registries',
      registers,
    }),
  };
}
